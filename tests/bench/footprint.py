# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Memory and idle cost of the daemons beside tincd, FRR's bfdd and nebula, in the lab's namespaces."""
import pathlib
import shutil
import sys
import time

import benchlib
from benchlib import Failure, say

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))
from lab import Lab, LabError, wait_for  # noqa: E402

NAME = "footprint"
BOUND = ("an agent with one tunnel needs no more PSS than tincd with one peer, each with libraries of its own, and no more than 5 MB with 1,000 "
         "peers; a controller with 1,000 nodes no more than 30 MB; an idle agent wakes at most twice a second and spends at most 0.02 s of CPU "
         "a minute")
PACKAGES = ["tinc", "frr", "nebula", "wireguard-go", "wireguard-tools", "iproute2", "iputils-ping", "dbus", "procps",
            "curl"]
TARGETS = []

CONTROLLER_MAX = 30_000_000
PEERS_MAX = 5_000_000
SETTLE_SECONDS = 15  # ours let go of what only their start needed after 10
SCRAPE_SECONDS = 5
WAKEUPS_MAX = 2.0
CPU_MAX = 0.02
KB = 1000


def idle_cost(pid, seconds):
    """Wake-ups a second and CPU seconds a minute, of a process that nobody talks to."""
    def wakeups():
        text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        return int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])
    before, cpu = wakeups(), benchlib.cpu_seconds(pid)
    time.sleep(seconds)
    return (wakeups() - before) / seconds, (benchlib.cpu_seconds(pid) - cpu) * 60 / seconds


def wait_for_tinc(node):
    wait_for("the tinc tunnel", lambda: node.run("ping", "-c", "1", "-W", "1", "10.200.201.1", check=False).returncode == 0, 30)


def tinc(lab):
    """A node whose tincd has one peer, connected."""
    nodes = [lab.add_node(f"tinc{n}", 200 + n) for n in (1, 2)]
    for node, name in zip(nodes, ("one", "two")):
        node.write("/etc/tinc/lab/tinc.conf", f"Name = {name}\nDeviceType = tun\nInterface = tinc0\n" +
                   ("ConnectTo = one\n" if name == "two" else ""))
        node.write(f"/etc/tinc/lab/hosts/{name}", f"Address = {node.wan4}\nSubnet = 10.200.{node.number}.0/24\n")
        node.run("sh", "-c", "tincd -n lab -K2048 < /dev/null", timeout=120)
    keys = {name: node.out("cat", f"/etc/tinc/lab/hosts/{name}") for node, name in zip(nodes, ("one", "two"))}
    for node in nodes:
        for name, text in keys.items():
            node.write(f"/etc/tinc/lab/hosts/{name}", text)
        node.write("/etc/tinc/lab/tinc-up", f"#!/bin/sh\nip link set tinc0 up\nip addr add 10.200.{node.number}.1/16 dev tinc0\n", 0o755)
        node.spawn("tincd", "tincd", "-n", "lab", "-D")
    wait_for_tinc(nodes[1])
    return nodes[1]


def bfdd(lab):
    node = lab.add_node("bfd", 210)
    node.run("sh", "-c", "mkdir -p /run/frr && chown frr:frr /run/frr && touch /etc/frr/bfdd.conf")
    node.spawn("zebra", "/usr/lib/frr/zebra", "-A", "127.0.0.1", "-P", "0")
    node.spawn("bfdd", "/usr/lib/frr/bfdd", "-A", "127.0.0.1", "-P", "0")
    wait_for("bfdd", lambda: node.run("test", "-S", "/run/frr/bfdd.vty", check=False).returncode == 0)
    node.run("vtysh", "-d", "bfdd", "-c", "configure terminal", "-c", "bfd", "-c", f"peer {lab.controller.wan4}", check=False)
    return node.pid("bfdd")


def nebula(lab):
    node = lab.add_node("nebula", 211)
    node.run("sh", "-c", "mkdir -p /run/nebula && cd /run/nebula && nebula-cert ca -name lab && "
             "nebula-cert sign -name one -ip 10.201.0.1/24")
    node.write("/run/nebula/config.yml", """pki: {ca: /run/nebula/ca.crt, cert: /run/nebula/one.crt, key: /run/nebula/one.key}
lighthouse: {am_lighthouse: true}
listen: {host: 0.0.0.0, port: 4242}
tun: {dev: nebula0}
firewall: {outbound: [{port: any, proto: any, host: any}], inbound: [{port: any, proto: any, host: any}]}
""")
    node.spawn("nebula", "nebula", "-config", "/run/nebula/config.yml")
    wait_for("nebula", lambda: "nebula0" in node.out("ip", "-br", "link"))
    return node.pid("nebula")


def measure(names_to_pids):
    return {f"{name}_{kind}_kb": size // KB for name, pid in names_to_pids.items()
            for kind, size in benchlib.memory_bytes(pid).items()}


