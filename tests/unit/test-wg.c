/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/wireguard.h>
#include <stdio.h>

#include "base/strutil.h"
#include "wg/genl.h"
#include "wg/internal.h"
#include "wg/uapi.h"

#define HEADERS (NLMSG_HDRLEN + GENL_HDRLEN)

static PublicKey key_of(unsigned n) {
        PublicKey k = { 0 };

        for (size_t i = 0; i < KEY_SIZE; i++)
                k.bytes[i] = (uint8_t) (n * 2654435761U >> (i % 25));
        k.bytes[0] = (uint8_t) n;
        k.bytes[1] = (uint8_t) (n >> 8);
        return k;
}

static Prefix prefix_of(const char *s) {
        Prefix p;

        assert_int_equal(prefix_parse(s, &p), 0);
        return p;
}

static WgPeer *add_peer(WgDevice *d, unsigned n) {
        PublicKey k = key_of(n);
        WgPeer *p;

        assert_int_equal(wg_device_append_peer(d, &k, &p), 0);
        return p;
}

static void add_ip(WgPeer *p, const char *s) {
        Prefix prefix = prefix_of(s);

        assert_int_equal(wg_peer_append_allowed_ip(p, &prefix), 0);
}

static void add_numbered_ip(WgPeer *p, unsigned n) {
        char text[32];

        (void) snprintf(text, sizeof(text), "10.%u.%u.%u/32", n >> 16 & 255, n >> 8 & 255, n & 255);
        add_ip(p, text);
}

static Secret *secret_of(uint8_t byte) {
        uint8_t bytes[KEY_SIZE];
        Secret *s;

        memset(bytes, byte, sizeof(bytes));
        assert_int_equal(secret_new_take(bytes, &s), 0);
        return s;
}

/* Every attribute once, as the kernel's header describes it. */
static void test_genl_golden(void **state) {
        static const char expected[] = "f0000000"
                                       "2100"
                                       "0500"
                                       "07000000"
                                       "00000000" /* length, family, REQUEST|ACK, seq, pid */
                                       "01010000" /* SET_DEVICE, version 1 */
                                       "0a000200"
                                       "7364776c30000000" /* IFNAME "sdwl0" */
                                       "24000300"
                                       "1111111111111111111111111111111111111111111111111111111111111111"
                                       "06000600"
                                       "6cca0000" /* LISTEN_PORT 51820 */
                                       "08000700"
                                       "0d000000" /* FWMARK 13 */
                                       "08000500"
                                       "01000000" /* FLAGS replace-peers */
                                       "94000880" /* PEERS */
                                       "90000080" /* peer */
                                       "24000100"
                                       "2222222222222222222222222222222222222222222222222222222222222222"
                                       "24000200"
                                       "3333333333333333333333333333333333333333333333333333333333333333"
                                       "14000400"
                                       "0200ca6cc00002010000000000000000" /* ENDPOINT 192.0.2.1:51820 */
                                       "06000500"
                                       "19000000" /* KEEPALIVE 25 */
                                       "08000300"
                                       "06000000" /* FLAGS replace-allowed-ips|update-only */
                                       "20000980" /* ALLOWEDIPS */
                                       "1c000080"
                                       "06000100"
                                       "02000000"
                                       "08000200"
                                       "0a010000"
                                       "05000300"
                                       "10000000";
        _cleanup_(wg_device_done) WgDevice d = { .name = "sdwl0", .listen_port = 51820, .fwmark = 13 };
        _cleanup_(secret_freep) Secret *secret = secret_of(0x11);
        uint32_t buf[WG_GENL_MESSAGE_MIN / 4];
        char hex[2 * WG_GENL_MESSAGE_MIN + 1];
        WgGenlCursor cursor = { 0 };
        size_t len;
        WgPeer *p;

        d.flags = WG_DEVICE_HAS_PRIVATE_KEY | WG_DEVICE_HAS_LISTEN_PORT | WG_DEVICE_HAS_FWMARK |
                  WG_DEVICE_REPLACE_PEERS;
        d.private_key = secret;
        p = add_peer(&d, 0);
        memset(&p->key, 0x22, KEY_SIZE);
        memset(p->preshared_key, 0x33, KEY_SIZE);
        p->flags = WG_PEER_HAS_PRESHARED_KEY | WG_PEER_HAS_ENDPOINT | WG_PEER_HAS_KEEPALIVE |
                   WG_PEER_REPLACE_ALLOWED_IPS | WG_PEER_UPDATE_ONLY;
        p->keepalive = 25;
        assert_int_equal(endpoint_parse("192.0.2.1:51820", &p->endpoint), 0);
        add_ip(p, "10.1.0.0/16");

        assert_int_equal(wg_genl_build_set(&d, 0x21, 7, buf, sizeof(buf), &cursor, &len), 1);
        hex_encode(buf, len, hex);
        assert_string_equal(hex, expected);
        assert_int_equal(wg_genl_build_set(&d, 0x21, 8, buf, sizeof(buf), &cursor, &len), 0);
}

