# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""A whole SD-WAN on one machine, for the lab tier and the demo.

Every node is a small container: namespaces for network, mounts and host name around one holder process, with a /run, /var/lib and /etc of its
own and a private system bus, so that the real daemons run with their default paths. The data plane is wireguard-go, because the machine's
kernel may have no WireGuard: the lab starts it, the agent adopts it. Nothing outside the namespaces is touched, and close() ends
every process by its id; a lab that is killed takes its processes with it.
"""

import atexit
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

WAN4 = "198.51.100.%d"
WAN6 = "2001:db8:1::%x"
CONTROLLER = 10
NETWORK = {"name": "corp", "prefix4": "10.255.0.0/16", "prefix6": "fdff::/64", "ranges": "10.0.0.0/12,fd00::/24"}

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""

# What a node's holder does before it waits. /etc is an overlay, so that files of the machine are seen and never changed.
HOLDER = """
set -e
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/dbus /run/wireguard /run/etc/upper /run/etc/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work overlay /etc
mkdir -p /etc/sdwan
mount -t tmpfs -o mode=0755 tmpfs /var/lib
mkdir -p /var/lib/sdwan
mount -t sysfs sysfs /sys
hostname "$1"
ip link set lo up
for key in net.ipv6.conf.all.accept_dad net.ipv6.conf.default.accept_dad; do sysctl -qw $key=0; done
echo ready
exec sleep infinity
"""


WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]


class LabError(Exception):
    pass


def propagation():
    """How unshare(1) is to keep our mounts to ourselves. In a plain chroot / is no mount and cannot be made private; where the
    machine's first process shares nothing either, there is nothing to keep them from."""
    if os.path.ismount("/") and subprocess.run(["unshare", "--mount", "--propagation", "private", "true"],
                                               stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return "private"
    with open("/proc/1/mountinfo", encoding="utf-8", errors="replace") as file:
        if any(" shared:" in line for line in file):
            raise LabError("/ is not a mount point here, so mounts would leak to the machine: bind-mount it onto itself first "
                           "(mount --bind ROOT ROOT), or use systemd-nspawn")
    return "unchanged"


def wait_for(what, condition, seconds=20.0, every=0.1):
    """Polls until condition() is true; its last value is returned. LabError names what did not come."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError("%s did not happen within %g s" % (what, seconds))
        time.sleep(every)


class Node:
    def __init__(self, lab, name, number=None):
        self.lab = lab
        self.name = name
        self.number = number
        self.processes = {}
        self.holder = subprocess.Popen(
            [*WITH_US, "unshare", "--net", "--mount", "--uts", "--propagation", propagation(), "--", "sh", "-c", HOLDER, "sh", name],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True, cwd="/")
        if self.holder.stdout.readline() != b"ready\n":
            raise LabError("the namespaces of %s could not be made" % name)

    def enter(self, *command):
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m", "-u", "-r", "-w", "--", *map(str, command)]

    def run(self, *command, check=True, input=None, timeout=60):
        result = subprocess.run(self.enter(*command), input=input, capture_output=True, text=True, timeout=timeout)
        if check and result.returncode != 0:
            raise LabError("%s: %s: status %d: %s%s" % (self.name, " ".join(map(str, command)), result.returncode,
                                                        result.stdout, result.stderr))
        return result

    def out(self, *command, **options):
        return self.run(*command, **options).stdout

    def write(self, path, text, mode=0o644):
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"', "sh", path, "%o" % mode, input=text)

    def log_path(self, name):
        return os.path.join(self.lab.folder, "%s-%s.log" % (self.name, name))

    def log(self, name):
        try:
            with open(self.log_path(name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def spawn(self, name, *command, env=None):
        """Starts a process of the node in the background; its output goes to a log of that name."""
        with open(self.log_path(name), "ab") as log:
            process = subprocess.Popen(WITH_US + self.enter(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**os.environ, **(env or {})}, start_new_session=True)
        self.processes[name] = process
        return process

    def stop(self, name, sig=signal.SIGTERM, seconds=10):
        process = self.processes.pop(name, None)
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(sig)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise LabError("%s on %s did not end within %g s of signal %d" % (name, self.name, seconds, sig))
        return process.returncode

    def pid(self, name):
        return self.processes[name].pid

    def attach_wan(self):
        peer = "wan-%s" % self.name
        self.lab.wan.run("ip", "link", "add", peer[:15], "type", "veth", "peer", "name", "wan", "netns", self.holder.pid)
        self.lab.wan.run("ip", "link", "set", peer[:15], "master", "wan", "up")
        self.run("ip", "addr", "add", (WAN4 % self.number) + "/24", "dev", "wan")
        self.run("ip", "addr", "add", (WAN6 % self.number) + "/64", "dev", "wan", "nodad")
        self.run("ip", "link", "set", "wan", "up")

    @property
    def wan4(self):
        return WAN4 % self.number

    @property
    def wan6(self):
        return WAN6 % self.number

    def start_bus(self):
        self.write("/run/dbus/lab.conf", BUS_CONFIG)
        self.spawn("bus", "dbus-daemon", "--config-file=/run/dbus/lab.conf", "--nofork", "--nopidfile", "--nosyslog")
        wait_for("the bus of " + self.name, lambda: self.run("test", "-S", "/run/dbus/system_bus_socket", check=False).returncode == 0)

    def bus_has(self, bus_name):
        answer = self.run("busctl", "--no-pager", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                          "NameHasOwner", "s", bus_name, check=False)
        return answer.stdout.strip() == "b true"

    def start_daemon(self, name, bus_name, seconds=20):
        process = self.spawn(name, self.lab.binary(name), env={"NOTIFY_SOCKET": ""})

        def up():
            if process.poll() is not None:
                raise LabError("%s on %s ended with status %d: %s" % (name, self.name, process.returncode, self.log(name)[-2000:]))
            return self.bus_has(bus_name)
        wait_for("%s on %s" % (name, self.name), up, seconds)
        return process

    def ctl(self, *arguments, check=True, input=None, timeout=60):
        return self.run(self.lab.binary("sdwanctl"), *arguments, check=check, input=input, timeout=timeout)

    def ctl_json(self, *arguments):
        return json.loads(self.ctl("--json=short", *arguments).stdout)

    def close(self):
        for name in list(self.processes):
            process = self.processes.pop(name)
            if process.poll() is None:
                process.kill()
            process.wait()
        if self.holder.poll() is None:
            self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


class Router(Node):
    """A hub or branch: agent, wireguard-go for the interfaces that it will need, and for a branch a host behind it."""

    def __init__(self, lab, name, number, role):
        super().__init__(lab, name, number)
        self.role = role
        self.lan = None
        self.attach_wan()
        self.start_bus()

    def start_wireguard(self, *interfaces):
        for interface in interfaces:
            self.spawn("wireguard-" + interface, "wireguard-go", interface, env={"WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "error"})
        for interface in interfaces:
            wait_for("%s of %s" % (interface, self.name), lambda: self.run(
                "test", "-S", "/run/wireguard/%s.sock" % interface, check=False).returncode == 0)

    def add_lan(self, number):
        self.lan = Node(self.lab, self.name + "-lan")
        self.lab.nodes.append(self.lan)
        self.prefixes = ["10.%d.0.0/24" % number, "fd00:%x::/64" % number]
        self.lan4, self.lan6 = "10.%d.0.2" % number, "fd00:%x::2" % number
        self.run("ip", "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", self.lan.holder.pid)
        for node, last in ((self, 1), (self.lan, 2)):
            node.run("ip", "addr", "add", "10.%d.0.%d/24" % (number, last), "dev", "lan")
            node.run("ip", "addr", "add", "fd00:%x::%x/64" % (number, last), "dev", "lan", "nodad")
            node.run("ip", "link", "set", "lan", "up")
        self.lan.run("ip", "route", "add", "default", "via", "10.%d.0.1" % number)
        self.lan.run("ip", "-6", "route", "add", "default", "via", "fd00:%x::1" % number)

    def start_agent(self):
        self.write("/etc/sdwan/agentd.conf", "[Agent]\nWireGuard=userspace\n")
        return self.start_daemon("sdwan-agentd", "org.sdwan.Agent1")

    def join(self, token, check=True, extra=()):
        arguments = ["join", "-", *extra]
        if self.role == "hub":
            arguments += ["--endpoint", self.wan4]
        if self.lan:
            for prefix in self.prefixes:
                arguments += ["--prefix", prefix]
        return self.ctl(*arguments, input=token, check=check)

    def state(self):
        answer = self.run("busctl", "--no-pager", "--json=short", "get-property", "org.sdwan.Agent1", "/org/sdwan/Agent1",
                          "org.sdwan.Agent1.Manager", "State", check=False)
        return json.loads(answer.stdout)["data"] if answer.returncode == 0 else None

    def wait_in_sync(self, seconds=30):
        wait_for("%s in sync" % self.name, lambda: self.state() == "in-sync", seconds)

    def tunnels(self):
        return self.ctl_json("tunnels")

    def flush_routes(self):
        """Removes every route of ours. "ip route flush" of iproute2 6.1 cannot where routes have nexthop objects."""
        for family in ("-4", "-6"):
            for route in json.loads(self.out("ip", family, "-j", "route", "show", "proto", "157") or "[]"):
                self.run("ip", family, "route", "del", *([route["type"]] if "type" in route and route["type"] != "unicast" else []),
                         route["dst"], "proto", "157", "metric", route["metric"])

    def ping(self, target, count=3, interval=0.2, family=4, source="lan"):
        """Replies that came back from target when the host behind us sends count pings."""
        node = self.lan if source == "lan" and self.lan else self
        result = node.run("ping", "-%d" % family, "-n", "-q", "-c", count, "-i", interval, "-W", "2", target,
                          check=False, timeout=count * interval + 30)
        for word in result.stdout.split(","):
            if " received" in word:
                return int(word.split()[0])
        return 0


class Lab:
    """binaries: a meson build folder. Root only."""

    def __init__(self, binaries):
        if os.geteuid() != 0:
            raise LabError("the lab needs root: it makes network namespaces")
        for tool in ("unshare", "nsenter", "setpriv", "ip", "dbus-daemon", "busctl", "wireguard-go", "ping", "sysctl"):
            if not shutil.which(tool):
                raise LabError("%s is not installed; tools/test and tools/demo install it" % tool)
        self.binaries = os.path.abspath(binaries)
        self.nodes = []
        self.folder = tempfile.mkdtemp(prefix="sdwan-lab-")
        atexit.register(self.close)
        self.wan = Node(self, "wan")
        self.nodes.append(self.wan)
        self.wan.run("ip", "link", "add", "wan", "type", "bridge")
        self.wan.run("ip", "link", "set", "wan", "up")
        self.controller = None
        self.routers = []

    def binary(self, name):
        folder = {"sdwanctl": "ctl", "fake-agent": "tests/lab"}.get(name) or "daemons/" + name.removeprefix("sdwan-")
        path = os.path.join(self.binaries, folder, name)
        if not os.access(path, os.X_OK):
            raise LabError("%s is not built" % path)
        return path

    def add_node(self, name, number):
        node = Node(self, name, number)
        self.nodes.append(node)
        node.attach_wan()
        return node

    def add_controller(self, name="ctl", number=CONTROLLER, start=True):
        node = Node(self, name, number)
        self.nodes.append(node)
        self.controller = self.controller or node
        node.attach_wan()
        node.start_bus()
        node.write("/etc/sdwan/controld.conf", "[Controller]\nURL=https://%s:9443 https://[%s]:9443\n" % (node.wan4, node.wan6))
        if start:
            node.start_daemon("sdwan-controld", "org.sdwan.Control1")
        return node

    def add_network(self, **fields):
        fields = {**NETWORK, **fields}
        self.controller.ctl("add", "network", *sum((["--" + k, v] for k, v in fields.items()), []))

    def token(self, role, uses=1, *extra, network="corp"):
        return self.controller.ctl("token", "create", "--network", network, "--role", role, "--uses", uses, *extra).stdout.strip()

    def branch_token(self, uses):
        return self.token("spoke", uses, "--allow-prefix", "10.0.0.0/12", "--allow-prefix", "fd00::/24")

    def add_hub(self, slot, hubs, number=None):
        """The hub that will join as number slot of hubs in all."""
        node = Router(self, "hub%d" % slot, number or 20 + slot, "hub")
        self._add(node)
        node.start_wireguard("sdwl0", *("sdw%d" % other for other in range(1, hubs + 1) if other != slot))
        node.start_agent()
        return node

    def add_branch(self, number, hubs, lan=True):
        node = Router(self, "branch%d" % number, 100 + number, "spoke")
        self._add(node)
        if lan:
            node.add_lan(number)
        node.start_wireguard(*("sdw%d" % slot for slot in range(1, hubs + 1)))
        node.start_agent()
        return node

    def _add(self, node):
        self.nodes.append(node)
        self.routers.append(node)

    def first_light(self, hubs=2, branches=3):
        """Controller, network, hubs and branches, joined and in sync. Returns (hubs, branches)."""
        self.add_controller()
        self.add_network()
        hub_token, branch_token = self.token("hub", hubs), self.branch_token(branches)
        hub_nodes = []
        for slot in range(1, hubs + 1):
            hub_nodes.append(self.add_hub(slot, hubs))
            hub_nodes[-1].join(hub_token)
        branch_nodes = [self.add_branch(number, hubs) for number in range(1, branches + 1)]
        for node in branch_nodes:
            node.join(branch_token)
        for node in hub_nodes + branch_nodes:
            node.wait_in_sync()
        return hub_nodes, branch_nodes

    def ping_all(self, branches, families=(4, 6), seconds=30):
        """Every branch's host pings every other's, until each pair has answered; the pairs that have not are returned."""
        missing = [(a, b, f) for a in branches for b in branches if a is not b for f in families]
        end = time.monotonic() + seconds
        while missing and time.monotonic() < end:
            missing = [(a, b, f) for a, b, f in missing if not a.ping(b.lan4 if f == 4 else b.lan6, 1, family=f)]
        return [(a.name, b.name, f) for a, b, f in missing]

    def close(self):
        atexit.unregister(self.close)
        # A second Ctrl-C does not cut the cleaning short.
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        while self.nodes:
            self.nodes.pop().close()
        shutil.rmtree(self.folder, ignore_errors=True)
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
