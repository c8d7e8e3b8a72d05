# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""What one join costs the controller, in instructions (callgrind) and bytes, at a growing number of stored nodes."""
import json
import math
import pathlib
import re
import sys

from benchlib import Failure, say

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))
from lab import Lab, LabError, wait_for  # noqa: E402

NAME = "join"
BOUND = ("controller instructions and bytes for one join, at 100, 1,000 and 10,000 stored nodes: log-log slope at most 0.1, and spokes that the "
         "join does not concern receive nothing")
PACKAGES = ["valgrind", "wireguard-go", "wireguard-tools", "iproute2", "iputils-ping", "dbus", "procps"]
TARGETS = []

SLOPE_MAX = 0.1
JOINS = 5


def slope(points):
    """Least squares of log(value) over log(nodes)."""
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum((x - mx) ** 2 for x in xs)


def metrics(ctl):
    answer = ctl.out("busctl", "--no-pager", "--json=short", "call", "org.sdwan.Control1", "/org/sdwan/Control1",
                     "org.sdwan.Control1.Manager", "Call", "sss", "GET", "/metrics", "")
    return {name: float(value) for name, value in re.findall(r"^(\w+) ([0-9.e+]+)$", json.loads(answer)["data"][1], re.M)}


def instructions(lab, ctl):
    """Instructions so far: callgrind is told to write and to go on."""
    ctl.run("callgrind_control", "-d", str(ctl.pid("sdwan-controld")), timeout=60)
    total = 0
    for path in pathlib.Path(lab.folder).glob("callgrind.out*"):
        found = re.findall(r"^totals: (\d+)", path.read_text(encoding="ascii", errors="replace"), re.M)
        total += sum(map(int, found))
    return total


def measure(context, nodes):
    """(instructions, bytes sent to agents, batches that an unconcerned spoke received) of one join with that many nodes stored."""
    with Lab(context.builddir) as lab:
        ctl = lab.add_controller()
        lab.add_network()
        client = lab.add_node("client", 50)
        client.write("/run/token", lab.token("spoke", nodes + JOINS + 10), 0o600)
        client.write("/run/hub-token", lab.token("hub"), 0o600)
        fake = lab.binary("fake-agent")

        def join(count, parallel=1, state="/run/fake", token="/run/token"):
            client.run(fake, "join", "--token-file", token, "--count", count, "--parallel", parallel, "--state", state, timeout=900)
        say(f"join: storing {nodes} nodes …")
        join(1, state="/run/hub", token="/run/hub-token")
        join(1, state="/run/spoke")
        join(nodes - 2, 16)
        # The same database, now under callgrind.
        ctl.stop("sdwan-controld")
        ctl.spawn("sdwan-controld", "valgrind", "--tool=callgrind", f"--callgrind-out-file={lab.folder}/callgrind.out.%p",
                  lab.binary("sdwan-controld"))
        wait_for("the controller under callgrind", lambda: ctl.bus_has("org.sdwan.Control1"), 300)
        seconds = "40"
        hub = client.spawn("hub", fake, "stream", "--state", "/run/hub", "--seconds", seconds)
        spoke = client.spawn("spoke", fake, "stream", "--state", "/run/spoke", "--seconds", seconds)
        wait_for("both streams", lambda: metrics(ctl).get("sdwan_topic_subscribers", 0) >= 2, 60)
        join(1, state="/run/warm")
        before, sent = instructions(lab, ctl), metrics(ctl)["sdwan_topic_bytes_sent_total"]
        join(JOINS, state="/run/measured")
        wait_for("the batches", lambda: metrics(ctl)["sdwan_topic_bytes_sent_total"] > sent)
        cost = (instructions(lab, ctl) - before) / JOINS
        sent = (metrics(ctl)["sdwan_topic_bytes_sent_total"] - sent) / JOINS
        for process in (hub, spoke):
            process.wait(200)
        found = re.search(r"batches_after_first=(\d+)", client.log("spoke"))
        if not found:
            raise Failure("fake-agent did not say what the spoke received: " + client.log("spoke")[-300:])
        return cost, sent, int(found.group(1))


def run(context):
    sizes = (100, 400) if context.quick else (100, 1000, 10000)
    try:
        rows = {nodes: measure(context, nodes) for nodes in sizes}
    except LabError as error:
        raise Failure(str(error)) from error
    cpu = slope([(nodes, row[0]) for nodes, row in rows.items()])
    sent = slope([(nodes, row[1]) for nodes, row in rows.items()])
    unconcerned = max(row[2] for row in rows.values())
    ours = {str(nodes): {"instructions": round(row[0]), "bytes": round(row[1]), "batches_to_unconcerned_spoke": row[2]}
            for nodes, row in rows.items()}
    return {"pass": cpu <= SLOPE_MAX and sent <= SLOPE_MAX and unconcerned == 0, "ours": ours, "peer": None,
            "ratio": {"slope_instructions": round(cpu, 4), "slope_bytes": round(sent, 4)}}