static void test_genl_golden_remove_and_get(void **state) {
        static const char expected[] = "54000000"
                                       "2100"
                                       "0500"
                                       "01000000"
                                       "00000000"
                                       "01010000"
                                       "0a000200"
                                       "7364777830000000"
                                       "34000880"
                                       "30000080"
                                       "24000100"
                                       "2222222222222222222222222222222222222222222222222222222222222222"
                                       "08000300"
                                       "01000000";
        static const char expected_get[] = "20000000"
                                           "2100"
                                           "0503"
                                           "02000000"
                                           "00000000"
                                           "00010000"
                                           "0a000200"
                                           "7364777830000000";
        _cleanup_(wg_device_done) WgDevice d = { .name = "sdwx0" };
        uint32_t buf[WG_GENL_MESSAGE_MIN / 4];
        char hex[2 * WG_GENL_MESSAGE_MIN + 1];
        WgGenlCursor cursor = { 0 };
        size_t len;
        WgPeer *p;

        p = add_peer(&d, 0);
        memset(&p->key, 0x22, KEY_SIZE);
        p->flags = WG_PEER_REMOVE | WG_PEER_HAS_KEEPALIVE;
        add_ip(p, "10.1.0.0/16");
        assert_int_equal(wg_genl_build_set(&d, 0x21, 1, buf, sizeof(buf), &cursor, &len), 1);
        hex_encode(buf, len, hex);
        assert_string_equal(hex, expected);

        wg_genl_build_get("sdwx0", 0x21, 2, buf, &len);
        hex_encode(buf, len, hex);
        assert_string_equal(hex, expected_get);
}

/* How often an attribute of the type is at the top of the message. */
static unsigned count_attributes(const uint8_t *p, size_t len, uint16_t type) {
        unsigned n = 0;

        while (len >= sizeof(struct nlattr)) {
                struct nlattr a;
                size_t step;

                memcpy(&a, p, sizeof(a));
                n += (a.nla_type & NLA_TYPE_MASK) == type;
                step = MIN((size_t) NLA_ALIGN(a.nla_len), len);
                p += step;
                len -= step;
        }
        return n;
}

/* Builds all messages of at most size bytes and reads them back into *ret. */
static unsigned round_trip(const WgDevice *d, size_t size, WgDevice *ret) {
        _cleanup_free_ uint8_t *buf = malloc(size);
        WgGenlCursor cursor = { 0 };
        unsigned n = 0;
        size_t len;
        int r;

        assert_non_null(buf);
        while ((r = wg_genl_build_set(d, 30, n, buf, size, &cursor, &len)) > 0) {
                bool first = n++ == 0;

                assert_true(len <= size);
                assert_int_equal(count_attributes(buf + HEADERS, len - HEADERS, WGDEVICE_A_IFNAME), 1);
                assert_int_equal(count_attributes(buf + HEADERS, len - HEADERS, WGDEVICE_A_LISTEN_PORT),
                                 first);
                assert_int_equal(count_attributes(buf + HEADERS, len - HEADERS, WGDEVICE_A_FLAGS), first);
                assert_int_equal(wg_genl_parse(buf + HEADERS, len - HEADERS, ret), 0);
        }
        assert_int_equal(r, 0);
        return n;
}

static void assert_peers_equal(const WgDevice *a, const WgDevice *b) {
        assert_int_equal(a->n_peers, b->n_peers);
        for (size_t i = 0; i < a->n_peers; i++) {
                const WgPeer *x = &a->peers[i], *y = &b->peers[i];

                assert_memory_equal(&x->key, &y->key, KEY_SIZE);
                assert_int_equal(x->keepalive, y->keepalive);
                assert_true(endpoint_equal(&x->endpoint, &y->endpoint));
                assert_int_equal(x->n_allowed_ips, y->n_allowed_ips);
                for (size_t k = 0; k < x->n_allowed_ips; k++)
                        assert_true(prefix_equal(&x->allowed_ips[k], &y->allowed_ips[k]));
        }
}

