# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""What benchmarks share: processes, their memory and their CPU time."""
import contextlib
import os
import pathlib
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time


class Failure(Exception):
    """The benchmark could not be run, which is not the same as a bound that is not met."""


class Context:
    """Where things are: source tree, built programs; whether only a smoke test is wanted."""

    def __init__(self, source, builddir, quick):
        self.source = source
        self.builddir = builddir
        self.quick = quick


def say(text):
    print(text, file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values)


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failure(f"{process.args[0]} ended with status {process.returncode}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise Failure(f"{process.args[0]} does not listen")


def memory_bytes(pid):
    """rss: all that is mapped; pss: what is shared counts in parts; private: what is nobody else's; dirty: of that, what is in no file."""
    rollup = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        name, size = line.split()[:2]
        rollup[name] = int(size) * 1024
    return {"rss": rollup["Rss:"], "pss": rollup["Pss:"], "private": rollup["Private_Clean:"] + rollup["Private_Dirty:"],
            "dirty": rollup["Private_Dirty:"]}


def pss_bytes(pid):
    return memory_bytes(pid)["pss"]


def private_copy(program, folder):
    """A copy of a program and of all its libraries but libc, whose pages no other process shares: path and environment."""
    folder.mkdir(parents=True)
    libraries = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for name, path in re.findall(r"^\s*(\S+) => (/\S+)", libraries, re.M):
        if name != "libc.so.6":
            shutil.copy(path, folder / name)
    path = shutil.copy(program, folder)
    os.sync()  # pages that are still to be written would count as dirty
    return path, {"LD_LIBRARY_PATH": str(folder)}


def cpu_seconds(pid):
    """User and system time of all threads, to the nanosecond."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((t / "schedstat").read_text(encoding="ascii").split()[0]) for t in tasks) / 1e9


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


@contextlib.contextmanager
def running(command, **kwargs):
    """A process that is ended, whatever happens."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, **kwargs)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def scratch():
    path = pathlib.Path(tempfile.mkdtemp(prefix="sdwan-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
