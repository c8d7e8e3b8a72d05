# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Runs the tiers of tests for tools/test and adds up what they say."""

import argparse
import filecmp
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

TIERS = ["unit", "fuzz", "lab", "package", "vm"]
EXPOSURE = {"sdwan-controld": 13, "sdwan-monitord": 13, "sdwan-agentd": 18}


class Run:
    def __init__(self, top, cache, fuzz_seconds, keep):
        self.top, self.cache, self.fuzz_seconds, self.keep = top, cache, fuzz_seconds, keep
        self.passed = self.failed = self.skipped = 0
        self.names_failed = []
        self.debs = None

    def result(self, name, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            self.names_failed.append(name)
        print("%s %s" % ("ok    " if good else "FAILED", name), flush=True)
        if not good and detail:
            print(detail[-6000:], flush=True)

    def skip(self, name, why):
        self.skipped += 1
        print("skip   %s: %s" % (name, why), flush=True)

    def command(self, *command, timeout=1500, env=None, cwd=None):
        """(status, output); a command that hangs is a failure with what it printed until then."""
        try:
            result = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                    errors="replace", timeout=timeout, cwd=cwd or self.top, env={**os.environ, **(env or {})})
            return result.returncode, result.stdout
        except subprocess.TimeoutExpired as error:
            output = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
            return -1, output + "\nstopped after %d s" % timeout

    def build(self, name, *options, env=None):
        folder = os.path.join(self.cache, name)
        if not os.path.exists(os.path.join(folder, "build.ninja")):
            shutil.rmtree(folder, ignore_errors=True)
            status, output = self.command("meson", "setup", folder, self.top, *options, env=env)
            if status != 0:
                self.result("configure " + name, False, output)
                return None
        status, output = self.command("ninja", "-C", folder, env=env)
        self.result("build " + name, status == 0, output)
        return folder if status == 0 else None

    def meson_tests(self, label, folder, *options, env=None):
        log = os.path.join(folder, "meson-logs/testlog.json")
        if os.path.exists(log):
            os.unlink(log)
        _, output = self.command("meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", "--suite", "unit", *options, env=env)
        if not os.path.exists(log):
            self.result(label, False, output)
            return
        with open(log, encoding="utf-8") as file:
            for line in file:
                test = json.loads(line)
                name = "%s: %s" % (label, test["name"].split(" / ")[-1])
                if test["result"] == "SKIP":
                    self.skip(name, ((test.get("stdout") or "").strip() or "no reason given").splitlines()[-1])
                else:
                    self.result(name, test["result"] == "OK", (test.get("stdout") or "") + (test.get("stderr") or ""))

    def unit(self):
        folder = self.build("werror", "-Dwerror=true", "-Dbuildtype=debugoptimized")
        if folder:
            self.meson_tests("unit", folder)
        folder = self.build("sanitize", "-Dwerror=true", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbuildtype=debug",
                            "-Doptimization=1")
        if folder:
            self.meson_tests("sanitized", folder, "--timeout-multiplier", "4",
                             env={"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"})

    def fuzz(self):
        folder = self.build("fuzz", "-Dfuzz=true", "-Dtests=false", "-Dman=false", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                            "-Db_pie=false", "-Dbuildtype=debugoptimized", env={"CC": "clang"})
        if not folder:
            return
        targets = sorted(path for path in glob.glob(os.path.join(folder, "tests/fuzz/fuzz-*")) if os.access(path, os.X_OK) and os.path.isfile(path))
        self.result("fuzz targets exist", bool(targets))
        for target in targets:
            name = os.path.basename(target)
            with tempfile.TemporaryDirectory() as scratch:
                status, output = self.command(target, "-max_total_time=%d" % self.fuzz_seconds, "-timeout=10", "-rss_limit_mb=2048",
                                              "-artifact_prefix=" + scratch + "/", scratch,
                                              os.path.join(self.top, "tests/fuzz/corpus", name.removeprefix("fuzz-")), timeout=self.fuzz_seconds + 120)
            self.result("%s for %d s" % (name, self.fuzz_seconds), status == 0, output)

    def lab(self):
        folder = os.path.join(self.cache, "werror")
        if "unit" not in self.tiers:
            folder = self.build("werror", "-Dwerror=true", "-Dbuildtype=debugoptimized")
        if not folder or not os.path.exists(os.path.join(folder, "ctl/sdwanctl")):
            self.result("lab: there is a build", False)
            return
        for path in sorted(glob.glob(os.path.join(self.top, "tests/lab/test_*.py"))):
            status, output = self.command(sys.executable, "-B", "-m", "unittest", "-v", os.path.basename(path)[:-3],
                                          cwd=os.path.dirname(path), env={"SDWAN_BUILD": folder}, timeout=900)
            tests = re.findall(r"^(test_\w+) \(.*?\)(?:\n.*?)?? \.\.\. (?:.*?)(ok|FAIL|ERROR|skipped .*)$", output, re.M)
            label = "lab: " + os.path.basename(path)[5:-3]
            bad = status != 0
            for name, verdict in tests:
                if verdict.startswith("skipped"):
                    self.skip("%s: %s" % (label, name), verdict)
                elif verdict == "ok":
                    self.result("%s: %s" % (label, name), True)
                else:
                    self.result("%s: %s" % (label, name), False)
            if bad or not tests:
                self.result(label, False, output)

    def package(self):
        self.debs = os.path.join(self.cache, "debs")
        second = os.path.join(self.cache, "debs-second")
        for folder, env in ((self.debs, {}), (second, {"TZ": "Asia/Shanghai", "LANG": "C", "HOME": "/nonexistent"})):
            shutil.rmtree(folder, ignore_errors=True)
            status, output = self.command(os.path.join(self.top, "tools/build-deb"), "--no-check", folder, env=env)
            self.result("packages: build in " + os.path.basename(folder), status == 0, output)
            if status != 0:
                self.debs = None
                return
        names = sorted(os.path.basename(path) for path in glob.glob(self.debs + "/*.deb"))
        different = [name for name in names if not os.path.exists(os.path.join(second, name)) or
                     not filecmp.cmp(os.path.join(self.debs, name), os.path.join(second, name), shallow=False)]
        self.result("packages: built twice they are the same to the bit", names and not different, " ".join(different))
        shutil.rmtree(second, ignore_errors=True)
        changes = glob.glob(self.debs + "/*.changes")
        status, output = self.command("lintian", "--allow-root", "--fail-on", "error,warning", *changes)
        self.result("packages: lintian finds no error or warning", status == 0, output)
        with tempfile.TemporaryDirectory() as scratch:
            for unit, threshold in EXPOSURE.items():
                with open(os.path.join(self.top, "units", unit + ".service.in"), encoding="utf-8") as file:
                    text = re.sub("^ExecStart=.*$", "ExecStart=/bin/true", file.read(), flags=re.M)
                path = os.path.join(scratch, unit + ".service")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                status, output = self.command("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=%d" % threshold, path)
                self.result("packages: exposure of %s is at most %.1f" % (unit, threshold / 10), status == 0, output)

    def vm(self):
        if not self.debs:
            if "package" in self.tiers:
                self.result("vm: there are packages", False)
                return
            self.debs = os.path.join(self.cache, "debs")
            status, output = self.command(os.path.join(self.top, "tools/build-deb"), "--no-check", self.debs)
            self.result("packages: build", status == 0, output)
            if status != 0:
                return
        folder = os.path.join(self.cache, "werror")
        if "unit" not in self.tiers and "lab" not in self.tiers:
            folder = self.build("werror", "-Dwerror=true", "-Dbuildtype=debugoptimized")
        if not folder:
            return
        command = [sys.executable, "-B", os.path.join(self.top, "tests/vm/run.py"), self.debs,
                   "--unit-tests", os.path.join(folder, "tests/unit")]
        command += ["--keep"] if self.keep else []
        status, output = self.command(*command, timeout=1700)
        print(output, flush=True)
        counts = re.search(r"^vm: (\d+) passed, (\d+) failed$", output, re.M)
        if not counts:
            self.result("vm", False)
            return
        self.passed += int(counts.group(1))
        self.failed += int(counts.group(2))
        self.names_failed += re.findall(r"^not ok (.*)$", output, re.M)

    def tiers_run(self, tiers):
        self.tiers = tiers
        for tier in tiers:
            started = time.monotonic()
            print("--- %s" % tier, flush=True)
            getattr(self, tier)()
            print("--- %s took %.0f s" % (tier, time.monotonic() - started), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="tools/test")
    parser.add_argument("tiers", nargs="*", metavar="TIER", help=", ".join(TIERS))
    parser.add_argument("--top", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--fuzz-seconds", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="keep the working folder of the vm tier")
    arguments = parser.parse_args()
    unknown = [tier for tier in arguments.tiers if tier not in TIERS]
    if unknown:
        parser.error("unknown tier %s; there are %s" % (unknown[0], ", ".join(TIERS)))
    os.makedirs(arguments.cache, exist_ok=True)
    run = Run(arguments.top, arguments.cache, arguments.fuzz_seconds, arguments.keep)
    run.tiers_run([tier for tier in TIERS if tier in (arguments.tiers or TIERS)])
    for name in run.names_failed:
        print("FAILED %s" % name)
    print("%d passed, %d failed, %d skipped" % (run.passed, run.failed, run.skipped))
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()