static void fill(WgDevice *d, unsigned n_peers, unsigned ips_each) {
        for (unsigned i = 0; i < n_peers; i++) {
                WgPeer *p = add_peer(d, i);

                p->flags = WG_PEER_HAS_KEEPALIVE | WG_PEER_HAS_ENDPOINT | WG_PEER_REPLACE_ALLOWED_IPS;
                p->keepalive = 25;
                assert_int_equal(endpoint_parse(i % 2 ? "[2001:db8::7]:1" : "192.0.2.7:65535", &p->endpoint),
                                 0);
                for (unsigned k = 0; k < ips_each; k++)
                        add_numbered_ip(p, i * ips_each + k);
                if (ips_each > 0)
                        add_ip(p, "fd00:1::/64");
        }
}

static void test_genl_fragments(void **state) {
        static const struct {
                unsigned n_peers, ips;
        } cases[] = { { 0, 0 }, { 1, 0 }, { 1, 3000 }, { 1000, 3 }, { 3, 4095 }, { 40, 100 } };
        static const size_t sizes[] = { WG_GENL_MESSAGE_MIN, 516, 700, 4096, WG_GENL_MESSAGE_MAX };

        for (size_t c = 0; c < ELEMENTSOF(cases); c++)
                for (size_t s = 0; s < ELEMENTSOF(sizes); s++) {
                        _cleanup_(wg_device_done) WgDevice d = { .name = "sdwl0" }, back = { 0 };
                        unsigned n;

                        d.flags = WG_DEVICE_HAS_LISTEN_PORT | WG_DEVICE_REPLACE_PEERS;
                        d.listen_port = 4242;
                        fill(&d, cases[c].n_peers, cases[c].ips);
                        assert_int_equal(wg_device_check(&d), 0);
                        n = round_trip(&d, sizes[s], &back);
                        assert_true(n >= 1);
                        if (sizes[s] == WG_GENL_MESSAGE_MAX && cases[c].n_peers == 1000)
                                assert_in_range(n, 2, 8);
                        assert_string_equal(back.name, "sdwl0");
                        assert_int_equal(back.listen_port, 4242);
                        assert_peers_equal(&d, &back);
                }
}

/* The attributes of a peer are in its first fragment, and what follows has the key and allowed-ips alone. */
static void test_genl_continuation(void **state) {
        _cleanup_(wg_device_done) WgDevice d = { .name = "sdwl0" };
        uint32_t buf[1024 / 4];
        WgGenlCursor cursor = { 0 };
        unsigned n = 0;
        size_t len;

        fill(&d, 1, 200);
        d.peers[0].flags |= WG_PEER_UPDATE_ONLY;
        while (wg_genl_build_set(&d, 30, 1, buf, sizeof(buf), &cursor, &len) > 0) {
                const uint8_t *peer =
                                (uint8_t *) buf + HEADERS + 12 + 4 + 4; /* IFNAME, heads of PEERS and peer */
                size_t peer_len = len - HEADERS - 20;
                bool first = n++ == 0;
                uint32_t flags = 0;

                assert_int_equal(count_attributes(peer, peer_len, WGPEER_A_PUBLIC_KEY), 1);
                assert_int_equal(count_attributes(peer, peer_len, WGPEER_A_ENDPOINT), first);
                assert_int_equal(count_attributes(peer, peer_len, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL),
                                 first);
                assert_int_equal(count_attributes(peer, peer_len, WGPEER_A_FLAGS), 1);
                memcpy(&flags, peer + 36 + (first ? 20 + 8 : 0) + 4, sizeof(flags));
                assert_int_equal(flags, WGPEER_F_UPDATE_ONLY | (first ? WGPEER_F_REPLACE_ALLOWEDIPS : 0));
        }
        assert_true(n > 3);
}

