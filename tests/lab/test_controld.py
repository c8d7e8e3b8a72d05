# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""The controller alone, over HTTPS and D-Bus: who may do what, the API's manners, tokens, and what a crash leaves."""

import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import unittest

from base import build_folder
from lab import wait_for

BUS = """<busconfig><type>system</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth><policy context="default"><allow user="*"/>
<allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>"""
MANAGER = ("org.sdwan.Control1", "/org/sdwan/Control1", "org.sdwan.Control1.Manager")


class Controller:
    """A bus and a controller in a temporary folder, as whoever runs the test."""

    def __init__(self):
        self.build = build_folder()
        self.folder = tempfile.mkdtemp(prefix="sdwan-controld-")
        self.state = os.path.join(self.folder, "state")
        self.address = "unix:path=" + os.path.join(self.folder, "bus")
        with socket.create_server(("127.0.0.1", 0)) as s:
            self.port = s.getsockname()[1]
        self.write("bus.conf", BUS % self.address.split("=")[1])
        self.write("controld.conf", "[Controller]\nURL=https://127.0.0.1:%d\nPort=%d\nListenAddress=127.0.0.1\n"
                   "MaxConnectionsPerAddress=1000\n" % (self.port, self.port))
        self.bus = subprocess.Popen(["dbus-daemon", "--nofork", "--nosyslog", "--config-file=" + self.path("bus.conf")])
        wait_for("the bus", lambda: os.path.exists(self.address.split("=")[1]))
        self.process = None
        self.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            file.write(text)
        return self.path(name)

    def command(self):
        return [os.path.join(self.build, "daemons/controld/sdwan-controld"), "--config=" + self.path("controld.conf")]

    def start(self, *wrapper):
        """0: serving; otherwise the process has ended with this status."""
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen([*wrapper, *self.command()], stderr=log,
                                            env=dict(os.environ, SDWAN_BUS_ADDRESS=self.address, SDWAN_STATE_DIRECTORY=self.state))
        wait_for("the controller", lambda: self.process.poll() is not None or self.serves())
        return self.process.poll() or 0

    def serves(self):
        try:
            return self.https("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(20)

    def close(self):
        if self.process.poll() is None:
            self.stop()
        self.bus.terminate()
        self.bus.wait()
        shutil.rmtree(self.folder)

    def https(self, method, target, body=None, token=None, **headers):
        context = ssl.create_default_context(cafile=os.path.join(self.state, "credentials/ca.crt")) if token else ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        if token:
            headers["Authorization"] = "Bearer " + token
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text, answer.headers

    def busctl(self, method, signature, *arguments):
        done = subprocess.run(["busctl", "--address=" + self.address, "--json=short", "call", *MANAGER, method, signature, *arguments],
                              capture_output=True, text=True, check=False)
        return json.loads(done.stdout)["data"] if done.returncode == 0 else done.stderr

    def call(self, method, target, body=""):
        status, text = self.busctl("Call", "sss", method, target, body if isinstance(body, str) else json.dumps(body))
        return status, json.loads(text) if text.startswith("{") else text

    def token(self, **fields):
        status, answer = self.call("POST", "/api/v1/tokens", {"network": "corp", "role": "spoke", **fields})
        assert status == 201, answer
        return answer

    def join(self, token, state, *options):
        file = self.write("token", token)
        return subprocess.run([os.path.join(self.build, "tests/lab/fake-agent"), "join", "--token-file", file, "--state", self.path(state), *options],
                              capture_output=True, text=True, check=False)

    def database(self):
        return sqlite3.connect("file:%s/controller.db?mode=ro" % self.state, uri=True)


class ControllerCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Controller()
        cls.addClassCleanup(cls.c.close)
        cls.c.call("POST", "/api/v1/networks", {"name": "corp", "prefix4": "10.255.0.0/16", "prefix6": "fdff::/64"})
        cls.admin = cls.c.busctl("CreateAdministrator", "s", "root")[0]

    def https(self, method, target, body=None, **headers):
        status, text, headers = self.c.https(method, target, body, token=self.admin, **headers)
        return status, json.loads(text) if text[:1] == b"{" else text, headers


class Authorisation(ControllerCase):
    def test_every_route(self):
        """Nobody learns anything but that the controller lives: the same answer for what there is and what there is not."""
        document = self.https("GET", "/api/v1/openapi.json")[1]
        self.assertIn("/api/v1/nodes/{id}/approve", document["paths"])
        answers = set()
        for path, methods in list(document["paths"].items()) + [("/nothing", {"get": {}}), ("/api/v1/nothing/x", {"delete": {}})]:
            for method in methods:
                if method == "parameters":
                    continue
                target = path.replace("{id}", "corp")
                status, text, headers = self.c.https(method.upper(), target, {} if method in ("post", "put", "patch") else None)
                if path in ("/healthz", "/readyz"):
                    self.assertEqual(status, 200)
                elif status != 429:  # too many wrong ones is an answer too
                    self.assertEqual((status, headers["WWW-Authenticate"]), (401, "Bearer"), path)
                    answers.add(text)
                    self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                    self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertEqual(len(answers), 1)

    def test_altered_token(self):
        for wrong in (self.admin[:-1] + ("A" if self.admin[-1] != "A" else "B"), self.admin + "x", "sdwp_", ""):
            self.assertIn(self.c.https("GET", "/api/v1/nodes", Authorization="Bearer " + wrong)[0], (401, 429))
        self.assertEqual(self.https("GET", "/api/v1/nodes")[0], 200)

    def test_removed_user(self):
        other = self.c.busctl("CreateAdministrator", "s", "other")[0]
        self.assertEqual(self.c.https("GET", "/metrics", token=other)[0], 200)
        self.assertEqual(self.https("DELETE", "/api/v1/users/other")[0], 204)
        self.assertIn(self.c.https("GET", "/metrics", token=other)[0], (401, 429))
        self.assertIn("already", self.c.busctl("CreateAdministrator", "s", "root"))

    def test_secrets_are_hashes(self):
        status, answer, _ = self.https("GET", "/api/v1/users/root")
        self.assertEqual(status, 200)
        self.assertNotIn("token_hash", answer)
        self.assertEqual(self.https("PATCH", "/api/v1/users/root", {"token_hash": "00" * 32})[0], 422)
        token = self.c.token()["token"]
        dump = "\n".join(self.c.database().iterdump())
        for secret in (self.admin, self.admin.split("_")[2], token, token.split(".")[1][-60:]):
            self.assertNotIn(secret, dump)


class Manners(ControllerCase):
    def test_resource(self):
        status, network, headers = self.https("POST", "/api/v1/networks", {"name": "second", "prefix4": "10.254.0.0/16"})
        self.assertEqual((status, headers["Location"]), (201, "/api/v1/networks/" + network["id"]))
        self.assertEqual(headers["ETag"], '"%d"' % network["revision"])
        self.assertEqual(self.https("GET", "/api/v1/networks/second")[1], network)
        self.assertEqual(self.https("PATCH", "/api/v1/networks/second", {"mtu": 1300}, If_Match='"1"')[0], 412)
        status, changed, _ = self.https("PATCH", "/api/v1/networks/second", {"mtu": 1300}, If_Match=headers["ETag"])
        self.assertEqual((status, changed["mtu"]), (200, 1300))
        self.assertGreater(changed["revision"], network["revision"])
        self.assertEqual(self.https("PATCH", "/api/v1/networks/second", {"mtu": 1300})[1], changed, "no change, no revision")
        self.assertEqual(self.https("PUT", "/api/v1/networks/second", {"name": "second", "prefix4": "10.254.0.0/16"})[1]["mtu"], 1420)
        self.assertEqual(self.https("DELETE", "/api/v1/networks/second")[0], 204)
        self.assertEqual(self.https("GET", "/api/v1/networks/second")[0], 404)

    def test_refusals(self):
        for method, target, body, headers, status, field in (
                ("POST", "/api/v1/networks", {"name": "corp", "prefix4": "10.1.0.0/16"}, {}, 409, "name"),
                ("POST", "/api/v1/networks", {"name": "x", "prefix4": "10.255.1.0/24"}, {}, 409, "prefix4"),
                ("POST", "/api/v1/networks", {"name": "x", "nme": 1}, {}, 422, "nme"),
                ("POST", "/api/v1/networks", {"prefix4": "10.1.0.0/16"}, {}, 422, "name"),
                ("POST", "/api/v1/networks", '{"name":"a","name":"b"}', {}, 400, None),
                ("POST", "/api/v1/networks", "[]", {}, 400, None),
                ("POST", "/api/v1/networks", {}, {"Content_Type": "text/plain"}, 415, None),
                ("PATCH", "/api/v1/networks/corp", {"prefix4": "10.1.0.0/16"}, {}, 422, "prefix4"),
                ("PATCH", "/api/v1/networks/corp", {"revision": 77}, {}, 422, "revision"),
                ("POST", "/api/v1/nodes", {}, {}, 405, None),
                ("POST", "/api/v1/users", {"name": "eve"}, {}, 405, None),
                ("DELETE", "/api/v1/networks", None, {}, 405, None),
                ("PUT", "/api/v1/networks", {}, {}, 405, None),
                ("POST", "/metrics", {}, {}, 405, None),
                ("GET", "/api/v1/networks?colour=red", None, {}, 422, "colour"),
                ("GET", "/api/v1/networks?limit=0", None, {}, 422, "limit"),
                ("GET", "/api/v1/networks?limit=1&limit=2", None, {}, 400, None),
                ("GET", "/api/v1/networks/corp/more", None, {}, 404, None),
                ("POST", "/api/v1/tokens", {"network": "none"}, {}, 422, "network"),
                ("POST", "/api/v1/tokens", {"network": "corp", "not_after": "2001-01-01T00:00:00Z"}, {}, 422, "not_after"),
                ("POST", "/api/v1/tokens", {"network": "corp", "uses": 3}, {}, 422, "uses")):
            with self.subTest(method=method, target=target, body=body):
                before = self.c.call("GET", "/api/v1/networks")[1]["revision"]
                got, answer, headers = self.https(method, target, body, **headers)
                self.assertEqual((got, answer.get("field")), (status, field), answer)
                self.assertEqual(headers["Content-Type"], "application/problem+json")
                self.assertEqual(self.c.call("GET", "/api/v1/networks")[1]["revision"], before)

    def test_dry_run(self):
        before = self.c.call("GET", "/api/v1/networks")[1]
        status, answer, _ = self.https("POST", "/api/v1/networks?dry_run=true", {"name": "dry", "prefix4": "10.3.0.0/16"})
        self.assertEqual((status, answer["diff"]["name"]), (200, {"from": None, "to": "dry"}))
        self.assertEqual(self.https("PATCH", "/api/v1/networks/corp?dry_run=true", {"mtu": 1281})[1]["diff"], {"mtu": {"from": 1420, "to": 1281}})
        self.assertEqual(self.c.call("GET", "/api/v1/networks")[1], before)

    def test_paging_and_filters(self):
        made = [self.c.token(name="page%d" % n, max_uses=7)["id"] for n in range(7)]
        seen, after = [], ""
        while True:
            page = self.https("GET", "/api/v1/tokens?max_uses=7&network=corp&limit=3" + after)[1]
            self.assertEqual(page["total"], 7)
            seen += [t["id"] for t in page["items"]]
            if not page["next"]:
                break
            after = "&after=" + page["next"]
        self.assertEqual(seen, sorted(made))
        self.assertEqual(self.https("GET", "/api/v1/tokens?name=page%33")[1]["items"][0]["name"], "page3")

    def test_bus_needs_a_proper_target(self):
        for target in ("nodes", "//nodes", "/api/v1/../v1/nodes", "/api/v1/no des", ""):
            self.assertIsInstance(self.c.busctl("Call", "sss", "GET", target, ""), str, target)


class Life(ControllerCase):
    def test_node(self):
        token = self.c.token(max_uses=2, allowed_prefixes=["10.0.0.0/12"])
        self.assertEqual(self.c.join(token["token"], "a", "--name", "b1", "--prefix", "10.1.0.0/24").returncode, 0)
        refused = self.c.join(token["token"], "b", "--name", "b2", "--prefix", "10.1.0.0/25")
        self.assertNotEqual(refused.returncode, 0)
        self.assertEqual(self.c.call("GET", "/api/v1/tokens/" + token["id"])[1]["uses"], 1, "a refusal spends nothing")
        node = self.c.call("GET", "/api/v1/nodes/b1-0" if self.c.call("GET", "/api/v1/nodes/b1")[0] == 404 else "/api/v1/nodes/b1")[1]
        self.assertEqual((node["state"], node["status"]["connected"]), ("active", False))
        self.assertRegex(node["address4"], r"^10\.255\.0\.[12]$")
        self.assertEqual(self.https("DELETE", "/api/v1/networks/corp")[0], 409)
        self.assertEqual(self.https("DELETE", "/api/v1/tokens/" + token["id"])[0], 204)
        self.assertEqual(self.https("DELETE", "/api/v1/nodes/" + node["id"])[0], 204)
        self.assertEqual(self.c.call("GET", "/api/v1/prefixes")[1]["items"], [])
        database = self.c.database()
        self.assertIn((node["id"],), database.execute("SELECT key FROM tombstone").fetchall())
        self.assertEqual(database.execute("SELECT count(*) FROM topic_item WHERE data NOT NULL AND (topic LIKE ? OR item LIKE ?)",
                                          ("%" + node["id"] + "%",) * 2).fetchone(), (0,))

    def test_approval(self):
        token = self.c.token(approval="manual")
        self.c.join(token["token"], "p", "--name", "waits")
        pending = self.c.call("GET", "/api/v1/nodes?state=pending")[1]["items"]
        self.assertEqual(len(pending), 1)
        lanes = lambda: self.c.database().execute("SELECT count(*) FROM topic_item WHERE data NOT NULL AND item LIKE ?",
                                                  (pending[0]["id"] + "/%",)).fetchone()[0]
        self.assertEqual(lanes(), 0)
        self.assertEqual(self.https("POST", "/api/v1/nodes/%s/approve" % pending[0]["id"])[1]["state"], "active")
        self.assertEqual(lanes(), 1)

    def test_crash_after_an_answer(self):
        for n in range(5):
            status, network = self.c.call("POST", "/api/v1/networks", {"name": "crash%d" % n, "prefix4": "10.%d.0.0/16" % (20 + n)})
            self.assertEqual(status, 201)
            self.assertEqual(self.c.stop(signal.SIGKILL), -signal.SIGKILL)
            self.assertEqual(self.c.start(), 0)
            self.assertEqual(self.c.call("GET", "/api/v1/networks/crash%d" % n)[1], network)

    def test_restart_changes_nothing(self):
        before = self.c.call("GET", "/api/v1/networks")[1]
        self.assertEqual(self.c.stop(), 0)
        self.assertEqual(self.c.start(), 0)
        self.assertEqual(self.c.call("GET", "/api/v1/networks")[1], before)

    def test_one_controller_at_a_time(self):
        other = subprocess.run(self.c.command(), capture_output=True, text=True, check=False,
                               env=dict(os.environ, SDWAN_BUS_ADDRESS=self.c.address, SDWAN_STATE_DIRECTORY=self.c.state))
        self.assertEqual(other.returncode, 6, "the port")
        self.assertIn("taken", other.stderr)


class FirstStart(unittest.TestCase):
    @unittest.skipUnless(shutil.which("strace"), "needs strace")
    def test_killed_at_each_step(self):
        """F-01: a first start that is killed at any point where it writes is made good by the next one."""
        c = Controller()
        self.addCleanup(c.close)
        c.stop()
        for call in ("mkdir", "fsync", "rename", "link", "fdatasync"):
            for n in range(1, 100):
                shutil.rmtree(c.state)
                killed = c.start("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e",
                                 "inject=%s:signal=SIGKILL:when=%d" % (call, n))
                if killed == 0:
                    # strace passes its own SIGTERM on as a detach: the controller is ended by its own id
                    os.kill(int(subprocess.run(["busctl", "--address=" + c.address, "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
                                                "GetConnectionUnixProcessID", "s", MANAGER[0]], capture_output=True, text=True,
                                               check=True).stdout.split()[1]), signal.SIGTERM)
                    c.process.wait(20)
                    break
                self.assertEqual(c.start(), 0, "%s %d" % (call, n))
                self.assertEqual(c.stop(), 0)


if __name__ == "__main__":
    unittest.main()
