# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""lib/httpd beside nginx: memory per connection, behaviour under attack, rate of small requests."""
import contextlib
import os
import re
import socket
import ssl
import subprocess
import threading
import time

import benchlib
from benchlib import median, say
from malformed import MALFORMED

NAME = "http"
BOUND = ("5,000 streams at no more memory each than nginx's idle connection; 1,000 stalled ClientHellos and 500 slow-loris "
         "clients each cost <= 1 % of a core and slow a good client <= 2x; every malformed request gets 400 and is closed; "
         "small GET >= 0.8 of nginx's rate")
PACKAGES = ["nginx-light", "wrk", "openssl"]
TARGETS = ["tests/bench/bench-http-server"]

MEMORY_RATIO_MAX = 1.0
ATTACK_CPU_MAX = 0.01
LATENCY_RATIO_MAX = 2.0
RATE_RATIO_MIN = 0.8
TRICKLE_SECONDS = 2

NGINX = """
daemon off;
{user}
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr crit;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_timeout 3600s;
    keepalive_requests 100000000;
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u;
    scgi_temp_path {dir}/s;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {dir}/cert.pem;
        ssl_certificate_key {dir}/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        default_type text/plain;
        location / {{ return 200 "ok\\n"; }}
    }}
}}
"""


class Server:
    """One of the two servers: where it listens, and the process whose memory and CPU count."""

    def __init__(self, name, port, pid):
        self.name = name
        self.port = port
        self.pid = pid


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def our_server(context, folder):
    port = benchlib.free_port()
    program = context.builddir / "tests" / "bench" / "bench-http-server"
    with benchlib.running([str(program), str(port), str(folder / "cert.pem"), str(folder / "key.pem")]) as process:
        benchlib.wait_for_port(port, process)
        yield Server("ours", port, process.pid)


@contextlib.contextmanager
def nginx(folder):
    port = benchlib.free_port()
    files = benchlib.raise_descriptor_limit()
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(dir=folder, port=port, files=files, connections=min(files, 16384),
                                                    user=user), encoding="utf-8")
    with benchlib.running(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]) as process:
        benchlib.wait_for_port(port, process)
        yield Server("peer", port, benchlib.children(process.pid)[0])


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


TLS = tls_context()


def connect(port):
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return TLS.wrap_socket(sock)


def request(path):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def get(sock, path, end):
    """Sends a request and reads until the bytes that end what is expected of the answer."""
    sock.sendall(request(path))
    data = b""
    while end not in data:
        more = sock.recv(16384)
        if not more:
            raise benchlib.Failure(f"connection closed after {data[:60]!r}")
        data += more


def check_held(server, count):
    """What is measured would mean nothing if the server had closed them already."""
    held = benchlib.descriptors(server.pid)
    if held < count:
        raise benchlib.Failure(f"{server.name}: {held} descriptors are open where {count} connections should be held")


def memory_per_connection(server, path, end, count):
    for _ in range(20):
        with connect(server.port) as sock:
            get(sock, path, end)
    time.sleep(0.5)
    before = benchlib.pss_bytes(server.pid)
    held = []
    try:
        for _ in range(count):
            sock = connect(server.port)
            held.append(sock)
            get(sock, path, end)
        time.sleep(1.5)
        check_held(server, count)
        return (benchlib.pss_bytes(server.pid) - before) / count
    finally:
        for sock in held:
            sock.close()


def measure_memory(ours, peer, count):
    result = {}
    for server, path, end in ((ours, "/stream", b"\r\n1\r\n\n\r\n"), (peer, "/", b"ok\n")):
        say(f"http: {server.name}: {count} connections")
        result[server.name] = round(memory_per_connection(server, path, end, count))
    return result


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = TLS.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


@contextlib.contextmanager
def stalled_handshakes(port, count):
    hello = client_hello()
    held = []
    try:
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", port), timeout=20)
            held.append(sock)
            sock.sendall(hello)
        yield
    finally:
        for sock in held:
            sock.close()


def trickle(held, stop):
    while not stop.wait(TRICKLE_SECONDS):
        for sock in held:
            with contextlib.suppress(OSError):
                sock.sendall(b"x: y\r\n")


@contextlib.contextmanager
def slow_loris(port, count):
    held, stop = [], threading.Event()
    thread = threading.Thread(target=trickle, args=(held, stop))
    try:
        for _ in range(count):
            sock = connect(port)
            held.append(sock)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        thread.start()
        yield
    finally:
        stop.set()
        if thread.ident:
            thread.join()
        for sock in held:
            sock.close()