static void test_genl_one_of_thousand(void **state) {
        _cleanup_(wg_device_done) WgDevice actual = { .name = "sdwl0" }, wanted = { .name = "sdwl0" },
                                           change = { 0 }, back = { 0 };

        fill(&actual, 1000, 3);
        fill(&wanted, 1000, 3);
        for (unsigned i = 0; i < 1000; i++) /* shared prefixes make no valid device */
                actual.peers[i].n_allowed_ips = wanted.peers[i].n_allowed_ips = 3;
        add_ip(&wanted.peers[517], "172.16.7.0/24");
        assert_int_equal(wg_diff(&actual, &wanted, false, &change), 0);
        assert_int_equal(change.n_peers, 1);
        assert_int_equal(change.flags, 0);
        assert_int_equal(change.peers[0].flags, WG_PEER_UPDATE_ONLY);
        assert_int_equal(change.peers[0].n_allowed_ips, 1);
        change.flags = WG_DEVICE_HAS_LISTEN_PORT | WG_DEVICE_REPLACE_PEERS; /* for round_trip() */
        assert_int_equal(round_trip(&change, WG_GENL_MESSAGE_MAX, &back), 1);
        assert_int_equal(back.n_peers, 1);
        assert_memory_equal(&back.peers[0].key, &wanted.peers[517].key, KEY_SIZE);
}

static void test_genl_strict(void **state) {
        _cleanup_(wg_device_done) WgDevice d = { .name = "sdwl0" };
        uint32_t buf[WG_GENL_MESSAGE_MIN / 4];
        uint8_t *attributes = (uint8_t *) buf + HEADERS;
        WgGenlCursor cursor = { 0 };
        size_t len;

        fill(&d, 1, 2);
        assert_int_equal(wg_genl_build_set(&d, 30, 1, buf, sizeof(buf), &cursor, &len), 1);
        len -= HEADERS;
        for (size_t cut = 1; cut < len;
             cut++) { /* no part of a message is a message, but for its attributes in whole */
                _cleanup_(wg_device_done) WgDevice back = { 0 };
                _cleanup_free_ uint8_t *copy = malloc(cut);
                int r;

                memcpy(copy, attributes, cut);
                r = wg_genl_parse(copy, cut, &back);
                if (cut >= 10 && cut <= 12) /* IFNAME with or without its padding */
                        assert_int_equal(r, 0);
                else
                        assert_true(r == -EBADMSG || cut > len - 4);
        }
        for (size_t i = 0; i < len * 8;
             i++) { /* any bit may be wrong: an error or another device, never a crash */
                _cleanup_(wg_device_done) WgDevice back = { 0 };
                _cleanup_free_ uint8_t *copy = malloc(len);

                memcpy(copy, attributes, len);
                copy[i / 8] ^= (uint8_t) (1 << i % 8);
                (void) !wg_genl_parse(copy, len, &back);
        }
}

static void test_uapi_build(void **state) {
        static const char expected[] =
                        "set=1\n"
                        "private_key=1111111111111111111111111111111111111111111111111111111111111111\n"
                        "listen_port=51820\n"
                        "fwmark=13\n"
                        "replace_peers=true\n"
                        "public_key=2222222222222222222222222222222222222222222222222222222222222222\n"
                        "update_only=true\n"
                        "preshared_key=3333333333333333333333333333333333333333333333333333333333333333\n"
                        "endpoint=[2001:db8::1]:51820\n"
                        "persistent_keepalive_interval=25\n"
                        "replace_allowed_ips=true\n"
                        "allowed_ip=10.1.0.0/16\n"
                        "allowed_ip=fd00::/8\n"
                        "public_key=4444444444444444444444444444444444444444444444444444444444444444\n"
                        "remove=true\n"
                        "\n";
        _cleanup_(wg_device_done) WgDevice d = { .name = "sdwl0", .listen_port = 51820, .fwmark = 13 };
        _cleanup_(secret_freep) Secret *secret = secret_of(0x11);
        _cleanup_(buffer_wipe) Buffer b = { 0 };
        size_t allocated;
        WgPeer *p;

        d.flags = WG_DEVICE_HAS_PRIVATE_KEY | WG_DEVICE_HAS_LISTEN_PORT | WG_DEVICE_HAS_FWMARK |
                  WG_DEVICE_REPLACE_PEERS;
        d.private_key = secret;
        p = add_peer(&d, 0);
        memset(&p->key, 0x22, KEY_SIZE);
        memset(p->preshared_key, 0x33, KEY_SIZE);
        p->flags = WG_PEER_HAS_PRESHARED_KEY | WG_PEER_HAS_ENDPOINT | WG_PEER_HAS_KEEPALIVE |
                   WG_PEER_REPLACE_ALLOWED_IPS | WG_PEER_UPDATE_ONLY;
        p->keepalive = 25;
        assert_int_equal(endpoint_parse("[2001:db8::1]:51820", &p->endpoint), 0);
        add_ip(p, "10.1.0.0/16");
        add_ip(p, "fd00::/8");
        p = add_peer(&d, 0);
        memset(&p->key, 0x44, KEY_SIZE);
        p->flags = WG_PEER_REMOVE;

        assert_int_equal(wg_uapi_build_set(&d, &b), 0);
        assert_string_equal((char *) b.data, expected);

        /* Never moved while keys were in it. */
        fill(&d, 1000, 3);
        buffer_wipe(&b);
        assert_int_equal(buffer_reserve(&b, 1), 0);
        assert_int_equal(wg_uapi_build_set(&d, &b), 0);
        allocated = 256;
        for (size_t i = 0; i < d.n_peers; i++)
                allocated += 512 + d.peers[i].n_allowed_ips * 68;
        assert_true(b.len < allocated);
}

