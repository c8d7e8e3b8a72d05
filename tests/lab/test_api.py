# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""The API over HTTPS from another machine, as an administrator with an API token and as a stranger (SECURITY.md A6, A8, A9, B21)."""

import json
import re
import unittest

from base import LabCase
from openapi import Document

USAGE, NO_SUCH, REFUSED, WRONG_CONTROLLER, UNREACHABLE = 2, 4, 5, 8, 9  # sdwanctl(1)
CA = "/var/lib/sdwan/controller/credentials/ca.crt"
KEY = re.compile(r"[A-Za-z0-9+/_-]{43}=?")  # 32 bytes

# Answers to somebody without any credential that are not 401: to live, and to join (docs/protocol.md 1).
OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/api/v1/agent/bootstrap"), ("POST", "/api/v1/agent/challenge"),
        ("POST", "/api/v1/agent/enrol")}


class Answer:
    def __init__(self, text):
        head, _, self.body = text.partition("\n\n")
        lines = head.splitlines()
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.json = json.loads(self.body) if "json" in self.headers.get("content-type", "") else None


class Api(LabCase):
    @classmethod
    def setUpLab(cls):
        cls.ctl = cls.lab.add_controller()
        cls.lab.add_network()
        cls.client = cls.lab.add_node("client", 50)
        cls.client.write("/run/ca.crt", cls.ctl.out("cat", CA))
        cls.admin = cls.ctl.ctl("admin", "create", "alice").stdout.strip()
        cls.client.write("/run/api-token", cls.admin + "\n", 0o600)
        cls.client.write("/run/authorization", "Authorization: Bearer %s\n" % cls.admin, 0o600)
        cls.client.write("/run/token", cls.lab.branch_token(9), 0o600)
        for number, options in enumerate((["--prefix", "10.9.0.0/24"], ["--endpoint", "198.51.100.50"])):
            cls.client.run(cls.lab.binary("fake-agent"), "join", "--token-file", "/run/token", "--state", "/run/fake%d" % number,
                           "--name", "thing%d" % number, *options)
        cls.client.run(cls.lab.binary("fake-agent"), "report", "--state", "/run/fake0")
        cls.document = Document(cls.api("GET", "/api/v1/openapi.json").json)

    @classmethod
    def api(cls, method, path, body=None, *headers, token=True, kind="application/json", options=()):
        """One request by curl(1). body: an object, or text as it is."""
        command = ["curl", *options, "-sS", "-i", "--max-time", "20", "--cacert", "/run/ca.crt", "-X", method]
        if token:
            command += ["-H", "@/run/authorization"]
        if body is not None:
            command += ["-H", "Content-Type: " + kind, "--data-binary", "@-"]
            body = body if isinstance(body, str) else json.dumps(body)
        for header in headers:
            command += ["-H", header]
        return Answer(cls.client.out(*command, "https://%s:9443%s" % (cls.ctl.wan4, path), input=body))

    def remote(self, *arguments, check=True, token_file="/run/api-token", ca=("--ca-file", "/run/ca.crt"), address=None):
        return self.client.ctl("--controller", "https://%s:9443" % (address or self.ctl.wan4), "--token-file", token_file, *ca, *arguments,
                               check=check)

    def revision(self):
        return self.api("GET", "/api/v1/networks").json["revision"]

    def refused(self, answer, status, field=None):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual(answer.json.get("field"), field, answer.body)
        self.assertEqual(answer.json["status"], status)
        self.assertEqual(self.document.errors(answer.json, {"$ref": "#/components/schemas/Problem"}), [])

    # ---- sdwanctl from another machine ----

    def test_sdwanctl(self):
        names = [n["name"] for n in json.loads(self.remote("--json=short", "list", "nodes").stdout)]
        self.assertEqual(sorted(names), ["thing0-0", "thing1-0"])
        self.remote("add", "network", "--name", "remote", "--prefix4", "10.77.0.0/16")
        self.remote("set", "network", "remote", "mtu=1300")
        self.assertEqual(self.api("GET", "/api/v1/networks/remote").json["mtu"], 1300)
        token = self.remote("token", "create", "--network", "remote", "--name", "for-remote").stdout.strip()
        self.assertRegex(token, r"^sdwan1\.\S+\.[0-9a-f]{8}$")
        self.remote("remove", "token", "for-remote")
        self.remote("remove", "network", "remote")
        self.assertEqual(self.api("GET", "/api/v1/networks/remote").status, 404)

    def test_sdwanctl_refused(self):
        self.client.write("/run/wrong-token", self.admin[:-1] + ("A" if self.admin[-1] != "A" else "B") + "\n", 0o600)
        self.client.write("/run/open-token", self.admin + "\n", 0o644)
        self.client.run("sh", "-c", "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /run/other.key "
                        "-out /run/other.crt -subj /CN=x -days 1 2>/dev/null")
        for what, status, arguments, options in (
                ("wrong token", REFUSED, ("list", "nodes"), {"token_file": "/run/wrong-token"}),
                ("token that others can read", None, ("list", "nodes"), {"token_file": "/run/open-token"}),
                ("another CA", WRONG_CONTROLLER, ("list", "nodes"), {"ca": ("--ca-file", "/run/other.crt")}),
                ("the machine's CAs", WRONG_CONTROLLER, ("list", "nodes"), {"ca": ()}),
                ("nobody there", UNREACHABLE, ("list", "nodes"), {"address": "198.51.100.99"}),
                ("no such object", NO_SUCH, ("show", "node", "nobody"), {}),
                ("unknown field", USAGE, ("set", "network", "corp", "colour=red"), {}),
                ("on this machine only", None, ("admin", "create", "eve"), {})):
            with self.subTest(what):
                result = self.remote(*arguments, check=False, **options)
                if status:
                    self.assertEqual(result.returncode, status, result.stderr)
                self.assertNotEqual(result.returncode, 0)
                self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
                self.assertEqual(result.stdout, "")
                self.assertNotIn(self.admin.split("_")[-1], result.stderr)
        self.assertEqual([u["name"] for u in self.api("GET", "/api/v1/users").json["items"]], ["alice"])

    # ---- strangers ----

    def test_without_a_token(self):
        for headers in ((), ("Authorization: Bearer",), ("Authorization: Bearer sdwp_aaaaaaaa_" + 43 * "A",), ("Authorization: Basic eDp5",),
                        ("Authorization: " + self.admin,)):
            answer = self.api("GET", "/api/v1/nodes", None, *headers, token=False)
            self.refused(answer, 401)
            self.assertEqual(answer.headers["www-authenticate"], "Bearer")
        self.refused(self.api("GET", "/api/v1/nodes?token=" + self.admin, token=False), 401)
        self.refused(self.api("GET", "/api/v1/nodes?access_token=" + self.admin, token=False), 401)

    def test_open_routes(self):
        """All that a stranger gets another answer than 401 from: a new one has to be added to OPEN."""
        routes = {(method.upper(), path.replace("{id}", "corp")) for path, methods in self.document.document["paths"].items()
                  for method in methods if method != "parameters"}
        routes |= {(method, "/api/v1/agent/" + name) for name, method in (
            ("bootstrap", "GET"), ("challenge", "POST"), ("enrol", "POST"), ("stream", "GET"), ("report", "POST"), ("leave", "POST"))}
        routes |= {("GET", path) for path in ("/", "/api/v1", "/api/v1/", "/api", "/debug", "/favicon.ico", "/nothing")}
        routes |= {("POST", path) for path in ("/api/v1/shutdown", "/api/v1/restart", "/api/v1/debug", "/shutdown")}
        answers = {}
        # A network has a limit of wrong tokens: spread over many, so that 401 is seen and not 429.
        self.ctl.run("ip", "route", "add", "2001:db8:2::/48", "via", self.client.wan6)
        for number, (method, path) in enumerate(sorted(routes)):
            address = "2001:db8:2:%x::1" % (number // 5)
            self.client.run("ip", "addr", "replace", address + "/128", "dev", "lo", "nodad")
            result = self.client.out("curl", "-sS", "-i", "--interface", address, "--cacert", "/run/ca.crt", "-X", method,
                                     *(["-H", "Content-Type: application/json", "-d", "{}"] if method in ("POST", "PUT", "PATCH") else []),
                                     "https://[%s]:9443%s" % (self.ctl.wan6, path))
            answers[method, path] = Answer(result).status
        self.assertEqual({route for route, status in answers.items() if status != 401}, OPEN)
        self.assertEqual(answers["GET", "/healthz"], 200)
        self.assertEqual(answers["GET", "/api/v1/agent/bootstrap"], 200)
        self.assertEqual(answers["POST", "/api/v1/agent/enrol"], 422)

    def test_security_headers(self):
        for answer in (self.api("GET", "/api/v1/nodes"), self.api("GET", "/nothing", token=False), self.api("GET", "/healthz", token=False)):
            self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
            self.assertIn("frame-ancestors 'none'", answer.headers["content-security-policy"])
            self.assertIn("max-age", answer.headers["strict-transport-security"])
            self.assertNotIn("access-control-allow-origin", answer.headers)
            self.assertNotIn("server", answer.headers)

    # ---- manners ----

    def test_bodies_that_are_wrong(self):
        before = self.revision()
        deep = '{"name":' + 100 * "[" + 100 * "]" + "}"
        for status, field, method, path, body in (
                (400, None, "POST", "networks", "{"),
                (400, None, "POST", "networks", ""),
                (400, None, "POST", "networks", "[]"),
                (400, None, "POST", "networks", '"name"'),
                (400, None, "POST", "networks", '{"name":"a","name":"b","prefix4":"10.1.0.0/16"}'),
                (400, None, "POST", "networks", '{"name":"a","prefix4":"10.1.0.0/16"} x'),
                (400, None, "POST", "networks", "{'name':'a'}"),
                (400, None, "POST", "networks", '{"name":"a\\ud800"}'),
                (400, None, "POST", "networks", deep),
                (422, "colour", "POST", "networks", {"name": "x", "prefix4": "10.1.0.0/16", "colour": "red"}),
                (422, "name", "POST", "networks", {"name": 7, "prefix4": "10.1.0.0/16"}),
                (422, "name", "POST", "networks", {"name": "", "prefix4": "10.1.0.0/16"}),
                (422, "mtu", "POST", "networks", {"name": "x", "prefix4": "10.1.0.0/16", "mtu": 99999}),
                (422, "mtu", "POST", "networks", {"name": "x", "prefix4": "10.1.0.0/16", "mtu": "1400"}),
                (422, "mtu", "POST", "networks", {"name": "x", "prefix4": "10.1.0.0/16", "mtu": 1400.5}),
                (422, "prefix4", "POST", "networks", {"name": "x", "prefix4": "10.1.0.1/16"}),
                (422, "prefix4", "POST", "networks", {"name": "x", "prefix4": "fd00::/64"}),
                (422, "network", "POST", "tokens", {"network": "nobody"}),
                (422, "role", "POST", "tokens", {"network": "corp", "role": "king"}),
                (422, "node", "POST", "prefixes", {"node": "nobody", "prefix": "10.8.0.0/24"}),
                (422, "state", "PATCH", "nodes/thing0-0", {"state": "revoked"}),
                (422, "identity", "PATCH", "nodes/thing0-0", {"identity": 43 * "A" + "="}),
                (422, "id", "PATCH", "networks/corp", {"id": "0000000000000000"}),
                (422, "token_hash", "PATCH", "users/alice", {"token_hash": 64 * "0"}),
                (409, "prefix", "POST", "prefixes", {"node": "thing1-0", "prefix": "10.9.0.128/25"})):
            with self.subTest(status=status, body=str(body)[:60]):
                self.refused(self.api(method, "/api/v1/" + path, body), status, field)
        self.refused(self.api("POST", "/api/v1/networks", "name=x", kind="application/x-www-form-urlencoded"), 415)
        # curl 7.88 does not read an answer that comes before its HTTP/2 body is all sent.
        self.refused(self.api("POST", "/api/v1/networks", '{"name":"' + 70000 * "a" + '"}', options=["--http1.1"]), 413)
        self.refused(self.api("DELETE", "/api/v1/networks"), 405)
        self.refused(self.api("PATCH", "/api/v1/networks/corp", {"mtu": 1300}, "X-HTTP-Method-Override: DELETE", 'If-Match: "0"'), 412)
        self.assertEqual(self.revision(), before)

    def test_if_match(self):
        made = self.api("POST", "/api/v1/networks", {"name": "tagged", "prefix4": "10.66.0.0/16"})
        self.assertEqual(made.status, 201)
        tag = made.headers["etag"]
        self.assertEqual(tag, '"%d"' % made.json["revision"])
        changed = self.api("PATCH", "/api/v1/networks/tagged", {"mtu": 1300}, "If-Match: " + tag)
        self.assertEqual((changed.status, changed.json["mtu"]), (200, 1300))
        self.assertNotEqual(changed.headers["etag"], tag)
        before = self.revision()
        for method, body in (("PATCH", {"mtu": 1280}), ("PUT", {"name": "tagged", "prefix4": "10.66.0.0/16"}), ("DELETE", None)):
            self.refused(self.api(method, "/api/v1/networks/tagged", body, "If-Match: " + tag), 412)
        self.assertEqual(self.revision(), before)
        self.assertEqual(self.api("DELETE", "/api/v1/networks/tagged", None, "If-Match: " + changed.headers["etag"]).status, 204)

    def test_dry_run(self):
        before = {path: self.api("GET", "/api/v1/" + path).json for path in ("networks", "nodes", "tokens", "prefixes", "uplinks", "users")}
        for method, path, body in (("POST", "networks", {"name": "dry", "prefix4": "10.55.0.0/16"}), ("POST", "tokens", {"network": "corp"}),
                                   ("PATCH", "networks/corp", {"mtu": 1300}), ("PUT", "nodes/thing0-0", {"name": "renamed"}),
                                   ("DELETE", "nodes/thing0-0", None)):
            with self.subTest(method=method, path=path):
                answer = self.api(method, "/api/v1/%s?dry_run=true" % path, body)
                self.assertEqual((answer.status, answer.json["dry_run"]), (200, True), answer.body)
                self.assertTrue(answer.json["diff"])
                self.assertNotIn("sdwan1.", answer.body)
                template = "/api/v1/" + re.sub("/.*", "/{id}", path)
                self.assertEqual(self.document.answer_errors(template, method, 200, answer.headers["content-type"], answer.json), [])
        self.refused(self.api("POST", "/api/v1/networks?dry_run=true", {"name": "corp", "prefix4": "10.55.0.0/16"}), 409, "name")
        after = {path: self.api("GET", "/api/v1/" + path).json for path in before}
        self.assertEqual(after, before)

    # ---- the document ----

    def valid(self, method, path, body=None, kind="application/json"):
        """Sends it and checks the answer against what the document says of that operation."""
        parts = path.split("?")[0].split("/")
        template = "/" + "/".join(parts[1:4] + (["{id}"] if len(parts) > 4 else []) + parts[5:])
        answer = self.api(method, path, body, kind=kind)
        self.assertLess(answer.status, 300, answer.body)
        self.assertEqual(self.document.answer_errors(template, method, answer.status, answer.headers.get("content-type"), answer.json), [])
        return answer

    def test_the_checker_can_fail(self):
        network = self.api("GET", "/api/v1/networks/corp").json
        schema = {"$ref": "#/components/schemas/Network"}
        self.assertEqual(self.document.errors(network, schema), [])
        for change in ({"mtu": "1420"}, {"mtu": 70000}, {"surprise": 1}, {"prefix4": "10.255.0.0"}, {"id": "x"}, {"ranges": ["a", "a"]}, {"mtu": True}):
            self.assertTrue(self.document.errors({**network, **change}, schema), change)
        del network["mtu"]
        self.assertTrue(self.document.errors(network, schema))

    def test_every_kind(self):
        node = self.api("GET", "/api/v1/nodes/thing0-0").json["id"]
        made = {
            "networks": {"name": "doc", "prefix4": "10.44.0.0/16", "prefix6": "fdf4::/64", "ranges": ["10.45.0.0/16"], "mtu": 1400},
            "tokens": {"network": "corp", "name": "doc", "max_uses": 3, "allowed_prefixes": ["10.0.0.0/12"], "approval": "manual"},
            "uplinks": {"node": node, "name": "lte", "endpoint": "192.0.2.7"},
            "prefixes": {"node": node, "prefix": "10.10.0.0/24"},
        }
        kinds = {path.split("/")[3] for path in self.document.document["paths"] if path.startswith("/api/v1/") and path.endswith("/{id}")}
        self.assertEqual(kinds, {"networks", "nodes", "uplinks", "prefixes", "tokens", "users"})
        for kind in sorted(kinds):
            with self.subTest(kind):
                if kind in made:
                    answer = self.valid("POST", "/api/v1/" + kind, made[kind])
                    self.assertEqual(answer.status, 201)
                    self.assertEqual(answer.headers["location"], "/api/v1/%s/%s" % (kind, answer.json["id"]))
                items = self.valid("GET", "/api/v1/" + kind).json["items"]
                self.assertTrue(items)
                self.valid("GET", "/api/v1/%s?limit=1" % kind)
                for item in items:
                    self.assertEqual(self.valid("GET", "/api/v1/%s/%s" % (kind, item["id"])).json, item)
                if kind in made:
                    target = "/api/v1/%s/%s" % (kind, answer.json["id"])
                    self.valid("PATCH", target, {}, kind="application/merge-patch+json")
                    self.valid("PUT", target, made[kind])
                    self.assertEqual(self.valid("DELETE", target).status, 204)
        self.valid("PATCH", "/api/v1/nodes/" + node, {"site": "Lyon", "tags": ["shop", "north"]})

    def test_no_key_but_public_ones(self):
        """A9: no 32 bytes in base64 but in fields whose schema says that they are a public key."""
        for kind, schema in (("networks", "Network"), ("nodes", "Node"), ("uplinks", "Uplink"), ("prefixes", "Prefix"), ("tokens", "Token"), ("users", "User")):
            properties = self.document.document["components"]["schemas"][schema]["properties"]
            public = {name for name, field in properties.items() if "{43}=" in field.get("pattern", "")}
            self.assertLessEqual(public, {"identity", "wg_key", "key"})
            for item in self.api("GET", "/api/v1/" + kind).json["items"]:
                for name, value in item.items():
                    found = KEY.search(re.sub(r"[0-9a-f]{64}", "", json.dumps(value)))
                    self.assertEqual(bool(found), name in public and value is not None, (kind, name, value))

    def test_secrets_are_not_kept_on_the_way(self):
        answer = self.api("POST", "/api/v1/tokens", {"network": "corp"})
        self.assertEqual(answer.headers["cache-control"], "no-store")
        token = answer.json["token"]
        self.assertNotIn("token", self.api("GET", "/api/v1/tokens/" + answer.json["id"]).json)
        log = self.ctl.log("sdwan-controld")
        for secret in (token, token.split(".")[1], self.admin, self.admin.split("_")[-1]):
            self.assertNotIn(secret, log)

    def test_removed_administrator(self):
        other = self.ctl.ctl("admin", "create", "mallory").stdout.strip()
        header = "Authorization: Bearer " + other
        self.assertEqual(self.api("GET", "/api/v1/networks", None, header, token=False).status, 200)
        self.ctl.ctl("remove", "user", "mallory")
        self.refused(self.api("GET", "/api/v1/networks", None, header, token=False), 401)


if __name__ == "__main__":
    unittest.main()
