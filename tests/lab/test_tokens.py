# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Tokens that must not work, and requests that must be refused: one clear line, a documented exit status, nothing changed."""

import json
import re
import time
import unittest

from base import LabCase
from lab import wait_for

# Somebody else at the controller's address: HTTPS, but no controller.
STRANGER = """
import http.server, socket, ssl, subprocess
subprocess.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /run/k -out /run/c -subj /CN=x -days 1",
               shell=True, check=True, stderr=subprocess.DEVNULL)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/run/c", "/run/k")
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
class Server(http.server.HTTPServer):
    address_family = socket.AF_INET6
server = Server(("::", 9443), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
TOKEN_REFUSED, TOKEN_MISTYPED, OTHER_CONTROLLER, UNREACHABLE = 6, 7, 8, 9  # sdwanctl(1)


class Tokens(LabCase):
    @classmethod
    def setUpLab(cls):
        cls.ctl = cls.lab.add_controller()
        cls.lab.add_network()
        cls.node = cls.lab.add_branch(1, 0, lan=False)

    def revision(self):
        return json.loads(self.ctl.out("busctl", "--no-pager", "--json=short", "get-property", "org.sdwan.Control1", "/org/sdwan/Control1",
                                       "org.sdwan.Control1.Manager", "Revision"))["data"]

    def disk(self):
        return self.node.out("sh", "-c", "find /var/lib/sdwan -type f -exec sha256sum {} + | sort")

    def uses(self):
        return {t["name"]: t["uses"] for t in self.ctl.ctl_json("list", "tokens")}

    def refused(self, token, status, words, **options):
        """The token is refused with that status and those words on one line, and neither side has changed."""
        revision, disk, uses = self.revision(), self.disk(), self.uses()
        result = self.node.join(token, check=False, **options)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        self.assertRegex(result.stderr, words)
        self.assertEqual(result.stdout, "")
        if len(token) > 40:
            self.assertNotIn(token.strip()[10:40], result.stderr)
        self.assertEqual(self.node.state(), "unenrolled")
        self.assertEqual((self.revision(), self.disk(), self.uses()), (revision, disk, uses))

    def test_expired(self):
        token = self.lab.token("spoke", 1, "--expires", "1s")
        time.sleep(2.1)
        self.refused(token, TOKEN_REFUSED, "token")

    def test_revoked(self):
        token = self.lab.token("spoke", 1, "--name", "revoke-me")
        self.ctl.ctl("set", "token", "revoke-me", "revoked=true")
        self.refused(token, TOKEN_REFUSED, "token")

    def test_removed(self):
        token = self.lab.token("spoke", 1, "--name", "remove-me")
        self.ctl.ctl("remove", "token", "remove-me")
        self.refused(token, TOKEN_REFUSED, "token")

    def test_mistyped(self):
        token = self.lab.token("spoke")
        for wrong in (token[:60] + ("A" if token[60] != "A" else "B") + token[61:], token[:-1], "hello", "", token + "x"):
            with self.subTest(wrong=wrong[:10]):
                self.refused(wrong, TOKEN_MISTYPED, "token")

    def test_spent(self):
        token = self.lab.token("spoke", 1, "--name", "spent")
        client = self.lab.add_node("client", 50)
        client.write("/run/token", token, 0o600)
        client.run(self.lab.binary("fake-agent"), "join", "--token-file", "/run/token", "--state", "/run/fake")
        self.assertEqual(self.uses()["spent"], 1)
        self.refused(token, TOKEN_REFUSED, "token")

    def test_of_another_controller(self):
        """Another controller at the address that the token names, as after a reinstallation without a restore."""
        other = self.lab.add_controller("other", 11)
        before, self.lab.controller = self.lab.controller, other
        try:
            self.lab.add_network()
            token = self.lab.token("spoke")
        finally:
            self.lab.controller = before
        other.stop("sdwan-controld")
        other.run("rm", "-rf", "/var/lib/sdwan/controller")
        other.start_daemon("sdwan-controld", "org.sdwan.Control1")
        self.refused(token, OTHER_CONTROLLER, "controller")
        other.stop("sdwan-controld")
        self.assertNotIn("joined", other.log("sdwan-controld"))
        other.spawn("stranger", "python3", "-c", STRANGER)
        wait_for("the stranger", lambda: ":9443" in other.out("ss", "-H", "-lnt"))
        self.refused(token, OTHER_CONTROLLER, "controller")
        self.assertNotIn("POST", other.log("stranger"))

    def test_controller_unreachable(self):
        token = self.lab.token("spoke")
        self.node.run("ip", "link", "set", "wan", "down")
        try:
            result = self.node.ctl("join", "-", input=token, check=False, timeout=120)
            self.assertEqual(result.returncode, UNREACHABLE, result.stderr)
            self.assertEqual(len(result.stderr.strip().splitlines()), 1)
        finally:
            self.node.run("ip", "link", "set", "wan", "up")
            self.node.run("ip", "addr", "replace", self.node.wan6 + "/64", "dev", "wan", "nodad")

    def test_prefix_that_the_token_does_not_allow(self):
        token = self.lab.token("spoke", 1, "--allow-prefix", "10.1.0.0/16")
        self.refused(token, 1, r"prefix", extra=("--prefix", "10.2.0.0/24"))

    def test_100_parallel_joins_spend_exactly_the_uses(self):
        uses = 7
        token = self.lab.token("spoke", uses, "--name", "parallel")
        self.node.write("/run/parallel-token", token, 0o600)
        output = self.node.run(self.lab.binary("fake-agent"), "join", "--token-file", "/run/parallel-token", "--count", "100",
                               "--parallel", "100", "--state", "/run/fake", check=False, timeout=120).stdout
        counts = dict((key, int(value)) for key, value in re.findall(r"(\w+)=(\d+)", output))
        self.assertEqual(counts["joined"], uses, output)
        self.assertEqual(counts["refused"], 100 - uses, output)
        tokens = {t["name"]: t for t in self.ctl.ctl_json("list", "tokens")}
        self.assertEqual(tokens["parallel"]["uses"], uses)
        names = [n["name"] for n in self.ctl.ctl_json("list", "nodes")]
        self.assertEqual(len(names), len(set(names)))


class SignedRequests(LabCase):
    @classmethod
    def setUpLab(cls):
        cls.ctl = cls.lab.add_controller()
        cls.lab.add_network()
        cls.node = cls.lab.add_node("client", 50)
        cls.node.write("/run/token", cls.lab.token("spoke"), 0o600)
        cls.fake("join", "--token-file", "/run/token", "--count", "1", "--parallel", "1")

    @classmethod
    def fake(cls, *arguments, check=True):
        return cls.node.run(cls.lab.binary("fake-agent"), *arguments, "--state", "/run/fake", check=check, timeout=60)

    def verdicts(self):
        """fake-agent replay prints "ok NAME" for each request that was answered as it must be, "not ok NAME: …" else."""
        result = self.fake("replay", check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        lines = result.stdout.splitlines()
        self.assertGreater(sum(line.startswith("ok ") for line in lines), 5, result.stdout)
        self.assertFalse([line for line in lines if line.startswith("not ok")], result.stdout)

    def test_1_replayed_reordered_altered(self):
        self.verdicts()

    def test_2_after_a_restart_of_the_controller(self):
        self.fake("record")
        self.ctl.stop("sdwan-controld")
        self.ctl.start_daemon("sdwan-controld", "org.sdwan.Control1")
        result = self.fake("replay-recorded", check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.verdicts()


if __name__ == "__main__":
    unittest.main()