def latencies_ms(port, count):
    """What a good client sees: a connection of its own, handshake, request, answer."""
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        with connect(port) as sock:
            get(sock, "/", b"ok\n")
            taken.append((time.perf_counter() - start) * 1000)
    return taken


def measure_attack(server, attack, count, pairs, window):
    """Alternating: a good client alone, a good client beside the attack. CPU is taken while nobody else asks."""
    alone, beside, cpu = [], [], []
    for _ in range(pairs):
        time.sleep(0.5)
        alone.append(median(latencies_ms(server.port, 100)))
        with attack(server.port, count):
            time.sleep(1)
            before, start = benchlib.cpu_seconds(server.pid), time.monotonic()
            time.sleep(window)
            check_held(server, count)
            cpu.append((benchlib.cpu_seconds(server.pid) - before) / (time.monotonic() - start))
            beside.append(median(latencies_ms(server.port, 100)))
    ratios = [b / a for a, b in zip(alone, beside)]
    return {"cpu": round(median(cpu), 5), "alone_ms": round(median(alone), 3), "beside_ms": round(median(beside), 3),
            "slowdown": round(median(ratios), 3)}


def answer_to(port, data):
    """The status line's code, and whether the connection was closed behind it."""
    with connect(port) as sock:
        sock.settimeout(3)
        received = b""
        try:
            sock.sendall(data)
            while True:
                more = sock.recv(16384)
                if not more:
                    break
                received += more
        except TimeoutError:
            return received[9:12].decode(errors="replace"), False
        except OSError:
            pass
        return received[9:12].decode(errors="replace"), True


def measure_malformed(server):
    wrong = []
    for data in MALFORMED:
        status, closed = answer_to(server.port, data)
        if status != "400" or not closed:
            wrong.append((data[:60], status, closed))
    for data, status, closed in wrong if server.name == "ours" else []:
        say(f"http: {data!r}: {status}, {'closed' if closed else 'kept open'}")
    return len(MALFORMED) - len(wrong)


def rate(server, seconds):
    out = subprocess.run(["wrk", "-t1", "-c50", f"-d{seconds}s", f"https://127.0.0.1:{server.port}/"], check=True,
                         capture_output=True, text=True).stdout
    match = re.search(r"Requests/sec:\s+([0-9.]+)", out)
    if not match or "Non-2xx" in out or "Socket errors" in out:
        raise benchlib.Failure("wrk: " + out)
    return float(match.group(1))


def measure_rate(ours, peer, pairs, seconds):
    rates = {"ours": [], "peer": []}
    for _ in range(pairs):
        for server in (ours, peer):
            rates[server.name].append(rate(server, seconds))
    ratio = median([a / b for a, b in zip(rates["ours"], rates["peer"])])
    return round(median(rates["ours"])), round(median(rates["peer"])), round(ratio, 3)


def run(context):
    quick = context.quick
    benchlib.raise_descriptor_limit()
    ours, peer = {}, {}
    with benchlib.scratch() as folder:
        make_certificate(folder)
        with our_server(context, folder) as s, nginx(folder) as n:
            ours["get_per_second"], peer["get_per_second"], rate_ratio = measure_rate(s, n, 1 if quick else 7, 1 if quick else 3)
            memory = measure_memory(s, n, 300 if quick else 5000)
            for server, figures in ((s, ours), (n, peer)):
                figures["bytes_per_connection"] = memory[server.name]
                figures["malformed_refused"] = measure_malformed(server)
                say(f"http: {server.name}: attacks")
                figures["stalled"] = measure_attack(server, stalled_handshakes, 100 if quick else 1000, 1 if quick else 3,
                                                    1 if quick else 4)
                figures["slow_loris"] = measure_attack(server, slow_loris, 50 if quick else 500, 1 if quick else 3,
                                                       1 if quick else 4)
    ours["malformed_total"] = peer["malformed_total"] = len(MALFORMED)
    memory_ratio = round(ours["bytes_per_connection"] / peer["bytes_per_connection"], 3)
    attacks = [ours["stalled"], ours["slow_loris"]]
    passed = (memory_ratio <= MEMORY_RATIO_MAX and ours["malformed_refused"] == len(MALFORMED)
              and all(a["cpu"] <= ATTACK_CPU_MAX for a in attacks))
    if not quick:  # one pair of a second each says nothing about time
        passed = passed and rate_ratio >= RATE_RATIO_MIN and all(a["slowdown"] <= LATENCY_RATIO_MAX for a in attacks)
    return {"pass": passed, "ours": ours, "peer": peer, "ratio": {"memory": memory_ratio, "rate": rate_ratio}}