static const char uapi_dump[] =
                "private_key=e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a\n"
                "listen_port=12912\n"
                "fwmark=5\n"
                "public_key=b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33\n"
                "preshared_key=188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52\n"
                "protocol_version=1\n"
                "endpoint=[abcd:23::33%2]:51820\n"
                "last_handshake_time_sec=1700000000\n"
                "last_handshake_time_nsec=5000\n"
                "tx_bytes=38333\n"
                "rx_bytes=2224\n"
                "persistent_keepalive_interval=111\n"
                "allowed_ip=192.168.4.4/32\n"
                "new_thing_of_later=7\n"
                "public_key=58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376\n"
                "preshared_key=0000000000000000000000000000000000000000000000000000000000000000\n"
                "allowed_ip=fd00::/48\n"
                "allowed_ip=192.168.4.6/32\n"
                "errno=0\n"
                "\n";

static void check_dump(const WgDevice *d) {
        _cleanup_(secret_freep) Secret *secret = NULL;
        uint8_t bytes[KEY_SIZE];
        PublicKey public_key;

        assert_int_equal(hex_decode("e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a",
                                    bytes, KEY_SIZE),
                         0);
        assert_int_equal(secret_new_take(bytes, &secret), 0);
        assert_int_equal(wgkey_public(secret, &public_key), 0);
        assert_memory_equal(&d->public_key, &public_key, KEY_SIZE);
        assert_null(d->private_key);
        assert_int_equal(d->listen_port, 12912);
        assert_int_equal(d->fwmark, 5);
        assert_int_equal(d->n_peers, 2);
        assert_int_equal(d->peers[0].endpoint.port, 51820);
        assert_int_equal(d->peers[0].endpoint.address.family, AF_INET6);
        assert_true(d->peers[0].last_handshake_usec == UINT64_C(1700000000000005));
        assert_int_equal(d->peers[0].rx_bytes, 2224);
        assert_int_equal(d->peers[0].tx_bytes, 38333);
        assert_int_equal(d->peers[0].keepalive, 111);
        assert_true(d->peers[0].flags & WG_PEER_HAS_PRESHARED_KEY);
        assert_int_equal(d->peers[0].n_allowed_ips, 1);
        assert_false(d->peers[1].flags & WG_PEER_HAS_PRESHARED_KEY);
        assert_int_equal(d->peers[1].n_allowed_ips, 2);
        assert_int_equal(d->peers[1].endpoint.address.family, 0);
}

static void test_uapi_parse(void **state) {
        for (size_t step = 1; step < sizeof(uapi_dump); step += step < 8 ? 1 : 97) {
                _cleanup_(wg_device_done) WgDevice d = { 0 };
                WgUapiParser p = { .device = &d };

                for (size_t i = 0; i < sizeof(uapi_dump) - 1; i += step) {
                        size_t n = MIN(step, sizeof(uapi_dump) - 1 - i);

                        assert_int_equal(wg_uapi_parse(&p, uapi_dump + i, n),
                                         i + n == sizeof(uapi_dump) - 1);
                }
                assert_int_equal(p.error, 0);
                wg_uapi_parser_done(&p);
                check_dump(&d);
        }
}

