# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""What the lab's test cases share."""

import base64
import os
import re
import signal
import sys
import unittest

from lab import Lab


def build_folder():
    folder = os.environ.get("SDWAN_BUILD")
    if not folder:
        raise unittest.SkipTest("SDWAN_BUILD is not set; run it through tools/test lab")
    return folder


def forms(secret):
    """A secret of 32 bytes as it might be written down."""
    plain = base64.b64encode(secret)
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), plain.rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")]


def token_seed(token):
    payload = token.split(".")[1]
    fields = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    seed = re.search(rb'"s":"([^"]+)"', fields).group(1)
    return base64.urlsafe_b64decode(seed + b"=" * (-len(seed) % 4))


def memory(pid):
    """All readable private memory of a process."""
    chunks = []
    with open("/proc/%d/maps" % pid, encoding="ascii", errors="replace") as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not found or "[vvar]" in line or "[vsyscall]" in line or "[vvar_vclock]" in line:
                continue
            start, end = int(found.group(1), 16), int(found.group(2), 16)
            try:
                mem.seek(start)
                chunks.append(mem.read(end - start))
            except OSError:
                continue  # guard pages and memory that this process alone may read
    return b"\n".join(chunks)


class LabCase(unittest.TestCase):
    """One lab for all tests of a class; setUpLab() brings up what it needs. A test that fails prints the end of every log."""

    @classmethod
    def setUpClass(cls):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # tools/test's time limit: clean up
        cls.lab = Lab(build_folder())
        try:
            cls.setUpLab()
        except BaseException:
            cls.print_logs()
            cls.lab.close()
            raise

    @classmethod
    def setUpLab(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        cls.lab.close()

    @classmethod
    def print_logs(cls):
        for name in sorted(os.listdir(cls.lab.folder)):
            with open(os.path.join(cls.lab.folder, name), encoding="utf-8", errors="replace") as file:
                lines = file.readlines()[-15:]
            if lines and not name.endswith("-bus.log"):
                print("--- %s\n%s" % (name, "".join(lines)))

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            self.print_logs()

    def assertForgotten(self, token, pid):
        text = memory(pid)
        self.assertGreater(len(text), 1 << 20)
        payload = token.split(".")[1]
        for form in [*forms(token_seed(token)), payload[-100:].encode(), payload[100:200].encode()]:
            self.assertFalse(form in text, "the secret is in the memory of process %d" % pid)
