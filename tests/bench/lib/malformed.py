# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Requests that an HTTP/1.1 server must answer with 400 and a closed connection: SECURITY.md section 0, rows C8 and C9."""

_GET = b"GET / HTTP/1.1\r\n"
_HOST = b"Host: localhost\r\n"
_POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"


def _targets():
    for target in (b"/api/v1/nodes%2f..%2fadmin", b"/a%5cb", b"/a%00b", b"/a%0d%0ab", b"//a", b"/a//b", b"/../a", b"/a/..", b"/a/./b",
                   b"/%2e%2e/a", b"/a;b", b"/a%", b"/%ff", b"/%c0%af", b"/?a=%00", b"http://localhost/", b"*", b"?a"):
        yield b"GET " + target + b" HTTP/1.1\r\n" + _HOST + b"\r\n"


MALFORMED = [
    _POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    _POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    _POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    _POST + b"Content-Length: 5, 5\r\n\r\nhello",
    _POST + b"Content-Length: +5\r\n\r\nhello",
    _POST + b"Content-Length: -5\r\n\r\nhello",
    _POST + b"Content-Length: 0x5\r\n\r\nhello",
    _POST + b"Content-Length:\r\n\r\n",
    _GET + b"Host: localhost\r\nHost: other\r\n\r\n",
    _GET + b"Host: localhost\r\nHost: localhost\r\n\r\n",
    _GET + b"\r\n",
    _GET + b"Host:\r\n\r\n",
    _GET + b"Host: a b\r\n\r\n",
    _GET + _HOST + b"Name : value\r\n\r\n",
    _GET + _HOST + b"Name\t: value\r\n\r\n",
    _GET + _HOST + b"Name: value\r\n folded\r\n\r\n",
    _GET + _HOST + b"Name: value\r\n\tfolded\r\n\r\n",
    _GET + b" Host: localhost\r\n\r\n",
    _GET + _HOST + b": value\r\n\r\n",
    _GET + _HOST + b"Name\r\n\r\n",
    b"GET / HTTP/1.1\nHost: localhost\n\n",
    _GET + b"Host: localhost\n\r\n",
    _GET + _HOST + b"Name: a\rb\r\n\r\n",
    _GET + _HOST + b"Name: a\0b\r\n\r\n",
    _GET + _HOST + b"Name: a\x01b\r\n\r\n",
    _GET + _HOST + b"Na\0me: a\r\n\r\n",
    b"GET /\0 HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"\r\n" + _GET + _HOST + b"\r\n",
    b"GET /\r\n",
    b"GET  / HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET / HTTP/1.1 \r\n" + _HOST + b"\r\n",
    b"GET / http/1.1\r\n" + _HOST + b"\r\n",
    b"G@T / HTTP/1.1\r\n" + _HOST + b"\r\n",
    _POST + b"Transfer-Encoding: xchunked\r\n\r\n",
    _POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    _POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    _POST + b"Transfer-Encoding: identity\r\n\r\n",
    _POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    _CHUNKED + b"5;ext=1\r\nhello\r\n0\r\n\r\n",
    _CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n",
    _CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    _CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    _CHUNKED + b"5\r\nhelloX\r\n0\r\n\r\n",
    _CHUNKED + b"-1\r\n",
    _CHUNKED + b"0\r\nTrailer: x\r\n\r\n",
    *_targets(),
]