static void test_uapi_parse_bad(void **state) {
        static const char *const bad[] = {
                "\n",
                "errno=0\n\nx",
                "errno=0\nerrno=0\n\n",
                "errno=\n",
                "errno=70000\n",
                "errno=--1\n",
                "listen_port=65536\n",
                "listen_port=1\nlisten_port=1\n",
                "listen_port\n",
                "rx_bytes=1\n",
                "errno=0\nlisten_port=1\n",
                "public_key=b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a3\n",
                "public_key=b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33\nfwmark=1\n",
                "public_key=b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33\nallowed_ip=1."
                "2.3.4/33\n",
                "public_key=b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33\nendpoint=1.2."
                "3.4\n",
                "public_key=b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33\n"
                "last_handshake_time_nsec=1000000000\n",
        };
        char longest[WG_UAPI_LINE_MAX + 8];

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(wg_device_done) WgDevice d = { 0 };
                WgUapiParser p = { .device = &d };

                assert_int_equal(wg_uapi_parse(&p, bad[i], strlen(bad[i])), -EBADMSG);
        }
        {
                _cleanup_(wg_device_done) WgDevice d = { 0 };
                WgUapiParser p = { .device = &d };

                memset(longest, 'a', sizeof(longest));
                assert_int_equal(wg_uapi_parse(&p, longest, sizeof(longest)), -EBADMSG);
                p = (WgUapiParser) { .device = &d };
                assert_int_equal(wg_uapi_parse(&p, "a\0=1\n", 5), -EBADMSG);
        }
        {
                WgUapiParser p = { 0 }; /* the answer to set=1 */

                assert_int_equal(wg_uapi_parse(&p, "errno=-22\n\n", 11), 1);
                assert_int_equal(p.error, 22);
                p = (WgUapiParser) { 0 };
                assert_int_equal(wg_uapi_parse(&p, "listen_port=1\n", 14), -EBADMSG);
        }
}

/* What either builder wrote, applied as the kernel does: the model that the properties of wg_diff() are
 * tested with. */
static WgPeer *model_find(WgDevice *d, const PublicKey *key) {
        return (WgPeer *) wg_device_find_peer(d, key);
}

static void model_drop_ip(WgDevice *d, const Prefix *ip) {
        for (size_t i = 0; i < d->n_peers; i++) {
                WgPeer *p = &d->peers[i];

                for (size_t k = 0; k < p->n_allowed_ips; k++)
                        if (prefix_equal(&p->allowed_ips[k], ip)) {
                                /* Order has no meaning, and growing wants the memory of a power of two: keep
                                 * both. */
                                WgPeer copy = { .key = p->key };

                                for (size_t m = 0; m < p->n_allowed_ips; m++)
                                        if (m != k)
                                                assert_int_equal(wg_peer_append_allowed_ip(
                                                                                 &copy, &p->allowed_ips[m]),
                                                                 0);
                                free(p->allowed_ips);
                                p->allowed_ips = copy.allowed_ips;
                                p->n_allowed_ips = copy.n_allowed_ips;
                                k--;
                        }
        }
}

static void model_apply_peer(WgDevice *d, const WgPeer *c) {
        WgPeer *p = model_find(d, &c->key);

        if (c->flags & WG_PEER_REMOVE) {
                _cleanup_(wg_device_done) WgDevice old = *d;

                d->peers = NULL;
                d->n_peers = 0;
                for (size_t i = 0; i < old.n_peers; i++) {
                        WgPeer *to;

                        if (&old.peers[i] == p)
                                continue;
                        assert_int_equal(wg_device_append_peer(d, &old.peers[i].key, &to), 0);
                        *to = old.peers[i];
                        old.peers[i].allowed_ips = NULL;
                }
                return;
        }
        if (!p) {
                if (c->flags & WG_PEER_UPDATE_ONLY)
                        return;
                assert_int_equal(wg_device_append_peer(d, &c->key, &p), 0);
        }
        if (c->flags & WG_PEER_REPLACE_ALLOWED_IPS) {
                p->allowed_ips = mfree(p->allowed_ips);
                p->n_allowed_ips = 0;
        }
        if (c->flags & WG_PEER_HAS_ENDPOINT)
                p->endpoint = c->endpoint;
        if (c->flags & WG_PEER_HAS_KEEPALIVE)
                p->keepalive = c->keepalive;
        if (c->flags & WG_PEER_HAS_PRESHARED_KEY)
                memcpy(p->preshared_key, c->preshared_key, KEY_SIZE);
        for (size_t i = 0; i < c->n_allowed_ips; i++) {
                model_drop_ip(d, &c->allowed_ips[i]);
                assert_int_equal(wg_peer_append_allowed_ip(p, &c->allowed_ips[i]), 0);
        }
}

