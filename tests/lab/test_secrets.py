# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""No private key of a node is ever on the controller: not in its database, its log, its memory, nor in anything that it says. B21, A9, D11."""

import base64
import re
import subprocess
import unittest

from base import LabCase, forms, memory, token_seed
from lab import wait_for


class Secrets(LabCase):
    @classmethod
    def setUpLab(cls):
        cls.hubs, cls.branches = cls.lab.first_light(1, 2)

    def node_secrets(self):
        """(what, 32 bytes) of every key file of every node, and the WireGuard keys that the data plane runs with."""
        found = []
        for node in self.hubs + self.branches:
            for path in node.out("find", "/var/lib/sdwan", "-type", "f").split():
                content = subprocess.run(node.enter("cat", path), stdout=subprocess.PIPE, check=True).stdout
                if len(content) == 32:
                    found.append((node.name + path, content))
            for line in node.out("wg", "show", "all", "private-key").splitlines():
                key = line.split()[-1]
                if key != "(none)":
                    found.append(("%s %s" % (node.name, line.split()[0]), base64.b64decode(key)))
        return found

    @staticmethod
    def stream(node):
        """What the node was sent: its agent keeps the signed batches as they came."""
        found = []
        for path in node.out("find", "/var/lib/sdwan/agent", "-type", "f", "!", "-name", "*.key").split():
            text = subprocess.run(node.enter("cat", path), stdout=subprocess.PIPE, check=True).stdout
            found.append(text)
            for payload in re.findall(rb'"p":"([A-Za-z0-9_-]+)"', text):
                found.append(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        return b"\n".join(found)

    def test_no_private_key_of_a_node_on_the_controller(self):
        ctl = self.lab.controller
        secrets = self.node_secrets()
        self.assertGreaterEqual(len({secret for _, secret in secrets}), 3)
        haystacks = {"log": ctl.log("sdwan-controld").encode()}
        for path in ctl.out("find", "/var/lib/sdwan", "-type", "f").split():
            haystacks[path] = subprocess.run(ctl.enter("cat", path), stdout=subprocess.PIPE, check=True).stdout
        for kind in ("networks", "nodes", "uplinks", "prefixes", "tokens", "users"):
            haystacks["GET " + kind] = ctl.ctl("--json=short", "list", kind).stdout.encode()
        for path in ("/metrics", "/api/v1/openapi.json"):
            haystacks["GET " + path] = ctl.out("busctl", "--no-pager", "call", "org.sdwan.Control1", "/org/sdwan/Control1",
                                               "org.sdwan.Control1.Manager", "Call", "sss", "GET", path, "").encode()
        for node in self.hubs + self.branches:
            haystacks["stream to " + node.name] = self.stream(node)
        haystacks["memory"] = memory(ctl.pid("sdwan-controld"))
        self.assertGreater(len(haystacks["memory"]), 1 << 20)
        # The search itself must be able to find: the nodes' public keys are there, all of them.
        for line in self.hubs[0].out("wg", "show", "sdwl0", "peers").split():
            self.assertIn(line.rstrip("=").encode(), haystacks["GET nodes"])
            self.assertIn(line.rstrip("=").encode(), haystacks["stream to hub1"])
            self.assertTrue(any(form in haystacks["memory"] for form in forms(base64.b64decode(line))))
        for what, secret in secrets:
            for where, text in haystacks.items():
                for form in forms(secret):
                    self.assertFalse(form in text, "the private key of %s is in the controller's %s" % (what, where))

    def test_the_token_seed_is_nowhere_but_in_the_token(self):
        ctl = self.lab.controller
        token = self.lab.token("spoke")
        raw = token_seed(token)
        for path in ctl.out("find", "/var/lib/sdwan", "-type", "f").split():
            text = subprocess.run(ctl.enter("cat", path), stdout=subprocess.PIPE, check=True).stdout
            for form in forms(raw):
                self.assertFalse(form in text, path)
        self.assertNotIn(forms(raw)[-1].decode(), ctl.log("sdwan-controld"))
        self.assertForgotten(token, ctl.pid("sdwan-controld"))

    def test_an_agent_forgets_its_token(self):
        node = self.lab.add_branch(3, 1)
        token = self.lab.branch_token(1)
        raw = token_seed(token)
        node.join(token)
        node.wait_in_sync()
        self.assertForgotten(token, node.pid("sdwan-agentd"))
        for path in node.out("find", "/var/lib/sdwan", "-type", "f").split():
            text = subprocess.run(node.enter("cat", path), stdout=subprocess.PIPE, check=True).stdout
            for form in forms(raw):
                self.assertFalse(form in text, path)
        self.assertNotIn(token, node.log("sdwan-agentd"))

    def test_files_are_closed_to_others(self):
        for node in [self.lab.controller] + self.hubs + self.branches:
            open_files = node.out("find", "/var/lib/sdwan", "-mindepth", "1", "-perm", "/077").split()
            self.assertEqual(open_files, [], node.name)

    def test_two_controllers_share_no_secret(self):
        other = self.lab.add_controller("other", 11)

        def keys(node):
            return {subprocess.run(node.enter("cat", path), stdout=subprocess.PIPE, check=True).stdout
                    for path in node.out("find", "/var/lib/sdwan/controller/credentials", "-type", "f").split()
                    if not path.endswith("/database-made")}  # a sentence for people, no secret
        self.assertGreaterEqual(len(keys(other)), 5)
        self.assertEqual(keys(self.lab.controller) & keys(other), set())

    def test_listening_ports(self):
        """D9: ss shows the HTTPS port, the metrics port on loopback, and WireGuard's."""
        def ports(node):
            return {tuple(line.split()[i] for i in (0, 4)) for line in node.out("ss", "-H", "-lntu").splitlines()}
        self.assertEqual({port for _, port in ports(self.lab.controller)} - {"*:9443"}, set())
        hub = self.hubs[0]
        hub.start_daemon("sdwan-monitord", "org.sdwan.Monitor1")
        wait_for("the metrics port", lambda: ("tcp", "127.0.0.1:9586") in ports(hub))
        wireguard = {line.split()[1] for line in hub.out("wg", "show", "all", "listen-port").splitlines()}
        allowed = {("tcp", "127.0.0.1:9586")} | {("udp", host + port) for port in wireguard for host in ("0.0.0.0:", "[::]:", "*:")}
        self.assertEqual(ports(hub) - allowed, set())


if __name__ == "__main__":
    unittest.main()