def monitored(hub, peers, seconds):
    """The hub's monitor, which is asked for the counters of all tunnels again and again, and the agent that it has them from."""
    hub.start_daemon("sdwan-monitord", "org.sdwan.Monitor1")
    for _ in range(seconds // SCRAPE_SECONDS):
        time.sleep(SCRAPE_SECONDS)
        metrics = hub.out("curl", "-sSf", "http://127.0.0.1:9586/metrics")
    if metrics.count("peer=") < peers:
        raise Failure("the monitor does not show all tunnels")
    return measure({f"monitor_{peers}_tunnels": hub.pid("sdwan-monitord"), f"agent_{peers}_peers_monitored": hub.pid("sdwan-agentd")})


def alone(lab, node, name, program, arguments, ready):
    """The same process from copies of its program and libraries, as if nobody else on the machine had them: its memory."""
    node.stop(name)
    path, env = benchlib.private_copy(program, pathlib.Path(lab.folder) / f"private-{name}-{time.monotonic_ns()}")
    node.spawn(name, path, *arguments, env={"NOTIFY_SOCKET": "", **env})
    ready()
    time.sleep(SETTLE_SECONDS)
    return benchlib.memory_bytes(node.pid(name))


def alone_pairs(lab, branch, tincd, pairs):
    ours, theirs = [], []
    for _ in range(pairs):
        ours.append(alone(lab, branch, "sdwan-agentd", lab.binary("sdwan-agentd"), [], branch.wait_in_sync))
        theirs.append(alone(lab, tincd, "tincd", shutil.which("tincd", path="/usr/sbin:/usr/bin"), ["-n", "lab", "-D"],
                            lambda: wait_for_tinc(tincd)))
    return ours, theirs


def medians(name, samples):
    return {f"{name}_{kind}_kb": int(benchlib.median([s[kind] for s in samples])) // KB for kind in samples[0]}


def set_up(lab, peers):
    """A hub with all peers, a branch with one tunnel and a monitor, and the others' daemons: names to process ids, and the nodes. Last
    comes the CPU time that each join took on the hub."""
    ctl = lab.add_controller()
    lab.add_network()
    hub = lab.add_hub(1, 1)
    hub.join(lab.token("hub"))
    branch = lab.add_branch(1, 1)
    branch.join(lab.branch_token(1))
    say(f"joining {peers} nodes …")
    client = lab.add_node("client", 50)
    client.write("/run/token", lab.token("spoke", peers), 0o600)
    before = benchlib.cpu_seconds(hub.pid("sdwan-agentd"))
    client.run(lab.binary("fake-agent"), "join", "--token-file", "/run/token", "--count", peers, "--parallel", "16", "--state", "/run/fake",
               timeout=600)
    for node in (hub, branch):
        node.wait_in_sync()
    wait_for("the hub's peers", lambda: len(hub.out("wg", "show", "sdwl0", "peers").split()) == peers + 1, 60)
    cpu = benchlib.cpu_seconds(hub.pid("sdwan-agentd")) - before
    branch.start_daemon("sdwan-monitord", "org.sdwan.Monitor1")
    branch.lan.run("ping", "-c", "2", "-i", "0.2", "10.255.0.1", check=False)
    tincd = tinc(lab)
    ours = {"agent_1_tunnel": branch.pid("sdwan-agentd"), f"agent_{peers}_peers": hub.pid("sdwan-agentd"),
            "monitor": branch.pid("sdwan-monitord"), f"controller_{peers}_nodes": ctl.pid("sdwan-controld")}
    theirs = {"tincd_1_peer": tincd.pid("tincd"), "bfdd": bfdd(lab), "nebula": nebula(lab)}
    return ours, theirs, hub, branch, tincd, cpu / peers


def run(context):
    peers = 100 if context.quick else 1000
    seconds = 10 if context.quick else 60
    try:
        with Lab(context.builddir) as lab:
            our_pids, their_pids, hub, branch, tincd, cpu_per_join = set_up(lab, peers)
            say(f"idle for {seconds} s …")
            time.sleep(SETTLE_SECONDS)
            wakeups, cpu = idle_cost(our_pids["agent_1_tunnel"], seconds)
            ours, theirs = measure(our_pids), measure(their_pids)
            ours.update(monitored(hub, peers, seconds))
            say("each with libraries of its own …")
            ours_alone, theirs_alone = alone_pairs(lab, branch, tincd, 1 if context.quick else 5)
    except LabError as error:
        raise Failure(str(error)) from error
    ours.update(medians("agent_1_tunnel_alone", ours_alone), agent_wakeups_per_second=round(wakeups, 3),
                agent_cpu_seconds_per_minute=round(cpu, 5), agent_cpu_ms_per_join=round(cpu_per_join * 1000, 3))
    theirs.update(medians("tincd_1_peer_alone", theirs_alone))
    ratio = benchlib.median([o["pss"] / t["pss"] for o, t in zip(ours_alone, theirs_alone)])
    return {
        "pass": (ratio <= 1.0 and ours[f"agent_{peers}_peers_pss_kb"] * KB <= PEERS_MAX and
                 ours[f"controller_{peers}_nodes_pss_kb"] * KB <= CONTROLLER_MAX and wakeups <= WAKEUPS_MAX and cpu <= CPU_MAX),
        "ours": ours, "peer": theirs, "ratio": round(ratio, 3),
    }
