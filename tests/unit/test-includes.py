# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Reads every #include line of lib/, daemons/ and ctl/ against the table in lib/README.md: a file includes the C library,
the kernel's headers, its own folder, the folders that its row names, and the foreign libraries of its row. Before the tree
is read, the check itself is tried on a small tree with one file per kind of mistake."""
import os
import re
import sys
import tempfile

# What every folder may include: C, POSIX and the kernel, and the hash tables that are headers only.
SYSTEM_FOLDERS = ("arpa", "asm", "bits", "linux", "net", "netinet", "sys")
SYSTEM = set("""
    assert ctype dirent dlfcn endian err errno fcntl fnmatch ftw getopt glob grp iconv ifaddrs inttypes langinfo libgen libintl
    limits link locale malloc math mntent mqueue netdb paths poll pthread pty pwd regex resolv sched search semaphore setjmp shadow
    signal spawn stdarg stdatomic stdbool stddef stdint stdio stdlib string strings sysexits syslog termios threads time ucontext
    uchar unistd utime wchar wctype uthash utlist""".split())
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b[ \t]*(.*)$", re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def read_table(path, problems):
    """{folder: (folders that it may include, foreign libraries)}; a folder of lib/ stands there without "lib/"."""
    table = {}
    for line in read(path).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or len(cells) != 3 or cells[0] == "folder" or set(cells[0]) <= {"-"}:
            continue
        if cells[0] in table:
            problems.append("README.md: two rows of %s" % cells[0])
        table[cells[0]] = (set(cells[1].split()), set(cells[2].split()))
    if not table:
        problems.append("README.md: no table")
    return table


def check_table(table, problems):
    for folder, (may, _) in sorted(table.items()):
        for other in sorted(may - set(table)):
            problems.append("README.md: %s may include %s, which has no row" % (folder, other))
    # A folder may include itself through nobody.
    for folder in sorted(table):
        seen, queue = set(), list(table[folder][0])
        while queue:
            other = queue.pop()
            if other not in seen and other in table:
                seen.add(other)
                queue += table[other][0]
        if folder in seen:
            problems.append("README.md: %s stands on itself" % folder)


def folders(root):
    """(name in the table, path) of every folder that has sources."""
    for parent, prefix in (("lib", ""), ("daemons", "daemons/")):
        for name in sorted(os.listdir(os.path.join(root, parent))):
            if os.path.isdir(os.path.join(root, parent, name)):
                yield prefix + name, os.path.join(parent, name)
    yield "ctl", "ctl"


def sources(root, path):
    for parent, _, names in sorted(os.walk(os.path.join(root, path))):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(parent, name), root)


def matches(library, header):
    return header == library + ".h" or header.startswith(library + "/")


def check_foreign(header, row, libraries, where, problems):
    owners = {library for library in libraries if matches(library, header)}
    if owners:
        if not owners & row:
            problems.append("%s: <%s> belongs to %s, which its row does not name" % (where, header, " ".join(sorted(owners))))
        return
    first = header.split("/")[0]
    if ("/" in header and first in SYSTEM_FOLDERS) or ("/" not in header and header.removesuffix(".h") in SYSTEM):
        return
    problems.append("%s: <%s> is neither of the system nor in any row" % (where, header))


def check_own(root, header, folder, may, where, problems):
    """The file that the line means, below root, or None."""
    own = folder.split("/")[-1]
    first = header.split("/")[0]
    if "/" not in header:
        problems.append('%s: "%s" does not name its folder' % (where, header))
        return None
    if first != own and first not in may:
        problems.append('%s: "%s" is of a folder that its row does not name' % (where, header))
    for base in ("lib", "daemons", ""):
        if base != "daemons" or first == own:
            path = os.path.join(base, header)
            if os.path.isfile(os.path.join(root, path)):
                return path
    problems.append('%s: "%s" does not exist' % (where, header))
    return None


def check_cycles(edges, problems):
    """Headers that include each other, over any number of others."""
    done = set()

    def visit(path, trail):
        if path in trail:
            problems.append("%s includes itself: %s" % (path, " -> ".join(trail[trail.index(path):] + [path])))
            return
        if path in done:
            return
        for other in sorted(edges.get(path, ())):
            visit(other, trail + [path])
        done.add(path)

    for path in sorted(edges):
        visit(path, [])


def check(root):
    problems, edges, lines = [], {}, 0
    table = read_table(os.path.join(root, "lib/README.md"), problems)
    check_table(table, problems)
    libraries = set().union(*(foreign for _, foreign in table.values()))
    on_disk = dict(folders(root))
    for folder in sorted(set(table) - set(on_disk)):
        problems.append("README.md: there is no folder %s" % folder)
    for folder, path in on_disk.items():
        if folder not in table:
            problems.append("%s has no row" % path)
            continue
        may, foreign = table[folder]
        for source in sources(root, path):
            text = COMMENT.sub(lambda match: "\n" * match.group().count("\n"), read(os.path.join(root, source)))
            for match in INCLUDE.finditer(text):
                where = "%s:%d" % (source, text.count("\n", 0, match.start()) + 1)
                what = match.group(1).strip()
                lines += 1
                if what.startswith("<") and what.endswith(">"):
                    check_foreign(what[1:-1], foreign, libraries, where, problems)
                elif what.startswith('"') and what.endswith('"'):
                    target = check_own(root, what[1:-1], folder, may, where, problems)
                    if target:
                        edges.setdefault(source, set()).add(target)
                else:
                    problems.append("%s: cannot be read" % where)
    check_cycles(edges, problems)
    return problems, lines


def self_check():
    """Each mistake, in a tree that is right otherwise, is found, and the tree without it is not refused."""
    table = ("| folder | may include | foreign headers |\n| --- | --- | --- |\n| base | | |\n| json | base | json-c |\n"
             "| crypto | base json | sodium |\n| daemons/controld | base json | systemd |\n| daemons/agentd | base | |\n| ctl | base | |\n")
    good = {
        "lib/README.md": table,
        "lib/base/a.h": "#pragma once\n#include <stdint.h>\n#include <linux/if.h>\n#include <uthash.h>\n",
        "lib/base/a.c": '#include "base/a.h"\n/* #include "json/j.h" */\n// #include <sodium.h>\n',
        "lib/json/j.h": '#include <json-c/json.h>\n\n#include "base/a.h"\n',
        "lib/crypto/c.c": '#include <sodium.h>\n\n#include "json/j.h"\n',
        "daemons/controld/m.h": '#include <systemd/sd-bus.h>\n\n#include "base/a.h"\n',
        "daemons/controld/m.c": '#include "controld/m.h"\n',
        "daemons/agentd/n.c": '#include "base/a.h"\n',
        "ctl/x.c": '#include "base/a.h"\n',
    }
    mistakes = {
        "floor": ({"lib/base/bad.c": '#include "json/j.h"\n'}, "lib/base/bad.c:1: \"json/j.h\" is of a folder"),
        "foreign": ({"lib/json/bad.c": "\n#include <sodium.h>\n"}, "lib/json/bad.c:2: <sodium.h> belongs to sodium"),
        "unknown library": ({"ctl/bad.c": "#include <expat.h>\n"}, "ctl/bad.c:1: <expat.h> is neither"),
        "other daemon": ({"daemons/agentd/bad.c": '#include "controld/m.h"\n'}, "daemons/agentd/bad.c:1: \"controld/m.h\" is of a folder"),
        "unqualified": ({"lib/base/bad.c": '#include "a.h"\n'}, "does not name its folder"),
        "missing": ({"lib/base/bad.c": '#include "base/none.h"\n'}, "does not exist"),
        "macro": ({"lib/base/bad.c": "#include HEADER\n"}, "cannot be read"),
        "folder without row": ({"lib/new/n.c": "#include <stdint.h>\n"}, "lib/new has no row"),
        "row without folder": ({"lib/README.md": table + "| gone | base | |\n"}, "there is no folder gone"),
        "row of nothing": ({"lib/README.md": table.replace("| base json |", "| base jsn |")}, "which has no row"),
        "circle of folders": ({"lib/README.md": table.replace("| base | | |", "| base | json | |")}, "stands on itself"),
        "circle of files": ({"lib/base/a.h": '#include "base/b.h"\n', "lib/base/b.h": '#include "base/a.h"\n'}, "includes itself"),
        "no table": ({"lib/README.md": "# lib/\n"}, "no table"),
    }
    failed = []
    for name, (files, wanted) in [("good", ({}, None))] + sorted(mistakes.items()):
        with tempfile.TemporaryDirectory(prefix="sdwan-test-includes-") as root:
            for path, text in {**good, **files}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            problems, lines = check(root)
        if wanted is None and (problems or lines != 13):
            failed.append("self-check: the good tree is refused: %s, %d lines" % (problems, lines))
        elif wanted is not None and not any(wanted in problem for problem in problems):
            failed.append("self-check: %s is not found: %s" % (name, problems))
    return failed


failures = self_check()
if not failures:
    failures, count = check(os.environ["SDWAN_SOURCE"])
    if count < 100:
        failures.append("only %d include lines were found" % count)
for failure in failures:
    print(failure)
sys.exit(1 if failures else 0)
