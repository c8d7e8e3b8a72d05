# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""A node that the controller has removed: the others drop it within 30 seconds, and nothing brings it back (SECURITY.md B7, B12)."""

import time
import unittest

from base import LabCase
from lab import wait_for

AGENT_STATE = "/var/lib/sdwan/agent"
DROPPED_SECONDS = 30


class Revocation(LabCase):
    @classmethod
    def setUpLab(cls):
        cls.ctl = cls.lab.add_controller()
        cls.lab.add_network()
        hub_token, branch_token = cls.lab.token("hub", 2), cls.lab.branch_token(2)
        cls.hubs = [cls.lab.add_hub(slot, 2) for slot in (1, 2)]
        for hub in cls.hubs:
            hub.join(hub_token)
        cls.branches = [cls.lab.add_branch(number, 2) for number in (1, 2)]
        for branch in cls.branches:
            branch.join(branch_token)
        for node in cls.hubs + cls.branches:
            node.wait_in_sync()
        cls.stays, cls.goes = cls.branches
        assert cls.lab.ping_all(cls.branches) == []
        cls.node = cls.object("branch2")
        cls.goes.run("cp", "-a", AGENT_STATE, "/run/backup")
        # An agent without a network, for requests that are signed with a removed identity.
        cls.client = cls.lab.add_node("client", 50)
        cls.client.write("/run/token", cls.lab.token("spoke"), 0o600)
        cls.fake("join", "--token-file", "/run/token", "--name", "thing")
        cls.backup_of_the_database = cls.ctl.out("sqlite3", "/var/lib/sdwan/controller/controller.db", ".dump")

    @classmethod
    def fake(cls, *arguments, check=True):
        return cls.client.run(cls.lab.binary("fake-agent"), *arguments, "--state", "/run/fake", check=check)

    @classmethod
    def objects(cls):
        return cls.ctl.ctl_json("list", "nodes")

    @classmethod
    def object(cls, name):
        return next((n for n in cls.objects() if n["name"] == name), None)

    def hub_keys(self):
        return {key for hub in self.hubs for key in hub.out("wg", "show", "sdwl0", "peers").split()}

    def is_down(self, node):
        return (node.state() == "revoked" and node.out("ip", "route", "show", "proto", "157") == "" and
                node.out("ip", "-6", "route", "show", "proto", "157") == "" and
                node.out("ip", "nexthop", "show", "proto", "157") == "" and self.node["address4"] not in node.out("ip", "addr") and
                not node.out("wg", "show", "all", "peers").strip())

    def stays_out(self):
        """The node with its old state directory, restored from a backup, is told so and takes everything down again."""
        node = self.goes
        node.stop("sdwan-agentd")
        node.run("sh", "-c", "rm -rf %s && cp -a /run/backup %s" % (AGENT_STATE, AGENT_STATE))
        node.start_agent()
        wait_for("the revoked node is down", lambda: self.is_down(node), DROPPED_SECONDS)
        self.assertNotIn(self.node["wg_key"], self.hub_keys())
        self.assertIsNone(self.object("branch2"))
        self.assertEqual(self.stays.ping(node.lan4, 1), 0)

    def signed_requests_are_refused(self):
        for mode in ("report", "leave"):
            result = self.fake(mode, check=False)
            self.assertRegex(result.stdout, r"status=403 code=revoked\b")

    def test_1_the_others_drop_it(self):
        self.assertIn(self.node["wg_key"], self.hub_keys())
        before = {hub.name: hub.tunnels() for hub in self.hubs}
        started = time.monotonic()
        self.ctl.ctl("remove", "node", "branch2")
        wait_for("the hubs without the peer", lambda: self.node["wg_key"] not in self.hub_keys(), DROPPED_SECONDS)
        wait_for("the revoked node is down", lambda: self.is_down(self.goes), DROPPED_SECONDS)
        self.assertLess(time.monotonic() - started, DROPPED_SECONDS)
        for hub in self.hubs:
            self.assertNotIn("10.2.0.0/24", hub.out("ip", "route"))
            self.assertEqual([t["id"] for t in hub.tunnels()], [t["id"] for t in before[hub.name] if t["peer"] != "branch2"])
        self.assertEqual(self.stays.ping(self.goes.lan4, 1), 0)
        self.assertEqual(self.goes.ping(self.stays.lan4, 1), 0)
        self.assertEqual(self.stays.ping(self.object("hub1")["address4"], 2, source="node"), 2)
        self.ctl.ctl("remove", "node", "thing-0")
        self.signed_requests_are_refused()

    def test_2_a_restart_of_the_agent_changes_nothing(self):
        self.goes.stop("sdwan-agentd")
        self.goes.start_agent()
        wait_for("the revoked node is down", lambda: self.is_down(self.goes), DROPPED_SECONDS)

    def test_3_a_restored_state_directory(self):
        self.stays_out()

    def test_4_after_a_restart_of_the_controller(self):
        self.assertEqual(self.ctl.stop("sdwan-controld"), 0)
        self.ctl.start_daemon("sdwan-controld", "org.sdwan.Control1")
        self.signed_requests_are_refused()
        self.stays_out()
        self.signed_requests_are_refused()

    def test_5_the_same_identity_with_a_new_token(self):
        """Its keys are refused for good. The machine may come back with new ones, as another node, when it is given a token."""
        node = self.goes
        node.stop("sdwan-agentd")
        node.run("sh", "-c", "rm -rf %s/* && cp -a /run/backup/*.key %s/" % (AGENT_STATE, AGENT_STATE))
        node.start_agent()
        self.assertEqual(node.state(), "unenrolled")
        node.join(self.lab.token("spoke", 1, "--name", "again", "--allow-prefix", "10.0.0.0/12", "--allow-prefix", "fd00::/24"))
        self.assertIn("already_enrolled", self.ctl.log("sdwan-controld"))
        self.assertEqual({t["name"]: t["uses"] for t in self.ctl.ctl_json("list", "tokens")}["again"], 1)
        new = self.object("branch2")
        for field in ("id", "identity", "wg_key"):
            self.assertNotEqual(new[field], self.node[field])
        node.wait_in_sync()
        self.assertEqual(self.lab.ping_all(self.branches), [])
        self.assertNotIn(self.node["wg_key"], self.hub_keys())
        node.ctl("leave")
        self.assertEqual(node.state(), "unenrolled")

    def test_6_a_removed_hub(self):
        hub = self.hubs[1]
        key = self.object("hub2")["wg_key"]
        self.assertIn(key, self.stays.out("wg", "show", "all", "peers"))
        self.ctl.ctl("remove", "node", "hub2")
        for node in (self.stays, self.hubs[0]):
            wait_for("%s without hub2" % node.name, lambda: key not in node.out("wg", "show", "all", "peers"), DROPPED_SECONDS)
        wait_for("hub2 is revoked", lambda: hub.state() == "revoked", DROPPED_SECONDS)
        self.assertEqual(self.stays.ping(self.object("hub1")["address4"], 2, source="node"), 2)
        hub.ctl("leave")
        self.assertEqual(hub.state(), "unenrolled")
        self.assertEqual(hub.out("find", AGENT_STATE, "-name", "*.key"), "")

    def test_7_two_nodes_with_the_same_hostname(self):
        token = self.lab.token("spoke", 2)
        for number in range(2):
            node = self.lab.add_branch(3 + number, 1, lan=False)
            node.run("hostname", "shop.example.com")
            node.join(token)
            node.wait_in_sync()
        shops = [self.object(name) for name in ("shop", "shop-2")]
        self.assertNotIn(None, shops)
        for field in ("id", "address4", "address6", "wg_key", "identity", "index"):
            self.assertNotEqual(shops[0][field], shops[1][field])

    def test_8_the_database_holds_no_seed(self):
        """A dump of the database is of no use to who wants to join, or to speak as a node or an administrator."""
        admin = self.ctl.ctl("admin", "create", "thief").stdout.strip()
        token = self.lab.token("spoke", 3)
        dump = self.backup_of_the_database + self.ctl.out("sqlite3", "/var/lib/sdwan/controller/controller.db", ".dump")
        self.assertIn(self.node["id"], dump)
        self.assertIn("thief", dump)
        for secret in (admin, admin.split("_")[-1], token, token.split(".")[1]):
            self.assertNotIn(secret, dump)


if __name__ == "__main__":
    unittest.main()
