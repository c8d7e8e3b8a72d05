# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""An agent in the hands of an attacker: the protocol and its cryptography in plain Python, so that every part of it can be wrong."""

import base64
import hashlib
import http.client
import json
import os
import ssl
import time

AGENT = "/api/v1/agent/"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Ed25519:
    """RFC 8032, straight from the text: slow, and good enough to attack with."""

    p, q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
    d = -121665 * pow(121666, 2**255 - 21, 2**255 - 19) % (2**255 - 19)
    base_y = 4 * pow(5, 2**255 - 21, 2**255 - 19) % (2**255 - 19)

    def __init__(self, seed):
        h = hashlib.sha512(seed).digest()
        self.scalar = int.from_bytes(h[:32], "little") & (1 << 254) - 8 | 1 << 254
        self.prefix = h[32:]
        self.public = self.encode(self.multiply(self.scalar, self.base()))

    @classmethod
    def base(cls):
        y = cls.base_y
        x2 = (y * y - 1) * pow(cls.d * y * y + 1, cls.p - 2, cls.p) % cls.p
        x = pow(x2, (cls.p + 3) // 8, cls.p)
        if (x * x - x2) % cls.p:
            x = x * pow(2, (cls.p - 1) // 4, cls.p) % cls.p
        x = cls.p - x if x & 1 else x
        return x, y, 1, x * y % cls.p

    @classmethod
    def add(cls, a, b):
        p = cls.p
        s, t = (a[1] - a[0]) * (b[1] - b[0]) % p, (a[1] + a[0]) * (b[1] + b[0]) % p
        u, v = 2 * a[3] * b[3] * cls.d % p, 2 * a[2] * b[2] % p
        e, f, g, h = t - s, v - u, v + u, t + s
        return e * f % p, g * h % p, f * g % p, e * h % p

    @classmethod
    def multiply(cls, n, point):
        result = (0, 1, 1, 0)
        while n:
            if n & 1:
                result = cls.add(result, point)
            point = cls.add(point, point)
            n >>= 1
        return result

    @classmethod
    def encode(cls, point):
        inverse = pow(point[2], cls.p - 2, cls.p)
        x, y = point[0] * inverse % cls.p, point[1] * inverse % cls.p
        return (y | (x & 1) << 255).to_bytes(32, "little")

    def sign(self, message):
        r = int.from_bytes(hashlib.sha512(self.prefix + message).digest(), "little") % self.q
        point = self.encode(self.multiply(r, self.base()))
        k = int.from_bytes(hashlib.sha512(point + self.public + message).digest(), "little") % self.q
        return point + ((r + k * self.scalar) % self.q).to_bytes(32, "little")


def x25519(scalar, point=b"\x09" + bytes(31)):
    """RFC 7748, the Montgomery ladder."""
    p = 2**255 - 19
    k = int.from_bytes(scalar, "little") & (1 << 254) - 8 | 1 << 254
    u = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3 = 1, 0, u, 1
    for i in range(254, -1, -1):
        if k >> i & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb = d * a % p, c * b % p
        x3, z3 = (da + cb) ** 2 % p, u * (da - cb) ** 2 % p
        e = a * a - b * b
        x2, z2 = a * a * b * b % p, e * (a * a + 121665 * e) % p
        if k >> i & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


def blake(data, key=b""):
    return hashlib.blake2b(data, digest_size=32, key=key).digest()


def seal(domain, data):
    return domain.encode() + b"\0" + blake(data)


class Attacker:
    """An agent that does as it is told."""

    def __init__(self, victim, token):
        self.victim = victim
        text = json.loads(unb64(token.split(".")[1]))
        self.token_id, self.controller = text["t"], unb64(text["c"]).hex()
        self.token_key = Ed25519(unb64(text["s"]))
        self.identity, self.wg = Ed25519(os.urandom(32)), os.urandom(32)
        self.node = blake(b"sdwan-node-v1" + self.identity.public).hex()
        self.seq = 0

    def post(self, path, body, **headers):
        status, text, _ = self.victim.https("POST", AGENT + path, body, Content_Type="application/json", **headers)
        return status, json.loads(text) if text[:1] == b"{" else text

    def enrol(self, token_id=None, **changes):
        """changes: members of M2 instead of the right ones; proof=b"…", identity_signature=b"…" likewise."""
        nonce = b64(os.urandom(32))
        token_id = token_id or self.token_id
        challenge = self.post("challenge", {"t": token_id, "n": nonce})[1]
        ik, wg = changes.pop("ik", self.identity.public), x25519(self.wg)
        wg = changes.pop("wg", wg)
        proof = changes.pop("proof", None) or blake(
            b"sdwan-wgpop-v1" + blake(challenge["ch"].encode() + ik + wg), x25519(self.wg, unb64(challenge["srv_eph"])))
        signature = changes.pop("identity_signature", None)
        body = json.dumps({"t": token_id, "ch": challenge["ch"], "n": nonce, "ik": b64(ik), "ik_gen": 1,
                           "wk": [{"lane": 0, "pk": b64(wg), "pop": b64(proof)}], "host": {"name": "eve"},
                           "prefixes": [], "idem": os.urandom(16).hex(), **changes}).encode()
        message = seal("sdwan-enroll-v1", body)
        return self.post("enrol", body, Sdwan_Sig_Token=b64(self.token_key.sign(message)),
                         Sdwan_Sig_Identity=b64(signature or self.identity.sign(message)))

    def headers(self, method, path, query="", body=b"", node=None, epoch=1, seq=None, aud=None, twist=lambda s: s):
        self.seq += 1
        digest = "sha-256=:%s:" % base64.b64encode(hashlib.sha256(body).digest()).decode()
        aud, number = aud or self.controller, "%d.%d" % (epoch, seq or self.seq)
        params = ('("@method" "@path" "@query" "content-digest" "sdwan-aud" "sdwan-seq");created=%d;keyid="%s/1";alg="ed25519";'
                  'tag="sdwan-agent-v1"' % (time.time(), node or self.node))
        text = '"@method": %s\n"@path": %s\n"@query": ?%s\n"content-digest": %s\n"sdwan-aud": %s\n"sdwan-seq": %s\n"@signature-params": %s' % (
            method, path, query, digest, aud, number, params)
        signature = base64.b64encode(twist(self.identity.sign(text.encode()))).decode()
        return {"Content-Digest": digest, "Sdwan-Aud": aud, "Sdwan-Seq": number, "Signature-Input": "sdwan=" + params,
                "Signature": "sdwan=:%s:" % signature}

    def report(self, body=b'{"applied":{},"state":"in-sync","version":"1"}', **options):
        headers = self.headers("POST", AGENT + "report", body=body, **options)
        return self.post("report", body, **{k.replace("-", "_"): v for k, v in headers.items()})

    def stream(self, query=""):
        """The first lines of the stream, decoded."""
        path = AGENT + "stream"
        connection = http.client.HTTPSConnection("127.0.0.1", self.victim.port, context=ssl._create_unverified_context(), timeout=5)
        try:
            connection.request("GET", path + ("?" + query if query else ""), headers=self.headers("GET", path, query))
            answer = connection.getresponse()
            if answer.status != 200:
                return answer.status, json.loads(answer.read())
            batches, end = [], time.monotonic() + 1.5
            connection.sock and connection.sock.settimeout(1)
            while time.monotonic() < end:
                try:
                    line = answer.readline().strip()
                except (TimeoutError, OSError):
                    break
                if line:
                    batches.append(json.loads(unb64(json.loads(line)["p"])))
            return 200, batches
        finally:
            connection.close()
