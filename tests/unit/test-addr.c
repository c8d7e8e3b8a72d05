/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/addr.h"

static Prefix prefix(const char *s) {
        Prefix p;

        assert_int_equal(prefix_parse(s, &p), 0);
        return p;
}

static Address address(const char *s) {
        Address a;

        assert_int_equal(address_parse(s, &a), 0);
        return a;
}

static void test_address(void **state) {
        static const char *const good[] = { "0.0.0.0", "192.0.2.1",   "255.255.255.255",   "::",
                                            "::1",     "2001:db8::1", "fd00:1:2:3:4:5:6:7" };
        static const char *const bad[] = {
                "",          " ",   "1.2.3",   "1.2.3.4.5",    "256.0.0.1", "01.2.3.4",    "1.2.3.4 ",
                "0x1.2.3.4", ":::", "1::2::3", "fe80::1%eth0", "[::1]",     "2001:db8::g", "12345::",
                "1.2.3.4/24"
        };
        char buf[ADDRESS_STRING_MAX];
        Address a;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                a = address(good[i]);
                assert_string_equal(address_format(&a, buf), good[i]);
                assert_true(address_equal(&a, &a));
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(address_parse(bad[i], &a), -EINVAL);
        a = address("2001:DB8:0:0::1");
        assert_string_equal(address_format(&a, buf), "2001:db8::1");
        a = (Address) { 0 };
        assert_string_equal(address_format(&a, buf), "");

        Address low = address("10.0.0.1"), high = address("10.0.0.2"), six = address("::1");

        assert_true(address_compare(&low, &high) < 0);
        assert_true(address_compare(&high, &low) > 0);
        assert_true(address_compare(&high, &six) < 0);
        assert_false(address_equal(&low, &six));
}

