# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""The demonstration behind tools/demo: demo.py BUILD [--once]"""

import signal
import sys
import time

from lab import Lab, LabError

HUBS, BRANCHES = 2, 3


def age(usec):
    return "never" if not usec else "%d s ago" % max(0, time.time() - usec / 1e6)


def size(count):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return "%d B" % count if unit == "B" else "%.1f %s" % (count, unit)
        count /= 1024
    return ""


def table(routers):
    rows = [("NODE", "INTERFACE", "PEER", "HANDSHAKE", "RECEIVED", "SENT", "STATE")]
    for router in routers:
        for tunnel in router.tunnels():
            rows.append((router.name, tunnel["interface"], tunnel["peer"], age(tunnel["last_handshake_usec"]), size(tunnel["received_bytes"]),
                         size(tunnel["sent_bytes"]), "up" if tunnel["up"] else "down"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def how_to_look(lab, hubs, branches):
    def enter(node):
        return "sudo nsenter -t %d -n -m -u -r" % node.holder.pid
    print("""
Look around, from another terminal:

  the controller    %(ctl)s %(sdwanctl)s list nodes
                    %(ctl)s %(sdwanctl)s list prefixes
                    %(ctl)s busctl introspect org.sdwan.Control1 /org/sdwan/Control1
  hub 1             %(hub)s %(sdwanctl)s tunnels
                    %(hub)s ip route show proto 157
                    %(hub)s ip nexthop
  branch 1          %(branch)s %(sdwanctl)s status
                    %(branch)s busctl tree org.sdwan.Agent1
  a host behind it  %(lan)s ping %(target)s
  logs              %(logs)s
""" % {"ctl": enter(lab.controller), "hub": enter(hubs[0]), "branch": enter(branches[0]), "lan": enter(branches[0].lan),
       "sdwanctl": lab.binary("sdwanctl"), "target": branches[-1].lan4, "logs": lab.folder})


def main():
    once = "--once" in sys.argv[2:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it would be ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Lab(sys.argv[1]) as lab:
            print("bringing up a controller, %d hubs and %d branches …" % (HUBS, BRANCHES), flush=True)
            started = time.monotonic()
            hubs, branches = lab.first_light(HUBS, BRANCHES)
            missing = lab.ping_all(branches)
            for source, target, family in missing:
                print("%s does not reach the network of %s over IPv%d" % (source, target, family))
            if missing:
                return 1
            pairs = [(a, b) for a in branches for b in branches if a is not b]
            for a, b in pairs:
                print("%s → %s   %-10s and %-10s answer" % (a.name, b.name, b.lan4, b.lan6))
            print("every branch reaches every other branch's network, %.1f s after the start\n" % (time.monotonic() - started))
            print(table(hubs + branches))
            if once:
                return 0
            how_to_look(lab, hubs, branches)
            print("Ctrl-C ends it and cleans up.")
            while True:
                for a, b in pairs:
                    a.ping(b.lan4, 2, 0.05)
                print("\033[H\033[J" if sys.stdout.isatty() else "", end="")
                print(table(hubs + branches), flush=True)
                if sys.stdout.isatty():
                    how_to_look(lab, hubs, branches)
                    print("Ctrl-C ends it and cleans up.", flush=True)
                time.sleep(2)
    except KeyboardInterrupt:
        print("\ncleaned up")
        return 0
    except LabError as error:
        print("demo: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
