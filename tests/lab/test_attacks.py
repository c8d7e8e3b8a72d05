# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Attacks, each named after its row of the checklist. What is expected everywhere: a refusal of a constant shape, and nothing changed."""

import base64
import http.client
import json
import os
import socket
import ssl
import time
import unittest
import unittest.mock
import warnings

from attacker import AGENT, Attacker, Ed25519, b64, blake, unb64, x25519
from base import LabCase
from lab import wait_for
from test_controld import Controller

CONNECTIONS = 300  # of one address, in these tests


class Victim(Controller):
    """A controller that listens for both families with one socket, as the packaged one does."""

    def __init__(self):
        super().__init__()
        self.stop()
        self.write("controld.conf", "[Controller]\nURL=https://127.0.0.1:%d\nPort=%d\nMaxConnectionsPerAddress=%d\n" % (
            self.port, self.port, CONNECTIONS))
        assert self.start() == 0

    def connect(self, source="127.0.0.1", tls=True, alpn=None):
        sock = socket.create_connection(("127.0.0.1", self.port), 5, (source, 0))
        if not tls:
            return sock
        context = ssl._create_unverified_context()
        if alpn:
            context.set_alpn_protocols(alpn)
        return context.wrap_socket(sock)

    def raw(self, data, source="127.0.0.1", seconds=5):
        """(all that comes back, whether the server closed the connection)"""
        with self.connect(source) as s:
            s.sendall(data)
            s.settimeout(seconds)
            got = b""
            try:
                while True:
                    more = s.recv(65536)
                    if not more:
                        return got, True
                    got += more
            except TimeoutError:
                return got, False
            except OSError:
                return got, True

    def rss(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def revision(self):
        return self.call("GET", "/api/v1/networks")[1]["revision"]

    def log(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as file:
            return file.read()


class AttackCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Victim()
        cls.addClassCleanup(cls.c.close)
        cls.c.call("POST", "/api/v1/networks", {"name": "corp", "prefix4": "10.255.0.0/16", "prefix6": "fdff::/64"})
        cls.admin = cls.c.busctl("CreateAdministrator", "s", "root")[0]

    def setUp(self):
        self.before = self.c.revision()

    def unchanged(self):
        self.assertEqual(self.c.revision(), self.before)

    def api(self, method, target, body=None, **headers):
        status, text, _ = self.c.https(method, target, body, token=self.admin, **headers)
        return status, json.loads(text) if text[:1] == b"{" else text

    def attacker(self, **token):
        return Attacker(self.c, self.c.token(**token)["token"])


class Authorisation(AttackCase):
    def test_A2_key_of_one_node_for_another(self):
        """Who a node is comes from its key: not from the key id that it names, nor from the topics that it asks for."""
        eve, bob, hub = self.attacker(), self.attacker(), self.attacker(role="hub")
        for agent in (eve, bob, hub):
            self.assertEqual(agent.enrol()[0], 201)
        self.assertEqual(eve.report()[0], 204)
        status, answer = eve.report(node=bob.node)
        self.assertEqual((status, answer["code"]), (401, "signature_invalid"))
        network = self.c.call("GET", "/api/v1/networks/corp")[1]["id"]
        status, batches = eve.stream("have=node/%s@0,net/%s/lanes@0,net/%s/prefixes@0" % (bob.node, network, network))
        self.assertEqual(status, 200)
        topics = {b["topic"] for b in batches}
        self.assertIn("node/" + eve.node, topics)
        self.assertLessEqual(topics, {"node/" + eve.node, "net/%s/hubs" % network, "net/%s/aggregates" % network})
        self.assertNotIn(b64(x25519(bob.wg)), json.dumps(batches))
        self.assertNotIn(base64.b64encode(x25519(bob.wg)).decode(), json.dumps(batches))

    def test_A6_mass_assignment(self):
        eve = self.attacker(approval="manual")
        self.assertEqual(eve.enrol()[0], 202)
        node = self.api("GET", "/api/v1/nodes/" + eve.node)[1]
        for field, value in (("state", "active"), ("role", "hub"), ("identity", node["wg_key"]), ("wg_key", node["identity"]),
                             ("address4", "10.255.0.1"), ("index", 1), ("id", "x"), ("revision", 1), ("created", "2001-01-01T00:00:00Z"),
                             ("network", "corp2"), ("approved", True), ("tenant_id", 1), ("status", {})):
            with self.subTest(field=field):
                status, answer = self.api("PATCH", "/api/v1/nodes/" + eve.node, {field: value})
                self.assertEqual((status, answer.get("field")), (422, field), answer)
        for field, value in (("uses", 0), ("key", node["identity"]), ("created_by", "user:root"), ("id", "0" * 16), ("token", "x")):
            with self.subTest(token=field):
                self.assertEqual(self.api("POST", "/api/v1/tokens", {"network": "corp", "role": "spoke", field: value})[0], 422)
        for name in ("__proto__", "constructor", "prototype"):  # C13
            self.assertIn(self.api("PATCH", "/api/v1/nodes/" + eve.node, {name: {"state": "active"}})[0], (400, 422))
        self.assertEqual(self.api("GET", "/api/v1/nodes/" + eve.node)[1], node)
        status, answer = eve.report()
        self.assertEqual((status, answer["code"]), (403, "pending"))
        self.assertEqual(eve.stream()[0], 403)

    def test_A8_no_public_privileged_route(self):
        """Without a key nothing answers but what this list has, whatever the method, an override of it, or the spelling."""
        public = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", AGENT + "bootstrap")}
        paths = ["/", "/metrics", "/debug", "/debug/pprof/", "/shutdown", "/setup", "/migrate", "/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/nodes",
                 "/API/v1/nodes", "/api/v1/users", "/api/v1/nodes", "/api/v1/tokens", "/api/v1/openapi.json", "/healthz/", "/healthz/x", "/.env",
                 AGENT, AGENT + "stream", AGENT + "report", AGENT + "leave", AGENT + "enrol", AGENT + "challenge", AGENT + "debug",
                 "/healthz", "/readyz", AGENT + "bootstrap"]
        for n, path in enumerate(paths):
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW") if n % 7 == 0 else ("GET", "POST"):
                data = ("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nX-HTTP-Method-Override: GET\r\nX-Original-URL: /healthz\r\n"
                        "Connection: close\r\nContent-Length: 0\r\n\r\n" % (method, path)).encode()
                got, closed = self.c.raw(data, "127.0.%d.1" % (n + 1))
                status = int(got.split(b" ", 2)[1])
                self.assertTrue(closed)
                if (method, path) in public:
                    self.assertEqual(status, 200, (method, path))
                else:
                    self.assertIn(status, (400, 401, 404, 405, 422, 429, 501), (method, path, got[:200]))
        self.unchanged()

    def test_B13_trust_by_header(self):
        """No address and no name makes a request more than it is."""
        for header in ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: ::1", "Forwarded: for=127.0.0.1;host=localhost", "X-Forwarded-Host: 127.0.0.1",
                       "X-Forwarded-Proto: https", "X-Remote-User: root", "Remote-User: root", "Authorization: Basic cm9vdDpyb290",
                       "Authorization: Bearer null", "Cookie: sdwan=root"):
            got, _ = self.c.raw(("GET /api/v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\nConnection: close\r\n\r\n" % header).encode(), "127.2.0.1")
            self.assertTrue(got.startswith(b"HTTP/1.1 401 "), (header, got[:80]))
        token = "Authorization: Bearer " + self.admin
        for host in ("evil.example", "127.0.0.1.evil.example", "169.254.169.254", "0", "127.0.0.1@evil.example"):
            got, _ = self.c.raw(("GET /api/v1/nodes HTTP/1.1\r\nHost: %s\r\n%s\r\nConnection: close\r\n\r\n" % (host, token)).encode())
            self.assertIn(got[:13], (b"HTTP/1.1 421 ", b"HTTP/1.1 400 "), host)
        for twice in (token + "\r\n" + token, token + "\r\nAuthorization: Bearer x", token.replace("Bearer", "Basic"), token + " x", token + ","):
            got, _ = self.c.raw(("GET /api/v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\nConnection: close\r\n\r\n" % twice).encode(), "127.2.0.2")
            self.assertTrue(got.startswith(b"HTTP/1.1 401 "), got[:80])

    def test_C6_no_cross_origin(self):
        for method in ("GET", "OPTIONS"):
            got, _ = self.c.raw(("%s /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://evil.example\r\n"
                                 "Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n" % method).encode())
            self.assertNotIn(b"access-control-", got.lower())

    def test_C15_injection_into_queries(self):
        for text in ("' OR '1'='1", "%27%20OR%201=1--", "corp';DROP TABLE node;--", "%25", "_", "x\\", "corp%22", "1 UNION SELECT"):
            text = text.replace(" ", "+").replace("'", "%27")
            for target in ("/api/v1/networks?name=" + text, "/api/v1/networks/" + text.replace("+", "%20"), "/api/v1/networks?" + text + "=1",
                           "/api/v1/networks?after=" + text, "/api/v1/networks?sort=" + text):
                status, answer = self.api("GET", target)
                self.assertTrue(status in (400, 404, 422) or answer.get("items") is not None and
                                (answer["items"] == [] or "after=" in target), (target, status, answer))
                self.assertNotRegex(json.dumps(answer) if isinstance(answer, dict) else str(answer), "(?i)sqlite|syntax error|near \"")
        self.assertEqual(self.api("GET", "/api/v1/networks/corp")[0], 200)
        self.unchanged()


class Enrolment(AttackCase):
    def refused(self, answer, status, code, field=None):
        self.assertEqual((answer[0], answer[1].get("code"), answer[1].get("field")), (status, code, field), answer)
        self.unchanged()

    def test_B1_keys_and_signatures(self):
        """Nothing is taken that its owner did not sign, for this very purpose; nor a key without its private half."""
        eve, bob = self.attacker(), self.attacker()
        self.before = self.c.revision()
        self.refused(eve.enrol(identity_signature=bytes(64)), 422, "invalid", "ik")
        self.refused(eve.enrol(identity_signature=eve.token_key.sign(b"x")), 422, "invalid", "ik")
        self.refused(eve.enrol(token_id=bob.token_id), 403, "token_invalid")
        self.refused(eve.enrol(wg=x25519(bob.wg)), 422, "invalid", "wk")
        self.refused(eve.enrol(proof=bytes(32)), 422, "invalid", "wk")
        for low in (bytes(32), b"\x01" + bytes(31), bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
                    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")):
            with self.subTest(low=low.hex()):
                ephemeral_is_useless = bytes(32)  # what a low-order point always gives
                self.refused(eve.enrol(wg=low, proof=blake(b"sdwan-wgpop-v1" + ephemeral_is_useless, bytes(32))), 422, "invalid", "wk")
                # With a point of small order as the key, a signature of zeros would be right.
                self.refused(eve.enrol(ik=low, identity_signature=b"\x01" + bytes(63)), 422, "invalid", "ik")
        with unittest.mock.patch("attacker.seal", lambda domain, data: b"sdwan-batch-v1\0" + blake(data)):
            self.refused(eve.enrol(), 403, "token_invalid")
        self.assertEqual(eve.enrol()[0], 201)

    def test_B1_every_bit_of_a_request(self):
        eve = self.attacker()
        self.assertEqual(eve.enrol()[0], 201)
        order = Ed25519.q.to_bytes(32, "little")

        def add_order(s):  # B11: S + L is the same number, and must not be the same signature
            return s[:32] + (int.from_bytes(s[32:], "little") + int.from_bytes(order, "little")).to_bytes(32, "little")
        twists = [add_order, lambda s: bytes(64), lambda s: s[32:] + s[:32]]
        twists += [lambda s, n=n: s[:n // 8] + bytes([s[n // 8] ^ 1 << n % 8]) + s[n // 8 + 1:] for n in range(0, 512, 23)]
        for twist in twists:
            status, answer = eve.report(twist=twist)
            self.assertEqual((status, answer["code"]), (401, "signature_invalid"))
        for options in ({"aud": "0" * 32}, {"node": eve.node.upper()}, {"node": eve.node[:-1]}, {"node": "0" * 64}, {"node": eve.node + "/1"},
                        {"epoch": -1}, {"seq": 1 << 64}, {"seq": 10**30}, {"epoch": (1 << 63)}, {"seq": (1 << 64) - 1}):
            status, answer = eve.report(**options)
            self.assertEqual((status, answer["code"]), (401, "signature_invalid"), options)
        body = b'{"applied":{},"state":"in-sync","version":"1"}'
        good = eve.headers("POST", AGENT + "report", body=body)
        for name in good:
            for change in ("drop", "twice", "pad", "case"):
                lines = ["POST %sreport HTTP/1.1" % AGENT, "Host: 127.0.0.1", "Content-Length: %d" % len(body), "Connection: close"]
                for k, v in good.items():
                    value = {"pad": v + ";x=1", "case": v.upper()}.get(change, v) if k == name else v
                    lines += [k + ": " + value] * (1 if k != name else {"drop": 0, "twice": 2}.get(change, 1))
                if change == "case" and name in ("Sdwan-Seq", "Sdwan-Aud") and good[name].upper() == good[name]:
                    continue
                got, _ = self.c.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                self.assertTrue(got.startswith(b"HTTP/1.1 401 "), (name, change, got[:300]))
        for method, path in (("GET", AGENT + "stream"), ("POST", AGENT + "leave")):  # the same signature on another request
            got, _ = self.c.raw(("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n\r\n" % (
                method, path, len(body), "\r\n".join("%s: %s" % h for h in good.items()))).encode() + body)
            self.assertTrue(got.startswith(b"HTTP/1.1 401 "), got[:300])
        self.assertEqual(eve.report()[0], 204)

    def test_B6_one_answer_for_all_tokens(self):
        """Nobody learns from an answer whether a token ever existed."""
        revoked, spent = self.attacker(), self.attacker()
        self.api("PATCH", "/api/v1/tokens/" + unb64(revoked.token_id).hex(), {"revoked": True})
        self.assertEqual(spent.enrol()[0], 201)
        spent.identity, spent.wg = Ed25519(os.urandom(32)), os.urandom(32)
        unknown = self.attacker()
        self.before = self.c.revision()
        answers = [revoked.enrol(), spent.enrol(), unknown.enrol(token_id=b64(os.urandom(8)))]
        self.assertEqual([a[0] for a in answers], [403] * 3)
        self.assertEqual(len({json.dumps(a[1], sort_keys=True) for a in answers}), 1)
        shapes = {tuple(sorted((k, len(str(v))) for k, v in unknown.post("challenge", {"t": t, "n": b64(bytes(32))})[1].items()))
                  for t in (unknown.token_id, revoked.token_id, b64(bytes(8)))}
        self.assertEqual(len(shapes), 1)
        self.unchanged()

    def test_D6_prefixes_that_are_not_its_own(self):
        for ranges in (["0.0.0.0/0"], ["::/0"], ["127.0.0.0/8"], ["169.254.0.0/16"], ["224.0.0.0/4"], ["::ffff:0:0/96"], ["10.255.0.0/16"]):
            status, answer = self.api("POST", "/api/v1/tokens", {"network": "corp", "role": "spoke", "allowed_prefixes": ranges})
            if ranges == ["0.0.0.0/0"] or ranges == ["::/0"]:
                self.assertIn(status, (201, 422), answer)
            if status == 201:  # whatever the token allows, these are nobody's
                eve = Attacker(self.c, answer["token"])
                for prefix in ("0.0.0.0/0", "::/0", "127.0.0.0/8", "169.254.169.254/32", "10.255.0.0/24"):
                    self.assertIn(eve.enrol(prefixes=[prefix])[0], (403, 409, 422), prefix)
        eve = self.attacker(allowed_prefixes=["10.0.0.0/12"])
        self.before = self.c.revision()
        for prefix in ("0.0.0.0/0", "10.0.0.0/11", "10.16.0.0/24", "::/0", "127.0.0.1/32"):
            self.refused(eve.enrol(prefixes=["10.1.0.0/24", prefix]), 403, "prefix_not_allowed", "prefixes[1]") if prefix not in (
                "0.0.0.0/0", "10.0.0.0/11") else self.assertIn(eve.enrol(prefixes=["10.1.0.0/24", prefix])[0], (403, 422))
        for prefix in ("10.1.0.1/24", "10.1.0.0/33", "10.1.0.0/-1", "10.1.0.0/24;reboot", "10.1/16", "010.1.0.0/24", "10.1.0.0/024", 7, None, ""):
            self.assertEqual(eve.enrol(prefixes=[prefix])[0], 422, prefix)
        self.unchanged()

    def test_C14_D18_what_a_node_calls_itself(self):
        """No control byte, markup, formula or flood comes in by the names that a joining node gives."""
        names = ("\x1b]0;owned\x07b1", "=cmd|'/C calc'!A0", "<img src=x onerror=alert(1)>", "b1\n2026 sdwan-controld: Node root joined", "../../etc/passwd",
                 "\u202egnp.exe", "a" * 30000, "", ".", "-rf", "b1\x00evil", "%s%n", "b1,b2\r\nSet-Cookie: a=b")
        eve = self.attacker(max_uses=len(names))
        for name in names:
            eve.identity, eve.wg = Ed25519(os.urandom(32)), os.urandom(32)
            eve.node = blake(b"sdwan-node-v1" + eve.identity.public).hex()
            status, _ = eve.enrol(host={"name": name, "secret": {"more": [1]}})
            if "\x00" in name:
                self.assertIn(status, (400, 422))
                continue
            self.assertEqual(status, 201, name)
            self.assertRegex(self.api("GET", "/api/v1/nodes/" + eve.node)[1]["name"], r"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
        eve = self.attacker()
        self.before = self.c.revision()
        for member in ("os", "agent"):
            for text in ("\x1b[2J", "a\nb", "\x9b2J", "\u202etxt.exe", "a\u2028b", "a" * 200, 7, ["x"], {"a": 1}):
                self.assertEqual(eve.enrol(host={"name": "b1", member: text})[0], 422, text)
        for endpoint in ("198.51.100.1;reboot", "a b", "-x", "$(id)", "host\n", "a" * 300, "http://x/", "::ffff:10.0.0.1%eth0", 5):
            self.assertEqual(eve.enrol(endpoint=endpoint)[0], 422, endpoint)
        self.unchanged()
        log = self.c.log()
        self.assertNotRegex(log.replace("\n", ""), "[\x00-\x08\x0b-\x1f\x7f]")
        self.assertNotIn("Node root joined", log)

    def test_D18_reports(self):
        eve = self.attacker()
        self.assertEqual(eve.enrol()[0], 201)
        for n, report in enumerate(({"error": "x" * 513}, {"error": "\x1b[2J"}, {"version": "v" * 64}, {"state": "root"}, {"applied": []},
                                    {"applied": {"net/%d/hubs" % i: 1 for i in range(17)}}, {"applied": {"node/x": -1}}, {"version": None})):
            body = json.dumps({"applied": {}, "state": "failed", "version": "1", **report}).encode()
            if n % 5 == 4:
                time.sleep(1)  # its rate
            self.assertEqual(eve.report(body)[0], 422, report)
        answers = [eve.report()[0] for _ in range(25)]
        self.assertIn(429, answers, "no more than 2 a second")

    def test_B21_no_secret_in_the_log(self):
        token = self.c.token()["token"]
        eve = Attacker(self.c, token)
        self.assertEqual(eve.enrol()[0], 201)
        seed = json.loads(unb64(token.split(".")[1]))["s"]
        self.c.https("GET", "/api/v1/nodes?token=" + self.admin, token=self.admin)
        log = self.c.log()
        for secret in (token, seed, self.admin, self.admin.split("_")[2]):
            self.assertNotIn(secret, log)
        with open("/proc/%d/cmdline" % self.c.process.pid, "rb") as cmdline, open("/proc/%d/environ" % self.c.process.pid, "rb") as environ:
            self.assertNotIn(seed.encode(), cmdline.read() + environ.read())

    def test_D18_refusals_do_not_fill_the_journal(self):
        lines = self.c.log().count("Refused an enrolment")
        eve = self.attacker()
        connection = http.client.HTTPSConnection("127.0.0.1", self.c.port, context=ssl._create_unverified_context(), timeout=20)
        for _ in range(400):
            connection.request("POST", AGENT + "enrol", json.dumps({"t": eve.token_id}))
            connection.getresponse().read()
        connection.close()
        self.assertLess(self.c.log().count("Refused an enrolment") - lines, 130)


class Surface(AttackCase):
    REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"

    def bad(self, data, statuses=(400,), source="127.0.0.1"):
        """One of these statuses, and the connection is closed: nothing that follows is taken as a request."""
        follow = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Second: 1\r\n\r\n"
        got, closed = self.c.raw(data + follow, source)
        self.assertTrue(closed, data[:200])
        self.assertEqual(got.count(b"HTTP/1.1 "), 1, (data[:200], got[:400]))
        self.assertIn(int(got.split(b" ", 2)[1]), statuses, (data[:200], got[:200]))
        return got

    def test_C8_smuggling(self):
        post, head = b"POST /api/v1/agent/challenge HTTP/1.1\r\nHost: 127.0.0.1\r\n", self.REQUEST
        for data in (post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
                     post + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nxx", post + b"Content-Length: 1, 1\r\n\r\nx", post + b"Content-Length: +1\r\n\r\nx",
                     post + b"Content-Length: -1\r\n\r\n", post + b"Content-Length: 0x1\r\n\r\nx", post + b"Content-Length: 1 2\r\n\r\nx",
                     post + b"Content-Length:\r\n\r\n", post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                     post + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", post + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     post + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", post + b"Transfer-Encoding: chunked\r\n\r\n1;x=y\r\nx\r\n0\r\n\r\n",
                     post + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", post + b"Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n",
                     post + b"Transfer-Encoding: chunked\r\n\r\n2\r\nx\r\n0\r\n\r\n", post + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n",
                     post + b"Transfer-Encoding: chunked\r\n\r\n 1\r\nx\r\n0\r\n\r\n", post + b"Content_Length : 1\r\n\r\nx", post + b"Content-Length : 1\r\n\r\nx",
                     head + b"Host: 127.0.0.1\r\n\r\n", head.replace(b"Host: 127.0.0.1\r\n", b"") + b"\r\n", head + b"A: b\r\n c: d\r\n\r\n",
                     head + b" A: b\r\n\r\n", head + b"A: b\nB: c\r\n\r\n", head + b"A: b\rB: c\r\n\r\n", head + b"A: \x00\r\n\r\n", head + b"\x00: b\r\n\r\n",
                     head + b"A\tB: c\r\n\r\n", head + b": c\r\n\r\n", head + b"nonsense\r\n\r\n", head.replace(b" HTTP", b"  HTTP") + b"\r\n",
                     b" " + head + b"\r\n", b"\r\n" + head + b"\r\n", head.replace(b"HTTP/1.1", b"http/1.1") + b"\r\n", head.replace(b"HTTP/1.1", b"HTTP/1.1 ") + b"\r\n",
                     head.replace(b"\r\n", b"\n") + b"\n", b"GET /healthz\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", head + b"Expect: 200-maybe\r\n\r\n"):
            with self.subTest(data=data):
                self.bad(data, (400, 505) if b"PRI" in data else (400,))
        for data, status in ((head.replace(b"1.1", b"1.0", 1) + b"\r\n", 505), (head.replace(b"/1.1", b"/9.9", 1) + b"\r\n", 505),
                             (post + b"Transfer-Encoding: gzip\r\n\r\nx", 501), (post + b"Content-Length: 99999999999999999999\r\n\r\n", 413),
                             (post + b"Content-Length: 65537\r\n\r\n", 413), (post + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413),
                             (post + b"Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\n", 413), (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n", 414),
                             (head + b"A: " + b"b" * 20000 + b"\r\n\r\n", 431), (head + b"A: b\r\n" * 1500 + b"\r\n", 431)):
            self.bad(data, (status,))
        got, _ = self.c.raw(head + b"\r\n" + head + b"Connection: close\r\n\r\n")
        self.assertEqual(got.count(b"HTTP/1.1 200 "), 2, "pipelining itself is fine")

    def test_C9_paths(self):
        for path in ("/api/v1/nodes%2f..%2fadmin", "/healthz%00", "/healthz%5c..", "//healthz", "/./healthz", "/api/../healthz", "/api/v1/%2e%2e/healthz",
                     "/healthz;x=1", "/healthz/..", "/%ff", "/%c0%af", "/%zz", "/%", "/a%0d%0ab", "http://127.0.0.1/healthz", "https://evil.example/",
                     "*", "healthz", "/healthz#x", "/hea\tlthz", "/he\"althz", "/healthz?a=%00", "/healthz?%ff"):
            with self.subTest(path=path):
                self.bad(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for path in ("/api/v1/nodes/%2e", "/api/v1/nodes/..%2f..%2fetc%2fpasswd", "/api/v1/nodes/%2fetc"):
            self.assertEqual(self.api("GET", path)[0], 400)
        for path in ("/api/v1/nodes/~root", "/api/v1/nodes/%24(id)", "/api/v1/nodes/%e2%80%ae"):
            self.assertEqual(self.api("GET", path)[0], 404)

    def test_C3_headers_on_every_answer(self):
        post = b"POST /api/v1/agent/enrol HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for data in (self.REQUEST + b"Connection: close\r\n\r\n", b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
                     b"GET /x HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", b"bad\r\n\r\n", post + b"Content-Length: 99999999\r\n\r\n",
                     post + b"Connection: close\r\nContent-Length: 1\r\n\r\nx", b"BREW / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"):
            head = self.c.raw(data)[0].split(b"\r\n\r\n")[0].decode().lower()
            for name in ("content-security-policy: default-src 'none'", "x-content-type-options: nosniff", "referrer-policy: no-referrer",
                         "strict-transport-security: max-age=", "cross-origin-resource-policy: same-origin", "cache-control: no-store"):
                self.assertIn("\r\n" + name, head, data)
            self.assertNotIn("\r\nserver:", head)

    def test_C10_slow_loris(self):
        """Clients that trickle are cut off after 10 s in all, and a good one does not notice them."""
        slow = [self.c.connect("127.9.%d.1" % (n % 4), tls=n % 2 == 0) for n in range(160)]
        begin, times, ended = time.monotonic(), [], {}
        for s in slow:
            s.settimeout(0)
            if isinstance(s, ssl.SSLSocket):
                s.send(self.REQUEST)
        while time.monotonic() < begin + 13 and len(ended) < len(slow):
            for n, s in enumerate(slow):
                if n in ended:
                    continue
                try:
                    s.send(b"a: b\r\n" if isinstance(s, ssl.SSLSocket) else b"\x16")
                    if not s.recv(4096):
                        ended[n] = time.monotonic() - begin
                except (BlockingIOError, ssl.SSLWantReadError):
                    pass
                except OSError:
                    ended[n] = time.monotonic() - begin
            for _ in range(3):
                start = time.monotonic()
                self.assertTrue(self.c.raw(self.REQUEST + b"Connection: close\r\n\r\n")[0].startswith(b"HTTP/1.1 200 "))
                times.append(time.monotonic() - start)
            time.sleep(0.4)
        for s in slow:
            s.close()
        self.assertEqual(len(ended), len(slow), "all are cut off")
        self.assertGreater(min(n for i, n in ended.items() if i % 2 == 0), 8)
        times.sort()
        self.assertLess(times[len(times) * 99 // 100], 1)

    def test_C11_bodies(self):
        """What a stranger sends costs little memory and no time, and is refused by its form."""
        deep = "[" * 20000 + "]" * 20000
        for body in (deep, '{"a":' * 200 + "1" + "}" * 200, '{"t":"a","t":"b","n":"c"}', '{"t":NaN}', "{'t':1}", '{"t":"\\ud800"}', '{"t":"\\u0000"}', '{"t":"a\nb"}',
                     '{"t":1e400}', '{"t":01}', '{"t":1,}', '{"t":"\x7f', "\ufeff{}", "[]", '"x"', "null", "", "{}{}", '{"t":1}x', '{"__proto__":1}', b'{"t":"\xff"}',
                     '{"t":"AAAAAAAAAAA","n":7}', '{"t":{},"n":[]}', '{"t":"AAAAAAAAAAA","n":"x"}', "[" + "0," * 30000 + "0]", '{"t":123456789012345678901234567890}',
                     "{" + ",".join('"a%d":1' % i for i in range(6000)) + "}"):
            begin = time.monotonic()
            status, text, _ = self.c.https("POST", AGENT + "challenge", body if isinstance(body, bytes) else body.encode())
            self.assertIn(status, (400, 413, 422), str(body)[:80])
            self.assertLess(time.monotonic() - begin, 1)
            self.assertLess(len(text), 1000)
        before, held = self.c.rss(), []
        for n in range(200):
            s = self.c.connect("127.8.0.1")
            s.sendall(b"POST /api/v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n" if n % 2 else
                      b"POST /api/v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n")
            try:
                s.settimeout(0.05)
                s.sendall(b"x" * 900000)
            except OSError:
                pass
            held.append(s)
        grown = self.c.rss() - before
        big = json.dumps({"name": "big", "prefix4": "10.1.0.0/16", "ranges": ["10.2.%d.0/24" % i for i in range(200)]})
        self.assertIn(self.api("POST", "/api/v1/networks?dry_run=true", big)[0], (200, 422), "others can still send")
        for s in held:
            s.close()
        if not self.sanitized():
            # The bodies that may be held, what TLS needs for 200 connections, and 8 MiB.
            self.assertLess(grown, 100 * 64 + 200 * 40 + 8192)

    def sanitized(self):
        """AddressSanitizer keeps freed memory, so that what a process holds says nothing."""
        with open("/proc/%d/maps" % self.c.process.pid, encoding="ascii", errors="replace") as file:
            return "libasan" in file.read()

    def test_C12_tls_versions(self):
        def handshake(low, high, ciphers="ALL:@SECLEVEL=0"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_ciphers(ciphers)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version, context.maximum_version = low, high
            with socket.create_connection(("127.0.0.1", self.c.port), 5) as s, context.wrap_socket(s, server_hostname="127.0.0.1") as tls:
                return tls.version(), tls.cipher()[0], tls.compression()
        versions = ssl.TLSVersion
        for old in (versions.TLSv1, versions.TLSv1_1):
            self.assertRaises(OSError, handshake, old, old)
        self.assertEqual(handshake(versions.TLSv1_2, versions.TLSv1_2)[0], "TLSv1.2")
        self.assertEqual(handshake(versions.TLSv1_2, versions.TLSv1_3)[0], "TLSv1.3", "the best of both")
        for weak in ("eNULL", "aNULL", "3DES", "RC4", "PSK", "kRSA", "DES", "EXPORT", "MD5", "SRP"):
            try:
                self.assertRaises(OSError, handshake, versions.TLSv1_2, versions.TLSv1_2, weak + ":@SECLEVEL=0")
            except ssl.SSLError:
                pass  # not even OpenSSL has it any more
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x80\x2e\x01\x00\x02" + bytes(41), b"\x16\x03\x01\xff\xff" + b"\x01" * 200, b"SSH-2.0-x\r\n", bytes(100)):
            with self.c.connect(tls=False) as s:
                s.settimeout(5)
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                try:
                    self.assertNotIn(b"HTTP/", s.recv(4096))
                except OSError:
                    pass
        self.assertEqual(self.api("GET", "/api/v1/nodes")[0], 200)

    def test_C10_one_address_cannot_take_the_places_of_others(self):
        """IPv4 clients of a socket for both families look alike in their first 64 bits. Limits are by client all the same."""
        held = [self.c.connect("127.7.0.1", tls=False) for _ in range(CONNECTIONS + 40)]
        try:
            got, _ = self.c.raw(self.REQUEST + b"Connection: close\r\n\r\n", "127.7.0.2")
            self.assertTrue(got.startswith(b"HTTP/1.1 200 "), got[:100])
            try:
                got, _ = self.c.raw(self.REQUEST + b"Connection: close\r\n\r\n", "127.7.0.1")
            except OSError:
                got = b""
            self.assertFalse(got.startswith(b"HTTP/1.1 200 "), got[:100])
        finally:
            for s in held:
                s.close()

    def test_B20_one_address_cannot_use_up_the_guesses_of_others(self):
        request = b"GET /api/v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sdwp_aaaaaaaa_" + b"A" * 43 + b"\r\n"
        with self.c.connect("127.6.0.1") as s:
            s.sendall((request + b"\r\n") * 60 + request + b"Connection: close\r\n\r\n")
            got = b""
            while True:
                more = s.recv(65536)
                if not more:
                    break
                got += more
        self.assertIn(b"HTTP/1.1 429 ", got)
        self.assertTrue(self.c.raw(request + b"Connection: close\r\n\r\n", "127.6.0.2")[0].startswith(b"HTTP/1.1 401 "))


# A method call with a descriptor, which busctl cannot send: the D-Bus protocol by hand. Arguments: bus member; standard input: what the descriptor is.
CALL_JOIN = """
import os, socket, struct, sys, threading, time

def pad(data, n):
    return data + bytes(-len(data) % n)

def string(s):
    return struct.pack("<I", len(s)) + s.encode() + b"\\0"

def field(code, signature, value):
    return bytes([code, len(signature)]) + signature.encode() + b"\\0" + value

def message(serial, path, interface, member, destination, signature="", body=b"", fds=0):
    fields = b""
    for f in ([field(1, "o", string(path)), field(2, "s", string(interface)), field(3, "s", string(member)), field(6, "s", string(destination))] +
              ([field(8, "g", bytes([len(signature)]) + signature.encode() + b"\\0")] if signature else []) +
              ([field(9, "u", struct.pack("<I", fds))] if fds else [])):
        # the value of a field stands behind its signature, aligned as its type wants it
        fields = pad(fields, 8)
        code, rest = f[:1 + 1 + f[1] + 1], f[1 + 1 + f[1] + 1:]
        fields += code
        fields = (pad(fields, 4) if code[2:3] != b"g" else fields) + rest
    head = b"l\\1\\0\\1" + struct.pack("<III", len(body), serial, len(fields)) + fields
    return pad(head, 8) + body

def options(kind):
    if kind == "huge":
        items = b"".join(pad(string("10.%d.%d.0/24" % (i >> 8 & 255, i & 255)), 4) for i in range(100000))
        array = struct.pack("<I", len(items)) + items
        entry = pad(string("prefixes") + b"\\2as\\0", 4) + array
    elif kind == "escape":
        entry = pad(string("name") + b"\\1s\\0", 4) + string("\\x1b[2J")
    elif kind == "type":
        entry = pad(string("name") + b"\\1u\\0", 4) + struct.pack("<I", 7)
    elif kind == "unknown":
        entry = pad(string("exec") + b"\\1s\\0", 4) + string("/bin/sh")
    else:
        entry = b""
    return entry

def descriptor(kind):
    if kind == "pipe":       # never ends, and has nothing
        return os.pipe()[0]
    if kind == "socket":
        keep.append(socket.socketpair())
        return keep[-1][0].fileno()
    if kind == "terminal":
        return os.openpty()[1]
    if kind == "folder":
        return os.open("/", os.O_RDONLY)
    return os.open(kind if kind.startswith("/") else "/dev/null", os.O_RDONLY)

keep = []
kind, option = sys.argv[1], sys.argv[2]
bus = socket.socket(socket.AF_UNIX)
bus.connect("/run/dbus/system_bus_socket")
bus.settimeout(10)
bus.sendall(b"\\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\\r\\n")
bus.recv(1000)
bus.sendall(b"NEGOTIATE_UNIX_FD\\r\\n")
assert b"AGREE" in bus.recv(1000)
bus.sendall(b"BEGIN\\r\\n" + message(1, "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", "org.freedesktop.DBus"))
time.sleep(0.2)
bus.recv(65536)
entry = options(option)
array = pad(struct.pack("<II", 0, len(entry)), 8) + entry
call = message(2, "/org/sdwan/Agent1", "org.sdwan.Agent1.Manager", "Join", "org.sdwan.Agent1", "ha{sv}", array, 1)
socket.send_fds(bus, [call[:1000]], [descriptor(kind)])
bus.sendall(call[1000:])
got = b""
while not any(e in got for e in (b"org.sdwan.Agent1.Error", b"org.freedesktop.DBus.Error", b"System.Error")):
    got += bus.recv(65536)
print(got.decode(errors="replace").replace("\\0", " "))
"""


class Local(LabCase):
    """What users of the node's own machine can try."""

    METHODS = [("org.sdwan.Agent1", "/org/sdwan/Agent1", "org.sdwan.Agent1.Manager", m, a) for m, a in (("Leave", "b false"), ("Sync", ""))]
    METHODS += [("org.sdwan.Control1", "/org/sdwan/Control1", "org.sdwan.Control1.Manager", m, a) for m, a in (
        ("Call", "sss GET /api/v1/nodes {}"), ("Call", "sss DELETE /api/v1/networks/corp {}"), ("Call", "sss GET /api/v1/tokens {}"),
        ("CreateAdministrator", "s eve"))]

    @classmethod
    def setUpLab(cls):
        cls.ctl = cls.lab.add_controller()
        cls.lab.add_network()
        cls.node = cls.lab.add_branch(1, 0, lan=False)

    def test_D3_D4_nobody_may_call_anything(self):
        """Without polkit, or while it is away, only root gets in: no answer is a refusal."""
        for name, path, interface, method, arguments in self.METHODS:
            node = self.ctl if "Control1" in name else self.node
            call = ["busctl", "--no-pager", "call", name, path, interface, method, *arguments.split()]
            result = node.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *call, check=False)
            self.assertNotEqual(result.returncode, 0, (method, result.stdout))
            self.assertRegex(result.stderr, "(?i)not authorised|access denied", (method, result.stderr))
        result = self.node.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", CALL_JOIN, "/etc/passwd", "none", check=False)
        self.assertIn("AccessDenied", result.stdout, result.stderr)
        for name, path, interface, prop in (("org.sdwan.Agent1", "/org/sdwan/Agent1", "org.sdwan.Agent1.Manager", "State"),
                                            ("org.sdwan.Control1", "/org/sdwan/Control1", "org.sdwan.Control1.Manager", "NodeCount")):
            node = self.ctl if "Control1" in name else self.node
            result = node.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "busctl", "--no-pager", "set-property",
                              name, path, interface, prop, "s", "x", check=False)
            self.assertNotEqual(result.returncode, 0, prop)
        self.assertEqual(self.node.state(), "unenrolled")

    def test_D2_join_with_what_is_no_token(self):
        """Nothing that a caller hands over makes the agent wait, read a device, or grow."""
        before = self.rss()
        for kind, option in (("pipe", "none"), ("socket", "none"), ("/dev/zero", "none"), ("/dev/urandom", "none"), ("terminal", "none"),
                             ("folder", "none"), ("/etc/passwd", "none"), ("/dev/null", "huge"), ("/dev/null", "escape"), ("/dev/null", "type"),
                             ("/dev/null", "unknown")):
            with self.subTest(kind=kind, option=option):
                begin = time.monotonic()
                result = self.node.run("python3", "-c", CALL_JOIN, kind, option, check=False, timeout=20)
                self.assertEqual(result.returncode, 0, result.stderr[-500:])
                self.assertRegex(result.stdout, "TokenMalformed|InvalidArgs|System.Error|org.freedesktop.DBus.Error")
                self.assertNotIn("root:", result.stdout)
                self.assertLess(time.monotonic() - begin, 4)
                self.assertEqual(self.node.state(), "unenrolled")
        self.assertLess(self.rss() - before, 8192 * 4)

    def rss(self):
        with open("/proc/%d/status" % self.node.pid("sdwan-agentd"), encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def test_D17_a_lost_counter_of_starts(self):
        """A node whose counter is lost comes back by itself, and only once: of two with one identity none pushes the other out for ever."""
        node = self.lab.add_branch(2, 0, lan=False)
        node.join(self.lab.token("spoke"))
        wait_for("a connection", lambda: self.connected(node))
        for _ in range(2):
            node.stop("sdwan-agentd")
            node.start_agent()
            wait_for("a connection", lambda: self.connected(node))
        node.stop("sdwan-agentd")
        path = node.out("find", "/var/lib/sdwan", "-name", "epoch").strip()
        before = int(node.out("cat", path))
        node.run("rm", path)
        node.start_agent()
        wait_for("a connection", lambda: self.connected(node))
        self.assertGreater(int(node.out("cat", path)), before)
        self.assertEqual(node.log("sdwan-agentd").count("has seen a later start"), 1)

    def connected(self, node):
        return node.out("busctl", "--no-pager", "get-property", "org.sdwan.Agent1", "/org/sdwan/Agent1", "org.sdwan.Agent1.Manager",
                        "Connected").strip() == "b true"

    def test_D9_agent_listens_nowhere(self):
        """C4 too: there is nothing on the node for a browser to be led to."""
        self.assertNotIn("sdwan-agentd", self.node.out("ss", "-H", "-lntup"))


if __name__ == "__main__":
    unittest.main()