/* A device with some of 40 keys, and some of 60 prefixes, each at one peer. */
static void random_device(WgDevice *d, unsigned *seed) {
        const WgPeerFlags settings =
                        WG_PEER_HAS_KEEPALIVE | WG_PEER_HAS_PRESHARED_KEY | WG_PEER_HAS_ENDPOINT;

        for (unsigned i = 0; i < 40; i++) {
                WgPeer *p;

                if (rand_r(seed) % 3 == 0)
                        continue;
                p = add_peer(d, i);
                p->flags = settings;
                p->keepalive = (uint16_t) (rand_r(seed) % 3);
                p->preshared_key[0] = (uint8_t) (rand_r(seed) % 2);
                assert_int_equal(endpoint_parse(rand_r(seed) % 2 ? "192.0.2.1:1" : "192.0.2.2:2",
                                                &p->endpoint),
                                 0);
        }
        for (unsigned i = 0; i < 60 && d->n_peers > 0; i++)
                if (rand_r(seed) % 4 > 0)
                        add_numbered_ip(&d->peers[(unsigned) rand_r(seed) % d->n_peers], i);
}

static bool is_empty(const WgDevice *d) {
        return d->flags == 0 && d->n_peers == 0;
}

static void test_diff_converges(void **state) {
        unsigned seed = 20261122;

        for (unsigned round = 0; round < 300; round++) {
                _cleanup_(wg_device_done) WgDevice actual = { .name = "sdwl0" },
                                                   wanted = { .name = "sdwl0" }, change = { 0 },
                                                   again = { 0 }, itself = { 0 };

                random_device(&actual, &seed);
                random_device(&wanted, &seed);
                assert_int_equal(wg_diff(&wanted, &wanted, true, &itself), 0);
                assert_true(is_empty(&itself));

                assert_int_equal(wg_diff(&actual, &wanted, true, &change), 0);
                assert_false(change.flags & WG_DEVICE_REPLACE_PEERS);
                assert_int_equal(wg_device_check(&change), 0);
                for (size_t i = 0; i < change.n_peers; i++)
                        model_apply_peer(&actual, &change.peers[i]);
                assert_int_equal(wg_diff(&actual, &wanted, true, &again), 0);
                assert_true(is_empty(&again));
        }
}

static void test_diff_moves(void **state) {
        _cleanup_(wg_device_done) WgDevice actual = { .name = "sdwl0" }, wanted = { .name = "sdwl0" },
                                           change = { 0 };

        add_ip(add_peer(&actual, 1), "10.1.0.0/16");
        add_ip(&actual.peers[0], "10.2.0.0/16");
        (void) add_peer(&actual, 2);
        add_ip(add_peer(&wanted, 1), "10.1.0.0/16");
        add_ip(add_peer(&wanted, 2), "10.2.0.0/16");
        assert_int_equal(wg_diff(&actual, &wanted, false, &change), 0);
        assert_int_equal(change.n_peers, 1); /* given to the second, it has left the first */
        assert_int_equal(change.peers[0].n_allowed_ips, 1);
        assert_false(change.peers[0].flags & WG_PEER_REPLACE_ALLOWED_IPS);
        wg_device_done(&change);

        wanted.peers[1].n_allowed_ips =
                        0; /* dropped altogether: the first peer alone is told what is left */
        assert_int_equal(wg_diff(&actual, &wanted, false, &change), 0);
        assert_int_equal(change.n_peers, 1);
        assert_int_equal(change.peers[0].flags, WG_PEER_REPLACE_ALLOWED_IPS | WG_PEER_UPDATE_ONLY);
        assert_int_equal(change.peers[0].n_allowed_ips, 1);
}