static void test_prefix(void **state) {
        static const char *const good[] = {
                "0.0.0.0/0", "10.1.0.0/16", "10.1.2.0/23",     "10.1.2.3/32",
                "::/0",      "fd00::/48",   "2001:db8::1/128", "2001:db8:8000::/33"
        };
        static const char *const bad[] = { "",
                                           "/",
                                           "10.0.0.0/",
                                           "10.0.0.0/33",
                                           "10.0.0.0/-1",
                                           "10.0.0.0/08",
                                           "10.0.0.0/8/8",
                                           "10.0.0.0/ 8",
                                           "::/129",
                                           "10.0.0/8",
                                           "/8",
                                           "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/1" };
        static const char *const host[] = { "10.1.0.1/16", "10.0.0.0/4", "::1/127", "fd00::1/64",
                                            "10.1.2.0/22" };
        char buf[PREFIX_STRING_MAX];
        Prefix p;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                p = prefix(good[i]);
                assert_string_equal(prefix_format(&p, buf), good[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(prefix_parse(bad[i], &p), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(host); i++)
                assert_int_equal(prefix_parse(host[i], &p), -EADDRNOTAVAIL);
        p = prefix("10.1.2.3");
        assert_int_equal(p.length, 32);
        p = prefix("fd00::1");
        assert_int_equal(p.length, 128);
        p = (Prefix) { 0 };
        assert_string_equal(prefix_format(&p, buf), "");

        p = (Prefix) { .address = address("255.255.255.255"), .length = 19 };
        prefix_mask(&p);
        assert_string_equal(prefix_format(&p, buf), "255.255.224.0/19");
}

static void test_relations(void **state) {
        Prefix ten = prefix("10.0.0.0/8"), sub = prefix("10.1.0.0/16"), other = prefix("11.0.0.0/8"),
               all = prefix("0.0.0.0/0"), all6 = prefix("::/0"), six = prefix("fd00::/8"),
               six_sub = prefix("fd12::/16"), none = { 0 };
        Address in = address("10.255.0.1"), out = address("9.255.255.255"), in6 = address("fd00::1");

        assert_true(prefix_contains(&ten, &sub));
        assert_false(prefix_contains(&sub, &ten));
        assert_true(prefix_contains(&ten, &ten));
        assert_true(prefix_contains(&all, &ten));
        assert_false(prefix_contains(&all6, &ten));
        assert_false(prefix_contains(&all, &six));
        assert_true(prefix_contains(&six, &six_sub));
        assert_true(prefix_overlaps(&sub, &ten));
        assert_true(prefix_overlaps(&ten, &sub));
        assert_false(prefix_overlaps(&ten, &other));
        assert_false(prefix_overlaps(&none, &ten));
        assert_false(prefix_overlaps(&ten, &none));
        assert_false(prefix_overlaps(&none, &none));
        assert_true(prefix_contains_address(&ten, &in));
        assert_false(prefix_contains_address(&ten, &out));
        assert_true(prefix_contains_address(&six, &in6));
        assert_true(prefix_compare(&ten, &other) < 0);
        assert_true(prefix_compare(&all, &six) < 0);

        Prefix short_ten = prefix("10.0.0.0/7");

        assert_true(prefix_compare(&short_ten, &ten) < 0);
        assert_true(prefix_compare(&ten, &short_ten) > 0);
        assert_true(prefix_equal(&ten, &ten));
        assert_false(prefix_equal(&ten, &short_ten));

        Prefix one = prefix_of_address(&in6);

        assert_int_equal(one.length, 128);
        assert_true(prefix_contains(&six, &one));
}

static void test_nth(void **state) {
        static const struct {
                const char *prefix;
                uint64_t n;
                const char *address; /* NULL: -ERANGE */
        } cases[] = {
                { "10.0.0.0/8", 1, "10.0.0.1" },
                { "10.0.0.0/8", 0xFFFFFF, "10.255.255.255" },
                { "10.0.0.0/8", 0x1000000, NULL },
                { "10.1.2.3/32", 0, "10.1.2.3" },
                { "10.1.2.3/32", 1, NULL },
                { "10.0.0.0/30", 3, "10.0.0.3" },
                { "10.0.0.0/30", 4, NULL },
                { "0.0.0.0/0", UINT32_MAX, "255.255.255.255" },
                { "0.0.0.0/0", UINT64_C(1) << 32, NULL },
                { "fd00::/64", 256, "fd00::100" },
                { "fd00::/64", UINT64_MAX, "fd00::ffff:ffff:ffff:ffff" },
                { "fd00::/48", UINT64_MAX, "fd00::ffff:ffff:ffff:ffff" },
                { "fd00::/120", 255, "fd00::ff" },
                { "fd00::/120", 256, NULL },
        };
        char buf[ADDRESS_STRING_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Prefix p = prefix(cases[i].prefix);
                Address a;

                assert_int_equal(prefix_nth(&p, cases[i].n, &a), cases[i].address ? 0 : -ERANGE);
                if (cases[i].address)
                        assert_string_equal(address_format(&a, buf), cases[i].address);
        }
        Prefix none = { 0 };
        Address a;

        assert_int_equal(prefix_nth(&none, 0, &a), -ERANGE);
}

static void test_endpoint(void **state) {
        static const char *const good[] = { "192.0.2.1:51820", "[2001:db8::1]:1", "[::]:65535" };
        static const char *const bad[] = { "",
                                           ":",
                                           "192.0.2.1",
                                           "192.0.2.1:",
                                           "192.0.2.1:0",
                                           "192.0.2.1:65536",
                                           "192.0.2.1:080",
                                           "2001:db8::1:51820",
                                           "[192.0.2.1]:51820",
                                           "[2001:db8::1]",
                                           "[2001:db8::1:51820",
                                           "2001:db8::1]:51820",
                                           "[]:1",
                                           "[:1",
                                           "[",
                                           "]:1",
                                           "a.example:51820",
                                           "[fe80::1%1]:1" };
        char buf[ENDPOINT_STRING_MAX];
        Endpoint e, back;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                struct sockaddr_storage sa;
                socklen_t len;

                assert_int_equal(endpoint_parse(good[i], &e), 0);
                assert_string_equal(endpoint_format(&e, buf), good[i]);
                len = endpoint_to_sockaddr(&e, &sa);
                assert_true(len > 0);
                assert_int_equal(endpoint_from_sockaddr((struct sockaddr *) &sa, len, &back), 0);
                assert_true(endpoint_equal(&e, &back));
                assert_int_equal(endpoint_from_sockaddr((struct sockaddr *) &sa, 4, &back), -EAFNOSUPPORT);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(endpoint_parse(bad[i], &e), -EINVAL);

        struct sockaddr_storage sa = { .ss_family = AF_UNIX };

        assert_int_equal(endpoint_from_sockaddr((struct sockaddr *) &sa, sizeof(sa), &back), -EAFNOSUPPORT);
        e = (Endpoint) { 0 };
        assert_int_equal(endpoint_to_sockaddr(&e, &sa), 0);
        assert_string_equal(endpoint_format(&e, buf), "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_address),   cmocka_unit_test(test_prefix),
                cmocka_unit_test(test_relations), cmocka_unit_test(test_nth),
                cmocka_unit_test(test_endpoint),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
