# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""With 1,000 nodes one more costs each hub one batch with one peer, the controller one encoding, and the kernel one message."""

import json
import re
import unittest

from base import LabCase
from lab import wait_for

NODES = 1000


class Scale(LabCase):
    @classmethod
    def setUpLab(cls):
        lab = cls.lab
        cls.ctl = lab.add_controller()
        lab.add_network()
        token = lab.token("hub", 2)
        cls.hubs = [lab.add_hub(slot, 2) for slot in (1, 2)]
        for hub in cls.hubs:
            hub.join(token)
        cls.client = lab.add_node("client", 50)
        cls.client.write("/run/token", lab.token("spoke", NODES + 10), 0o600)
        cls.join(NODES, 16)
        cls.watcher = lab.add_node("watcher", 51)
        cls.watcher.write("/run/token", lab.token("spoke"), 0o600)
        cls.watcher.run(lab.binary("fake-agent"), "join", "--token-file", "/run/token", "--count", "1", "--state", "/run/fake")
        for hub in cls.hubs:
            wait_for("%d peers on %s" % (NODES + 1, hub.name), lambda: cls.peers(hub) == NODES + 1, 60)
            hub.wait_in_sync()

    @classmethod
    def join(cls, count, parallel=1):
        cls.client.run(cls.lab.binary("fake-agent"), "join", "--token-file", "/run/token", "--count", count, "--parallel", parallel,
                       "--state", "/run/fake", timeout=300)

    @staticmethod
    def peers(hub):
        return len(hub.out("wg", "show", "sdwl0", "peers").split())

    def metrics(self):
        answer = self.ctl.run("busctl", "--no-pager", "--json=short", "call", "org.sdwan.Control1", "/org/sdwan/Control1",
                              "org.sdwan.Control1.Manager", "Call", "sss", "GET", "/metrics", "")

        text = json.loads(answer.stdout)["data"][1]
        return {name: float(value) for name, value in re.findall(r"^(\w+)(?:\{\})? ([0-9.e+]+)$", text, re.M)}

    def test_one_more_of_1000(self):
        applied = [hub.log("sdwan-agentd").count("wireguard messages=") for hub in self.hubs]
        watcher = self.watcher.spawn("stream", self.lab.binary("fake-agent"), "stream", "--state", "/run/fake", "--seconds", "12")
        wait_for("the watching spoke's stream", lambda: "topic" in self.watcher.log("stream") or "stream" in self.watcher.log("stream"))
        before = self.metrics()
        self.join(1)
        for hub in self.hubs:
            wait_for("the new peer on " + hub.name, lambda: self.peers(hub) == NODES + 2)
        after = self.metrics()
        # Two topics were touched: the new node's own, which nobody listens to yet, and the lanes, which two hubs share.
        self.assertEqual(after["sdwan_topic_batches_sent_total"] - before["sdwan_topic_batches_sent_total"], 2)
        self.assertEqual(after["sdwan_topic_batches_encoded_total"] - before["sdwan_topic_batches_encoded_total"], 1)
        self.assertEqual(after["sdwan_topic_items_sent_total"] - before["sdwan_topic_items_sent_total"], 1)
        for hub, count in zip(self.hubs, applied):
            wait_for("the log line", lambda: hub.log("sdwan-agentd").count("wireguard messages=") == count + 1)
            line = [l for l in hub.log("sdwan-agentd").splitlines() if "wireguard messages=" in l][-1]
            self.assertRegex(line, r"wireguard messages=1 peers=1\b")
        watcher.wait(30)
        lines = self.watcher.log("stream").splitlines()
        last_batch = [l for l in lines if "/lanes" in l]
        self.assertEqual(last_batch, [], "a spoke hears nothing of other spokes")
        self.assertRegex(lines[-1], r"batches_after_first=0\b")


if __name__ == "__main__":
    unittest.main()
