/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/types.h>

#include "wg/wg.h"

/* What both backends must do alike, for test-wg-kernel.c and test-wg-userspace.c. */

#define PEERS 1000

typedef struct Fixture {
        char name[WG_NAME_MAX];
        pid_t pid;             /* of a userspace implementation */
        unsigned messages_max; /* for a whole device of PEERS peers */
        Wg *wg;
        Secret *secret;
        PublicKey public_key;
} Fixture;

static PublicKey key_of(unsigned n) {
        PublicKey k;

        for (size_t i = 0; i < KEY_SIZE; i++)
                k.bytes[i] = (uint8_t) (n >> (i % 2 * 8));
        k.bytes[2] = 7;
        k.bytes[KEY_SIZE - 1] &= 0x7f;
        return k;
}

static void fill(Fixture *f, WgDevice *d) {
        *d = (WgDevice) {
                .flags = WG_DEVICE_REPLACE_PEERS | WG_DEVICE_HAS_PRIVATE_KEY | WG_DEVICE_HAS_LISTEN_PORT,
                .private_key = f->secret,
                .public_key = f->public_key,
                .listen_port = 51820,
                .n_peers = PEERS,
        };
        memcpy(d->name, f->name, sizeof(d->name));
        d->peers = new0(WgPeer, PEERS);
        assert_non_null(d->peers);
        for (unsigned i = 0; i < PEERS; i++) {
                WgPeer *p = &d->peers[i];
                char text[64];

                p->key = key_of(i + 1);
                p->flags = WG_PEER_HAS_KEEPALIVE | WG_PEER_HAS_ENDPOINT | WG_PEER_REPLACE_ALLOWED_IPS;
                p->keepalive = 0;
                p->allowed_ips = new0(Prefix, 2);
                assert_non_null(p->allowed_ips);
                p->n_allowed_ips = 2;
                (void) snprintf(text, sizeof(text), "10.%u.%u.0/24", i / 256, i % 256);
                assert_int_equal(prefix_parse(text, &p->allowed_ips[0]), 0);
                (void) snprintf(text, sizeof(text), "fd00:%x::/64", i);
                assert_int_equal(prefix_parse(text, &p->allowed_ips[1]), 0);
                assert_int_equal(endpoint_parse(i % 2 ? "127.0.0.1:9" : "[::1]:9", &p->endpoint), 0);
        }
}

static void assert_no_difference(Fixture *f, const WgDevice *wanted) {
        _cleanup_(wg_device_done) WgDevice actual = { 0 }, change = { 0 };

        assert_int_equal(wg_get_device(f->wg, f->name, &actual), 0);
        assert_int_equal(actual.n_peers, wanted->n_peers);
        assert_memory_equal(&actual.public_key, &f->public_key, KEY_SIZE);
        assert_int_equal(wg_diff(&actual, wanted, true, &change), 0);
        assert_int_equal(change.flags, 0);
        assert_int_equal(change.n_peers, 0);
}

static void test_thousand_peers(void **state) {
        Fixture *f = *state;
        _cleanup_(wg_device_done) WgDevice wanted = { 0 }, actual = { 0 }, change = { 0 };
        WgCounters before;
        Prefix *larger;

        assert_true(wg_device_exists(f->wg, f->name));
        fill(f, &wanted);
        assert_int_equal(wg_set_device(f->wg, &wanted), 0);
        assert_in_range(wg_counters(f->wg)->messages_sent, 1, f->messages_max);
        assert_int_equal(wg_counters(f->wg)->peers_sent, PEERS);
        wanted.flags &= ~(WgDeviceFlags) WG_DEVICE_REPLACE_PEERS;
        assert_no_difference(f, &wanted);

        /* One peer of the thousand gets another prefix: one message of that peer. */
        larger = reallocarray(wanted.peers[517].allowed_ips, 3, sizeof(Prefix));
        assert_non_null(larger);
        wanted.peers[517].allowed_ips = larger;
        wanted.peers[517].n_allowed_ips = 3;
        assert_int_equal(prefix_parse("172.16.7.0/24", &larger[2]), 0);
        assert_int_equal(wg_get_device(f->wg, f->name, &actual), 0);
        assert_int_equal(wg_diff(&actual, &wanted, false, &change), 0);
        before = *wg_counters(f->wg);
        assert_int_equal(wg_set_device(f->wg, &change), 0);
        assert_int_equal(wg_counters(f->wg)->messages_sent - before.messages_sent, 1);
        assert_int_equal(wg_counters(f->wg)->peers_sent - before.peers_sent, 1);
        assert_in_range(wg_counters(f->wg)->bytes_sent - before.bytes_sent, 64, 300);
        assert_no_difference(f, &wanted);
        wg_device_done(&change);
        wg_device_done(&actual);

        /* A prefix is dropped, one moves, a peer goes and one comes. */
        wanted.peers[517].n_allowed_ips = 1;
        wanted.peers[3].allowed_ips[0] = wanted.peers[4].allowed_ips[0];
        wanted.peers[4].n_allowed_ips = 0;
        wanted.peers[9].key = key_of(5000);
        wanted.peers[10].keepalive = 25;
        assert_int_equal(wg_get_device(f->wg, f->name, &actual), 0);
        assert_int_equal(wg_diff(&actual, &wanted, false, &change), 0);
        assert_int_equal(change.n_peers, 6);
        assert_int_equal(wg_set_device(f->wg, &change), 0);
        assert_no_difference(f, &wanted);

        /* Nothing to do, nothing sent. */
        wg_device_done(&change);
        wg_device_done(&actual);
        assert_int_equal(wg_get_device(f->wg, f->name, &actual), 0);
        assert_int_equal(wg_diff(&actual, &wanted, false, &change), 0);
        before = *wg_counters(f->wg);
        assert_int_equal(wg_set_device(f->wg, &change), 0);
        assert_int_equal(wg_counters(f->wg)->messages_sent, before.messages_sent);
}