static void test_diff_fields(void **state) {
        _cleanup_(wg_device_done) WgDevice actual = { .name = "sdw0", .listen_port = 5, .fwmark = 1 },
                                           wanted = { .name = "sdw0", .listen_port = 0, .fwmark = 1 },
                                           change = { 0 };
        _cleanup_(secret_freep) Secret *secret = secret_of(9);
        WgPeer *p;

        wanted.flags = WG_DEVICE_HAS_LISTEN_PORT | WG_DEVICE_HAS_FWMARK | WG_DEVICE_HAS_PRIVATE_KEY;
        wanted.private_key = secret;
        actual.public_key = wanted.public_key = key_of(99);
        assert_int_equal(wg_diff(&actual, &wanted, false, &change), 0);
        assert_true(is_empty(&change)); /* a random port is kept */
        wanted.listen_port = 6;
        wanted.fwmark = 2;
        wanted.public_key = key_of(98);
        assert_int_equal(wg_diff(&actual, &wanted, false, &change), 0);
        assert_int_equal(change.flags, wanted.flags);
        assert_int_equal(change.listen_port, 6);
        assert_int_equal(change.fwmark, 2);
        assert_ptr_equal(change.private_key, secret);
        wg_device_done(&change);
        wanted.flags = 0;

        /* A peer that roamed keeps its endpoint unless it is forced. */
        p = add_peer(&actual, 1);
        assert_int_equal(endpoint_parse("198.51.100.1:9", &p->endpoint), 0);
        p = add_peer(&wanted, 1);
        p->flags = WG_PEER_HAS_ENDPOINT;
        assert_int_equal(endpoint_parse("192.0.2.1:1", &p->endpoint), 0);
        assert_int_equal(wg_diff(&actual, &wanted, false, &change), 0);
        assert_true(is_empty(&change));
        assert_int_equal(wg_diff(&actual, &wanted, true, &change), 0);
        assert_int_equal(change.peers[0].flags, WG_PEER_HAS_ENDPOINT | WG_PEER_UPDATE_ONLY);
        wg_device_done(&change);
        actual.peers[0].endpoint = (Endpoint) { 0 };
        assert_int_equal(wg_diff(&actual, &wanted, false, &change), 0);
        assert_int_equal(change.n_peers, 1);
        wg_device_done(&change);

        (void) add_peer(&wanted, 1);
        assert_int_equal(wg_diff(&actual, &wanted, false, &change), -EINVAL);
}

static void test_check(void **state) {
        _cleanup_(wg_device_done) WgDevice d = { .name = "sdw0" };
        WgPeer *p;

        assert_false(wg_name_is_valid(""));
        assert_false(wg_name_is_valid(".."));
        assert_false(wg_name_is_valid("../x"));
        assert_false(wg_name_is_valid("a b"));
        assert_false(wg_name_is_valid("sixteen-is-toolong"));
        assert_true(wg_name_is_valid("sdwl0"));
        p = add_peer(&d, 1);
        assert_int_equal(wg_device_check(&d), 0);
        p->flags = WG_PEER_HAS_ENDPOINT;
        assert_int_equal(wg_device_check(&d), -EINVAL);
        p->flags = 0;
        for (unsigned i = 0; i <= WG_ALLOWED_IPS_MAX; i++)
                add_numbered_ip(p, i);
        assert_int_equal(wg_device_check(&d), -E2BIG);
        p->n_allowed_ips = 1;
        p->allowed_ips[0].length = 33;
        assert_int_equal(wg_device_check(&d), -EINVAL);
        p->n_allowed_ips = 0;
        d.flags = WG_DEVICE_HAS_PRIVATE_KEY;
        assert_int_equal(wg_device_check(&d), -EINVAL);
}

static int setup(void **state) {
        return crypto_setup();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_genl_golden),
                cmocka_unit_test(test_genl_golden_remove_and_get),
                cmocka_unit_test(test_genl_fragments),
                cmocka_unit_test(test_genl_continuation),
                cmocka_unit_test(test_genl_one_of_thousand),
                cmocka_unit_test(test_genl_strict),
                cmocka_unit_test(test_uapi_build),
                cmocka_unit_test(test_uapi_parse),
                cmocka_unit_test(test_uapi_parse_bad),
                cmocka_unit_test(test_diff_converges),
                cmocka_unit_test(test_diff_moves),
                cmocka_unit_test(test_diff_fields),
                cmocka_unit_test(test_check),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
