# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Memory and idle cost of the daemons beside tincd, FRR's bfdd and nebula, in the lab's namespaces."""
import pathlib
import sys
import time

import benchlib
from benchlib import Failure, pss_bytes, say

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))
from lab import Lab, LabError, wait_for  # noqa: E402

NAME = "footprint"
BOUND = ("an agent with one tunnel needs no more PSS than tincd with one peer, a controller with 1,000 nodes no more than 30 MB; an idle "
         "agent wakes at most twice a second and spends at most 0.02 s of CPU a minute")
PACKAGES = ["tinc", "frr", "nebula", "wireguard-go", "wireguard-tools", "iproute2", "iputils-ping", "dbus", "procps"]
TARGETS = []

CONTROLLER_MAX = 30_000_000
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


def tinc(lab):
    """PSS of a tincd that has one peer, connected."""
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
    wait_for("the tinc tunnel", lambda: nodes[1].run("ping", "-c", "1", "-W", "1", "10.200.201.1", check=False).returncode == 0, 30)
    return nodes[1].pid("tincd")


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


def run(context):
    peers = 100 if context.quick else 1000
    seconds = 10 if context.quick else 60
    try:
        with Lab(context.builddir) as lab:
            ctl = lab.add_controller()
            lab.add_network()
            hub = lab.add_hub(1, 1)
            hub.join(lab.token("hub"))
            branch = lab.add_branch(1, 1)
            branch.join(lab.branch_token(1))
            say(f"joining {peers} nodes …")
            client = lab.add_node("client", 50)
            client.write("/run/token", lab.token("spoke", peers), 0o600)
            client.run(lab.binary("fake-agent"), "join", "--token-file", "/run/token", "--count", peers, "--parallel", "16",
                       "--state", "/run/fake", timeout=600)
            for node in (hub, branch):
                node.wait_in_sync()
            wait_for("the hub's peers", lambda: len(hub.out("wg", "show", "sdwl0", "peers").split()) == peers + 1, 60)
            branch.start_daemon("sdwan-monitord", "org.sdwan.Monitor1")
            branch.lan.run("ping", "-c", "2", "-i", "0.2", "10.255.0.1", check=False)
            pids = {"agent_1_tunnel": branch.pid("sdwan-agentd"), f"agent_{peers}_peers": hub.pid("sdwan-agentd"),
                    "monitor": branch.pid("sdwan-monitord"), f"controller_{peers}_nodes": ctl.pid("sdwan-controld")}
            others = {"tincd_1_peer": tinc(lab), "bfdd": bfdd(lab), "nebula": nebula(lab)}
            say(f"idle for {seconds} s …")
            time.sleep(5)
            wakeups, cpu = idle_cost(pids["agent_1_tunnel"], seconds)
            ours = {f"{name}_pss_kb": pss_bytes(pid) // KB for name, pid in pids.items()}
            theirs = {f"{name}_pss_kb": pss_bytes(pid) // KB for name, pid in others.items()}
    except LabError as error:
        raise Failure(str(error)) from error
    ours.update(agent_wakeups_per_second=round(wakeups, 3), agent_cpu_seconds_per_minute=round(cpu, 5))
    ratio = ours["agent_1_tunnel_pss_kb"] / theirs["tincd_1_peer_pss_kb"]
    return {
        "pass": (ratio <= 1.0 and ours[f"controller_{peers}_nodes_pss_kb"] * KB <= CONTROLLER_MAX and
                 wakeups <= WAKEUPS_MAX and cpu <= CPU_MAX),
        "ours": ours, "peer": theirs, "ratio": round(ratio, 3),
    }
