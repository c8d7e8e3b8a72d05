/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <sched.h>

#include "rtnl/rtnl.h"
#include "test-wg-common.h"

/* Against the kernel's WireGuard, in a network namespace of its own; skipped where the kernel has none. */

#define NAME "sdwt0"

static void test_errors(void **state) {
        Fixture *f = *state;
        WgDevice d = { .name = "sdwnone0", .flags = WG_DEVICE_HAS_FWMARK };
        int r;

        assert_int_equal(wg_backend(f->wg), WG_BACKEND_KERNEL);
        assert_false(wg_device_exists(f->wg, "sdwnone0"));
        assert_false(wg_device_exists(f->wg, "lo")); /* there, but of another kind */
        assert_int_equal(wg_get_device(f->wg, "sdwnone0", &d), -ENODEV);
        assert_int_equal(wg_set_device(f->wg, &d), -ENODEV);
        r = wg_get_device(f->wg, "lo", &d);
        assert_int_equal(r, -EOPNOTSUPP);
}

/* One peer whose allowed-ips need many messages each way, and stay one peer. */
static void test_many_allowed_ips(void **state) {
        Fixture *f = *state;
        _cleanup_(wg_device_done) WgDevice d = { .flags = WG_DEVICE_REPLACE_PEERS, .n_peers = 2 },
                                           actual = { 0 }, change = { 0 };
        uint64_t before = wg_counters(f->wg)->messages_sent;

        memcpy(d.name, f->name, sizeof(d.name));
        d.peers = new0(WgPeer, 2);
        assert_non_null(d.peers);
        for (unsigned i = 0; i < 2; i++) {
                WgPeer *p = &d.peers[i];

                p->key = key_of(i + 1);
                p->flags = WG_PEER_REPLACE_ALLOWED_IPS | WG_PEER_HAS_PRESHARED_KEY;
                p->preshared_key[4] = (uint8_t) i;
                p->allowed_ips = new0(Prefix, 3000);
                assert_non_null(p->allowed_ips);
                p->n_allowed_ips = 3000;
                for (unsigned k = 0; k < 3000; k++) {
                        char text[64];

                        (void) snprintf(text, sizeof(text), k % 2 ? "10.%u.%u.%u/32" : "fd00:%u:%u:%u::/64",
                                        i, k / 256, k % 256);
                        assert_int_equal(prefix_parse(text, &p->allowed_ips[k]), 0);
                }
        }
        assert_int_equal(wg_set_device(f->wg, &d), 0);
        assert_in_range(wg_counters(f->wg)->messages_sent - before, 4, 12);
        assert_int_equal(wg_get_device(f->wg, f->name, &actual), 0);
        assert_int_equal(actual.n_peers, 2);
        assert_int_equal(wg_diff(&actual, &d, true, &change), 0);
        assert_int_equal(change.n_peers, 0);
        assert_true((actual.peers[1].flags | actual.peers[0].flags) & WG_PEER_HAS_PRESHARED_KEY);
        wg_device_done(&actual);

        d.n_peers = 0; /* and all of them gone again */
        assert_int_equal(wg_set_device(f->wg, &d), 0);
        d.n_peers = 2;
        assert_int_equal(wg_get_device(f->wg, f->name, &actual), 0);
        assert_int_equal(actual.n_peers, 0);
}

/* The flag without which a change to a peer that has just gone would make half a peer. */
static void test_update_only(void **state) {
        Fixture *f = *state;
        WgPeer p = { .key = key_of(77),
                     .flags = WG_PEER_UPDATE_ONLY | WG_PEER_HAS_KEEPALIVE,
                     .keepalive = 5 };
        WgDevice d = { .n_peers = 1, .peers = &p };
        _cleanup_(wg_device_done) WgDevice actual = { 0 };

        memcpy(d.name, f->name, sizeof(d.name));
        assert_int_equal(wg_set_device(f->wg, &d), 0);
        assert_int_equal(wg_get_device(f->wg, f->name, &actual), 0);
        assert_null(wg_device_find_peer(&actual, &p.key));
}

static int setup(void **state) {
        _cleanup_(rtnl_closep) Rtnl *r = NULL;
        Fixture *f = new(Fixture);
        int index;

        if (!f || crypto_setup() < 0 || rtnl_open(&r) < 0)
                return -1;
        f->messages_max = 8;
        memcpy(f->name, NAME, sizeof(NAME));
        if (wgkey_new(&f->secret) < 0 || wgkey_public(f->secret, &f->public_key) < 0 ||
            wg_open(WG_BACKEND_AUTO, &f->wg) < 0 || rtnl_link_create_wireguard(r, f->name, 1420, &index) < 0)
                return -1;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        (void) wg_close(f->wg);
        (void) secret_free(f->secret);
        free(f);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_thousand_peers),
                cmocka_unit_test(test_many_allowed_ips),
                cmocka_unit_test(test_update_only),
                cmocka_unit_test(test_errors),
        };
        Wg *w;
        int r;

        if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
                printf("SKIP: network namespaces need root\n");
                return 77; /* meson: skipped */
        }
        r = wg_open(WG_BACKEND_KERNEL, &w);
        if (r == -EOPNOTSUPP) {
                printf("SKIP: this kernel has no WireGuard\n");
                return 77;
        }
        if (r < 0) {
                printf("cannot open WireGuard: %s\n", strerror(-r));
                return 1;
        }
        (void) wg_close(w);
        return cmocka_run_group_tests(tests, setup, teardown);
}
