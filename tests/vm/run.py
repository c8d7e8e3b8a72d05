# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""The vm tier: run.py DEBS [--unit-tests FOLDER] [--cache DIR] [--keep]

Boots Debian's (or Ubuntu's) own kernel under QEMU's software emulation with our packages beside it, and lets guest.sh do the rest. Prints one line per check
and, last, how many passed and failed. FOLDER has unit tests that need a kernel with WireGuard. No network: the guest has no interface to the outside.
"""

import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT = 1600
UNIT_TESTS = ("test-rtnl", "test-wg-kernel")

LAB_UNIT = """[Unit]
Description=Virtual machine tier
After=basic.target dbus.service polkit.service
ConditionVirtualization=vm

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/bash /share/guest.sh
StandardOutput=file:/dev/ttyS2
StandardError=file:/dev/ttyS2

[Install]
WantedBy=multi-user.target
"""


def build_disk(cache, debs, unit_tests, work):
    tree_tar = subprocess.run([os.path.join(HERE, "image"), cache], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    tree = os.path.join(work, "tree")
    os.mkdir(tree)
    subprocess.run(["tar", "-C", tree, "-xpf", tree_tar, "--exclude=./dev/*"], check=True)
    os.mkdir(os.path.join(tree, "debs"))
    for deb in glob.glob(os.path.join(debs, "*.deb")):
        if "-dbgsym_" not in deb:
            shutil.copy(deb, os.path.join(tree, "debs"))
    index = subprocess.run(["dpkg-scanpackages", "-m", "."], cwd=os.path.join(tree, "debs"), check=True, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL).stdout
    with open(os.path.join(tree, "debs/Packages"), "wb") as file:
        file.write(index)
    units = os.path.join(tree, "etc/systemd/system")
    with open(os.path.join(units, "vm-lab.service"), "w", encoding="utf-8") as file:
        file.write(LAB_UNIT)
    os.makedirs(os.path.join(units, "multi-user.target.wants"), exist_ok=True)
    os.symlink("../vm-lab.service", os.path.join(units, "multi-user.target.wants/vm-lab.service"))
    with open(os.path.join(tree, "etc/hostname"), "w", encoding="utf-8") as file:
        file.write("vm\n")
    for old in ("etc/resolv.conf", "etc/machine-id"):
        path = os.path.join(tree, old)
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "w", encoding="utf-8"):
            pass
    os.mkdir(os.path.join(tree, "share"))
    shutil.copy(os.path.join(HERE, "guest.sh"), os.path.join(tree, "share"))
    for name in UNIT_TESTS if unit_tests else ():
        shutil.copy(os.path.join(unit_tests, name), os.path.join(tree, "share"))
    kernel = max(glob.glob(os.path.join(tree, "boot/vmlinuz-*")))
    initrd = max(glob.glob(os.path.join(tree, "boot/initrd.img-*")))
    shutil.copy(kernel, os.path.join(work, "vmlinuz"))
    shutil.copy(initrd, os.path.join(work, "initrd"))
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, os.path.join(work, "disk.img"), "3G"], check=True)
    shutil.rmtree(tree)


def follow(path, stop):
    """Prints the results as they come."""
    position = 0
    while not stop.wait(1):
        try:
            with open(path, encoding="utf-8", errors="replace", newline=None) as file:
                file.seek(position)
                text = file.read()
                position = file.tell()
            if text:
                print(text, end="", flush=True)
        except FileNotFoundError:
            pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("debs")
    parser.add_argument("--cache", default=os.environ.get("SDWAN_TEST_CACHE", "/var/cache/sdwan-test"))
    parser.add_argument("--unit-tests", metavar="FOLDER", help="built tests, of which those that need the kernel run in the guest")
    parser.add_argument("--keep", action="store_true", help="leave the working folder for a look")
    arguments = parser.parse_args()

    work = tempfile.mkdtemp(prefix="sdwan-vm-", dir="/var/tmp")
    if arguments.keep:
        print("vm: a root shell of the guest is at %s/shell" % work, flush=True)
    qemu = None
    stop = threading.Event()
    follower = None
    try:
        started = time.monotonic()
        build_disk(arguments.cache, arguments.debs, arguments.unit_tests, work)
        with open(work + "/logs.tar", "wb") as file:
            file.truncate(32 << 20)
        print("vm: the disk is ready after %.0f s" % (time.monotonic() - started), flush=True)
        qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-smp", "2", "-cpu", "max", "-m", "3072", "-nographic",
             "-kernel", work + "/vmlinuz", "-initrd", work + "/initrd",
             "-drive", "file=%s/disk.img,format=raw,if=virtio,cache=unsafe" % work,
             "-drive", "file=%s/logs.tar,format=raw,if=virtio,cache=unsafe" % work, "-nic", "none", "-monitor", "none",
             "-serial", "file:%s/console.log" % work, "-serial", "file:%s/results" % work, "-serial", "file:%s/guest.log" % work,
             "-serial", "unix:%s/shell,server=on,wait=off" % work,
             "-append", "console=ttyS0 root=/dev/vda rw quiet systemd.show_status=no net.ifnames=0 systemd.debug_shell=ttyS3 "
             "systemd.mask=timers.target systemd.mask=getty.target systemd.mask=systemd-logind.service"],
            stdin=subprocess.DEVNULL)
        follower = threading.Thread(target=follow, args=(work + "/results", stop), daemon=True)
        follower.start()
        try:
            qemu.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            print("vm: not finished after %d s" % TIMEOUT)
        stop.set()
        follower.join()
        with open(work + "/results", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        passed = sum(line.startswith("ok ") for line in lines)
        failed = sum(line.startswith("not ok ") for line in lines)
        if "end" not in lines:
            failed += 1
            print("not ok the guest did not come to its end")
        if failed:
            subprocess.run(["tar", "-C", work, "-xf", work + "/logs.tar"], stderr=subprocess.DEVNULL, check=False)
            for path in [work + "/console.log", work + "/guest.log"] + sorted(glob.glob(work + "/journal-*")):
                with open(path, encoding="utf-8", errors="replace") as file:
                    print("--- %s\n%s" % (os.path.basename(path), "".join(file.readlines()[-40:])))
        print("vm: %.0f s in all" % (time.monotonic() - started))
        print("vm: %d passed, %d failed" % (passed, failed))
        return 1 if failed else 0
    finally:
        stop.set()
        if qemu and qemu.poll() is None:
            qemu.kill()
            qemu.wait()
        if arguments.keep:
            print("vm: kept " + work)
        else:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
