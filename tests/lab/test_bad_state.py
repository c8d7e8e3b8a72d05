# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""A controller that cannot work says what to do, ends with its documented status, and destroys nothing (F-04, F-07, F-08, F-32)."""

import os
import re
import unittest

from base import LabCase
from lab import wait_for

STATE = "/var/lib/sdwan/controller"
STORE, CREDENTIAL, ADDRESS = 4, 5, 6  # sdwan-controld(8)


class BadState(LabCase):
    @classmethod
    def setUpLab(cls):
        cls.ctl = cls.lab.add_controller()
        cls.lab.add_network()
        cls.database = cls.ctl.out("find", STATE, "-name", "*.db").strip() or cls.ctl.out("find", STATE, "-name", "*.sqlite*").split()[0]
        cls.ctl.stop("sdwan-controld")
        cls.ctl.run("cp", "-a", STATE, "/run/good")

    def setUp(self):
        self.ctl.run("sh", "-c", "rm -rf %s/* && cp -a /run/good/. %s/" % (STATE, STATE))

    def digest(self):
        return self.ctl.out("sh", "-c", "cd %s && find . -type f ! -name '*-shm' ! -name '*-wal' | sort | xargs sha256sum" % STATE)

    def refuses(self, status, words):
        before = self.digest()
        self.ctl.run("true")
        process = self.ctl.spawn("refused", self.lab.binary("sdwan-controld"))
        self.assertEqual(process.wait(20), status, self.ctl.log("refused")[-1000:])
        text = self.ctl.log("refused")
        open(self.ctl.log_path("refused"), "w", encoding="utf-8").close()
        self.assertRegex(text, re.compile(words, re.I))
        self.assertEqual(self.digest(), before)

    def test_damaged_database(self):
        self.ctl.run("dd", "if=/dev/urandom", "of=" + self.database, "bs=512", "seek=8", "count=8", "conv=notrunc")
        self.refuses(STORE, "damaged|malformed|restore")

    def test_damage_at_every_page(self):
        size = int(self.ctl.out("stat", "-c", "%s", self.database))
        self.assertEqual(size % 4096, 0)
        self.assertGreater(size // 4096, 10)
        for page in range(1, size // 4096):
            with self.subTest(page=page):
                self.setUp()
                self.ctl.run("dd", "if=/dev/urandom", "of=" + self.database, "bs=64", "seek=%d" % (page * 64), "count=8", "conv=notrunc")
                self.refuses(STORE, "damaged.*restore")

    def test_cut_off_database(self):
        self.ctl.run("truncate", "-s", "-4096", self.database)
        self.refuses(STORE, "damaged.*restore")

    def test_not_a_database(self):
        self.ctl.run("sh", "-c", "echo this is no database, but long enough to have a header > %s" % self.database)
        self.refuses(STORE, "damaged|not a database|restore")

    def test_empty_database(self):
        self.ctl.run("truncate", "-s", "0", self.database)
        self.refuses(STORE, "damaged|empty|restore")

    def test_database_of_a_newer_version(self):
        self.ctl.run("sqlite3", self.database, "PRAGMA user_version = 9999;")
        self.refuses(STORE, "newer")

    def test_missing_database_beside_its_credentials(self):
        """Old keys with a new, empty database would make every node a stranger."""
        self.ctl.run("sh", "-c", "rm -f %s*" % self.database)
        self.refuses(STORE, "restore|missing")

    def test_key_file_open_to_others(self):
        for path in self.ctl.out("find", STATE + "/credentials", "-name", "*key*", "-type", "f").split():
            with self.subTest(path=path):
                self.ctl.run("chmod", "0644", path)
                self.refuses(CREDENTIAL, "chmod|mode|permission")
                self.ctl.run("chmod", "0600", path)

    def test_missing_key_file(self):
        path = self.ctl.out("find", STATE + "/credentials", "-name", "*root*").split()[0]
        self.ctl.run("rm", path)
        self.refuses(CREDENTIAL, "missing|restore")

    def test_busy_port(self):
        self.ctl.spawn("busy", "python3", "-c", "import socket,time; s=socket.create_server(('::', 9443), family=socket.AF_INET6, "
                       "dualstack_ipv6=True); time.sleep(60)")
        wait_for("the other listener", lambda: ":9443" in self.ctl.out("ss", "-H", "-lnt"))
        try:
            self.refuses(ADDRESS, "9443")
        finally:
            self.ctl.stop("busy")

    def test_mistake_in_the_configuration_file(self):
        good = self.ctl.out("cat", "/etc/sdwan/controld.conf")
        self.ctl.write("/etc/sdwan/controld.conf", "[Controller]\nPort=99999\n")
        try:
            self.refuses(2, r"controld\.conf.*2.*Port")
        finally:
            self.ctl.write("/etc/sdwan/controld.conf", good)

    def rows(self):
        """What the database says. SQLite moves its log into the file when it can, so the file's bytes are no measure here."""
        self.ctl.run("sh", "-c", "rm -rf /run/copy && mkdir /run/copy && cp -a %s* /run/copy/" % self.database)
        return self.ctl.out("sqlite3", "/run/copy/" + os.path.basename(self.database), ".dump")

    def test_full_disk(self):
        """At the start with no space, and while running: reads go on, a write is refused with words, and space heals it."""
        self.ctl.run("sh", "-c", "mount -t tmpfs -o size=1m,mode=0700 tmpfs %s && cp -a /run/good/. %s/" % (STATE, STATE))
        try:
            self.ctl.start_daemon("sdwan-controld", "org.sdwan.Control1")
            self.ctl.run("sh", "-c", "dd if=/dev/zero of=%s/filler bs=4096 2>/dev/null; true" % STATE)
            failed = None
            for number in range(60):
                failed = self.ctl.ctl("add", "network", "--name", "n%d" % number, "--prefix4", "10.%d.0.0/16" % (100 + number), check=False)
                if failed.returncode:
                    break
            self.assertNotEqual(failed.returncode, 0)
            self.assertRegex(failed.stderr, "(?i)space|full")
            names = [n["name"] for n in self.ctl.ctl_json("list", "networks")]
            self.assertNotIn("n%d" % number, names)
            # A restart on the full disk: whatever it says, it destroys nothing.
            self.assertEqual(self.ctl.stop("sdwan-controld"), 0)
            before = self.rows()
            process = self.ctl.spawn("full", self.lab.binary("sdwan-controld"))
            wait_for("a controller on a full disk", lambda: process.poll() is not None or self.ctl.bus_has("org.sdwan.Control1"))
            if process.poll() is None:
                self.assertEqual([n["name"] for n in self.ctl.ctl_json("list", "networks")], names)
                self.ctl.stop("full")
            else:
                self.assertEqual(process.returncode, STORE)
                self.assertRegex(self.ctl.log("full"), "(?i)space|full")
            self.assertEqual(self.rows(), before)
            self.ctl.run("rm", STATE + "/filler")
            self.ctl.start_daemon("sdwan-controld", "org.sdwan.Control1")
            self.ctl.ctl("add", "network", "--name", "after", "--prefix4", "172.16.0.0/16")
            self.assertEqual(self.ctl.stop("sdwan-controld"), 0)
            self.ctl.start_daemon("sdwan-controld", "org.sdwan.Control1")
            self.assertEqual(sorted(n["name"] for n in self.ctl.ctl_json("list", "networks")), sorted(names + ["after"]))
            self.ctl.stop("sdwan-controld")
            self.ctl.run("sh", "-c", "rm -rf %s/*; dd if=/dev/zero of=%s/filler bs=4096 2>/dev/null; true" % (STATE, STATE))
            self.refuses(STORE, "(?i)space|full")
        finally:
            self.ctl.stop("sdwan-controld")
            self.ctl.run("umount", STATE)


if __name__ == "__main__":
    unittest.main()
