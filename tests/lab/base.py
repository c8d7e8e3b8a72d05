# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""What the lab's test cases share."""

import os
import unittest

from lab import Lab


def build_folder():
    folder = os.environ.get("SDWAN_BUILD")
    if not folder:
        raise unittest.SkipTest("SDWAN_BUILD is not set; run it through tools/test lab")
    return folder


class LabCase(unittest.TestCase):
    """One lab for all tests of a class; setUpLab() brings up what it needs. A test that fails prints the end of every log."""

    @classmethod
    def setUpClass(cls):
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
