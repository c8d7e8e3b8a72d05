# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Two hubs, three branches: joined with one token each kind, every network reaches every other, and goes on to."""

import json
import signal
import subprocess
import unittest

from base import LabCase
from lab import wait_for


class FirstLight(LabCase):
    @classmethod
    def setUpLab(cls):
        cls.hubs, cls.branches = cls.lab.first_light()

    def ping_during(self, action, count=200, interval=0.01):
        """Replies to pings from branch 1 to branch 2 while action() runs."""
        source, target = self.branches[0], self.branches[1]
        self.assertEqual(self.lab.ping_all(self.branches, families=(4,)), [])
        ping = subprocess.Popen(source.lan.enter("ping", "-n", "-q", "-c", count, "-i", interval, "-W", "3", target.lan4),
                                stdout=subprocess.PIPE, text=True)
        action()
        output = ping.communicate(timeout=60)[0]
        return int(output.split(" received")[0].split()[-1])

    def test_1_every_network_reaches_every_other(self):
        self.assertEqual(self.lab.ping_all(self.branches), [])

    def test_2_nodes_reach_each_other_by_overlay_address(self):
        nodes = {n["name"]: n for n in self.lab.controller.ctl_json("list", "nodes")}
        self.assertEqual(len(nodes), 5)
        for name in ("hub1", "hub2", "branch3"):
            for family, field in ((4, "address4"), (6, "address6")):
                wait_for("%s over IPv%d" % (name, family), lambda: self.branches[0].ping(
                    nodes[name][field], 1, family=family, source="node") == 1, 20)

    def test_3_restarted_agents_lose_no_packet(self):
        for node in (self.branches[0], self.hubs[0], self.hubs[1]):
            def restart():
                before = node.out("ip", "-o", "link").count("sdw")
                self.assertEqual(node.stop("sdwan-agentd"), 0)
                node.start_agent()
                self.assertEqual(node.out("ip", "-o", "link").count("sdw"), before)
            self.assertEqual(self.ping_during(restart), 200)
            node.wait_in_sync()

    def test_4_a_killed_agent_loses_no_packet(self):
        node = self.branches[1]

        def crash():
            node.stop("sdwan-agentd", signal.SIGKILL)
            node.start_agent()
        self.assertEqual(self.ping_during(crash), 200)
        node.wait_in_sync()

    def test_5_without_the_controller(self):
        ctl = self.lab.controller
        self.assertEqual(ctl.stop("sdwan-controld"), 0)
        try:
            node = self.branches[2]
            node.stop("sdwan-agentd")
            # As after a reboot: nothing of ours is in the kernel but the interfaces that wireguard-go holds.
            node.flush_routes()
            node.run("ip", "nexthop", "flush", "proto", "157")
            self.assertEqual(node.out("ip", "nexthop", "show", "proto", "157"), "")
            node.start_agent()
            self.assertEqual(self.lab.ping_all(self.branches), [])
            self.assertEqual(node.state(), "connecting")
        finally:
            ctl.start_daemon("sdwan-controld", "org.sdwan.Control1")
        for node in self.hubs + self.branches:
            node.wait_in_sync(90)

    def test_6_what_somebody_deletes_is_repaired(self):
        node = self.branches[0]
        before = node.out("ip", "-o", "route", "show", "proto", "157")
        self.assertIn("10.0.0.0/12", before)
        node.flush_routes()
        wait_for("the routes", lambda: node.out("ip", "-o", "route", "show", "proto", "157") == before, 10)

    def test_7_foreign_state_is_left_alone(self):
        node = self.branches[0]
        node.run("ip", "route", "add", "203.0.113.0/24", "via", "198.51.100.1", "proto", "static")
        node.run("ip", "nexthop", "add", "id", "7", "dev", "wan")
        node.ctl("sync")
        node.wait_in_sync()
        self.assertIn("203.0.113.0/24", node.out("ip", "route"))
        self.assertIn("id 7 ", node.out("ip", "nexthop"))

    def test_8_the_tree_of_objects(self):
        node = self.branches[0]
        objects = json.loads(node.out("busctl", "--no-pager", "--json=short", "call", "org.sdwan.Agent1", "/org/sdwan/Agent1",
                                      "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))["data"][0]
        tunnels = [o for o in objects.values() if "org.sdwan.Agent1.Tunnel" in o]
        self.assertEqual(sorted(t["org.sdwan.Agent1.Tunnel"]["PeerName"]["data"] for t in tunnels), ["hub1", "hub2"])

    def test_9_leaving(self):
        node = self.branches[2]
        node.ctl("leave")
        self.assertEqual(node.state(), "unenrolled")
        self.assertEqual(node.out("ip", "route", "show", "proto", "157"), "")
        self.assertNotIn("branch3", [n["name"] for n in self.lab.controller.ctl_json("list", "nodes")])
        wait_for("hub 1 without the peer", lambda: len(self.hubs[0].tunnels()) == 3, 10)
        for other in self.branches[:2]:
            self.assertEqual(other.ping(node.lan4, 1), 0)


if __name__ == "__main__":
    unittest.main()
