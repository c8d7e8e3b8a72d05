/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

#include "rtnl/rtnl.h"

/* In a network namespace of its own, with links that "ip" makes: kind wireguard is not in every kernel that
 * tests run on. Foreign things are made by "ip" too, so that they are what another program would have made.
 */

#define ROUTES 1000

static void shell(const char *command) {
        int status = system(command);

        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                fail_msg("failed: %s", command);
}

static bool shell_finds(const char *command) {
        int status = system(command);

        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static Prefix prefix_of(const char *s) {
        Prefix p;

        assert_int_equal(prefix_parse(s, &p), 0);
        return p;
}

static Address address_of(const char *s) {
        Address a;

        assert_int_equal(address_parse(s, &a), 0);
        return a;
}

static int link_index(Rtnl *r, const char *name, Link *ret) {
        _cleanup_free_ Link *links = NULL;
        int index = 0;
        size_t n;

        assert_int_equal(rtnl_dump_links(r, &links, &n), 0);
        for (size_t i = 0; i < n; i++)
                if (streq(links[i].name, name)) {
                        index = links[i].index;
                        if (ret)
                                *ret = links[i];
                }
        return index;
}

static Nexthop single(uint32_t id, uint8_t family, int link) {
        return (Nexthop) { .id = id, .family = family, .link = link };
}

static void test_links(void **state) {
        const uint32_t mtu = 1380;
        const bool up = true, down = false;
        Rtnl *r = *state;
        Link l = { 0 };
        uint64_t sent;
        int index, dummy;

        index = link_index(r, "sdw0", &l);
        assert_true(index > 0);
        assert_string_equal(l.kind, "veth");
        assert_string_equal(l.alias, "");
        assert_int_equal(rtnl_link_delete(r, index, "sdw0"), -EPERM); /* not our alias */
        assert_int_equal(rtnl_link_set(r, index, &mtu, &up, RTNL_LINK_ALIAS), 0);
        (void) link_index(r, "sdw0", &l);
        assert_string_equal(l.alias, RTNL_LINK_ALIAS);
        assert_int_equal(l.mtu, mtu);
        assert_true(l.up);
        sent = rtnl_messages_sent(r);
        assert_int_equal(rtnl_link_set(r, index, &mtu, &up, RTNL_LINK_ALIAS), 0);
        assert_int_equal(rtnl_messages_sent(r), sent); /* nothing to change, nothing sent */

        dummy = link_index(r, "other0", NULL);
        assert_int_equal(rtnl_link_set(r, dummy, NULL, &down, NULL), -EPERM);
        assert_int_equal(rtnl_link_delete(r, dummy, "other0"), -EPERM);
        shell("ip link set sdwforeign alias theirs");
        dummy = link_index(r, "sdwforeign", NULL);
        assert_int_equal(rtnl_link_set(r, dummy, NULL, &up, RTNL_LINK_ALIAS), -EPERM);
        assert_int_equal(rtnl_link_delete(r, dummy, "sdwforeign"), -EPERM);
        assert_int_equal(rtnl_link_set(r, 9999, NULL, &up, NULL), -ENODEV);
        assert_int_equal(rtnl_link_delete(r, index, "sdw1"), -EPERM); /* the index is another's by now */

        assert_int_equal(rtnl_link_create_wireguard(r, "eth7", 1420, &index), -EPERM);
        assert_int_equal(rtnl_link_create_wireguard(r, "sdw-much-too-long", 1420, &index), -EINVAL);
}

static void test_wireguard_link(void **state) {
        Rtnl *r = *state;
        Link l = { 0 };
        int index, again, k;

        k = rtnl_link_create_wireguard(r, "sdwl9", 1380, &index);
        if (k == -EOPNOTSUPP) {
                print_message("this kernel has no WireGuard\n");
                skip();
        }
        assert_int_equal(k, 0);
        assert_int_equal(link_index(r, "sdwl9", &l), index);
        assert_string_equal(l.kind, "wireguard");
        assert_string_equal(l.alias, RTNL_LINK_ALIAS);
        assert_int_equal(l.mtu, 1380);
        assert_false(l.up);
        assert_int_equal(rtnl_link_create_wireguard(r, "sdwl9", 1380, &again), -EEXIST);
        assert_int_equal(rtnl_link_delete(r, index, "sdwl9"), 0);
        assert_int_equal(link_index(r, "sdwl9", NULL), 0);
        assert_int_equal(rtnl_link_delete(r, index, "sdwl9"), -ENODEV);
}

static void test_addresses(void **state) {
        Rtnl *r = *state;
        LinkAddress a = { 0 }, b = { 0 }, c = { 0 };
        _cleanup_free_ LinkAddress *list = NULL;
        size_t n, found = 0;

        a.link = b.link = link_index(r, "sdw0", NULL);
        a.address = prefix_of("100.64.0.7/32");
        b.address = prefix_of("fd00:64::7/128");
        assert_int_equal(rtnl_address_add(r, &a), 0);
        assert_int_equal(rtnl_address_add(r, &a), 0);
        assert_int_equal(rtnl_address_add(r, &b), 0);
        assert_true(shell_finds("ip -6 addr show dev sdw0 | grep -q 'fd00:64::7/128.*nodad'"));
        assert_false(shell_finds("ip -6 addr show dev sdw0 | grep -q 'fd00:64::7.*tentative'"));

        assert_int_equal(rtnl_dump_addresses(r, a.link, &list, &n), 0);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(list[i].link, a.link);
                if (prefix_equal(&list[i].address, &a.address) ||
                    prefix_equal(&list[i].address, &b.address)) {
                        found++;
                        assert_true(list[i].protocol == RTNL_PROTOCOL || list[i].protocol == 0);
                }
        }
        assert_int_equal(found, 2);
        list = mfree(list);
        assert_int_equal(rtnl_dump_addresses(r, 0, &list, &n), 0);
        assert_true(n > 2); /* loopback's too */

        c.link = link_index(r, "other0", NULL);
        c.address = prefix_of("192.0.2.9/32");
        assert_int_equal(rtnl_address_add(r, &c), -EPERM);
        c.address = prefix_of("192.0.2.1/32");
        assert_int_equal(rtnl_address_delete(r, &c), -EPERM);
        assert_true(shell_finds("ip addr show dev other0 | grep -q 192.0.2.1/24"));
        c.link = a.link;
        assert_int_equal(rtnl_address_add(r, &c), 0);
        assert_int_equal(rtnl_address_delete(r, &c), 0);
        assert_int_equal(rtnl_address_delete(r, &c), 0);
        c.address.length = 33;
        assert_int_equal(rtnl_address_add(r, &c), -EINVAL);
}

static const Nexthop *find_nexthop(const Nexthop *l, size_t n, uint32_t id) {
        for (size_t i = 0; i < n; i++)
                if (l[i].id == id)
                        return &l[i];
        return NULL;
}

static void test_nexthops(void **state) {
        const uint32_t first = RTNL_NEXTHOP_FIRST;
        Rtnl *r = *state;
        _cleanup_free_ Nexthop *l = NULL;
        int sdw0 = link_index(r, "sdw0", NULL), sdw1 = link_index(r, "sdw1", NULL);
        Nexthop n = single(first, AF_INET, sdw0), group = { .id = first + 16 };
        const Nexthop *f;
        size_t count;

        assert_int_equal(rtnl_nexthop_replace(r, &n), 0);
        assert_int_equal(rtnl_nexthop_replace(r, &n), 0);
        n = single(first + 1, AF_INET6, sdw0);
        assert_int_equal(rtnl_nexthop_replace(r, &n), 0);
        n = single(first + 2, AF_INET, sdw1);
        assert_int_equal(rtnl_nexthop_replace(r, &n), 0);
        group.n_members = 2;
        group.members[0].id = first;
        group.members[0].weight = 255;
        group.members[1].id = first + 2;
        group.members[1].weight = 1;
        assert_int_equal(rtnl_nexthop_replace(r, &group), 0);

        shell("ip nexthop add id 77 dev other0 && ip nexthop add id 0x9d000fff dev other0 protocol static");
        assert_int_equal(rtnl_dump_nexthops(r, &l, &count), 0);
        assert_int_equal(count, 4); /* neither of the foreign ones */
        f = find_nexthop(l, count, first + 1);
        assert_non_null(f);
        assert_int_equal(f->family, AF_INET6);
        assert_int_equal(f->link, sdw0);
        assert_int_equal(f->protocol, RTNL_PROTOCOL);
        f = find_nexthop(l, count, group.id);
        assert_non_null(f);
        assert_int_equal(f->n_members, 2);
        assert_int_equal(f->members[0].weight, 255);
        assert_int_equal(f->members[1].id, first + 2);
        assert_int_equal(f->members[1].weight, 1);

        n = single(77, AF_INET, sdw0);
        assert_int_equal(rtnl_nexthop_replace(r, &n), -EPERM);
        assert_int_equal(rtnl_nexthop_delete(r, 77), -EPERM);
        n = single(0x9D000FFF, AF_INET, sdw0);
        assert_int_equal(rtnl_nexthop_replace(r, &n), -EPERM);
        assert_int_equal(rtnl_nexthop_delete(r, 0x9D000FFF), -EPERM);
        assert_true(shell_finds("ip nexthop show | grep -q 'id 77 dev other0'"));
        assert_true(shell_finds("ip nexthop show | grep -q 'dev other0.*proto static'"));

        n = single(first + 3, AF_INET, 0);
        assert_int_equal(rtnl_nexthop_replace(r, &n), -EINVAL);
        group.members[0].weight = 0;
        assert_int_equal(rtnl_nexthop_replace(r, &group), -EINVAL);
        assert_int_equal(rtnl_nexthop_delete(r, first + 1), 0);
        assert_int_equal(rtnl_nexthop_delete(r, first + 1), 0);
}

static Route route_to(const char *prefix, uint32_t nexthop) {
        return (Route) {
                .destination = prefix_of(prefix),
                .type = nexthop == 0 ? ROUTE_UNREACHABLE : ROUTE_UNICAST,
                .table = 254,
                .metric = 157,
                .nexthop = nexthop,
        };
}

static size_t count_routes(Rtnl *r) {
        _cleanup_free_ Route *l = NULL;
        size_t n;

        assert_int_equal(rtnl_dump_routes(r, &l, &n), 0);
        return n;
}

static void test_routes(void **state) {
        const uint32_t first = RTNL_NEXTHOP_FIRST;
        Rtnl *r = *state;
        _cleanup_free_ Route *l = NULL;
        int sdw0 = link_index(r, "sdw0", NULL);
        Nexthop v6 = single(first + 1, AF_INET6, sdw0);
        Route a = route_to("10.9.0.0/16", first + 16), b = route_to("fd00:9::/48", first + 1),
              u = route_to("10.0.0.0/8", 0), u6 = route_to("fd00::/8", 0);
        size_t n, before;
        uint64_t sent;

        assert_int_equal(rtnl_nexthop_replace(r, &v6), 0);
        a.preferred_source = address_of("100.64.0.7");
        b.preferred_source = address_of("fd00:64::7");
        u.metric = u6.metric = 4278198272;
        assert_int_equal(rtnl_route_replace(r, &a), 0);
        assert_int_equal(rtnl_route_replace(r, &b), 0);
        assert_int_equal(rtnl_route_replace(r, &u), 0);
        assert_int_equal(rtnl_route_replace(r, &u6), 0);
        shell("ip route add 10.77.0.0/16 dev other0 && ip route add 10.78.0.0/16 dev other0 metric 157 &&"
              "ip -6 route add fd00:78::/48 dev other0 metric 157");

        assert_int_equal(rtnl_dump_routes(r, &l, &n), 0);
        assert_int_equal(n, 4);
        for (size_t i = 0; i < n; i++) {
                const Route *want = prefix_equal(&l[i].destination, &a.destination)   ? &a
                                    : prefix_equal(&l[i].destination, &b.destination) ? &b
                                    : prefix_equal(&l[i].destination, &u.destination) ? &u
                                                                                      : &u6;

                assert_true(prefix_equal(&l[i].destination, &want->destination));
                assert_int_equal(l[i].type, want->type);
                assert_int_equal(l[i].metric, want->metric);
                assert_int_equal(l[i].table, 254);
                assert_int_equal(l[i].nexthop, want->nexthop);
                assert_true(address_equal(&l[i].preferred_source, &want->preferred_source));
                assert_int_equal(l[i].protocol, RTNL_PROTOCOL);
        }

        /* In place: never a moment without the route, nor a second one. */
        a.nexthop = first;
        b.preferred_source = (Address) { 0 };
        assert_int_equal(rtnl_route_replace(r, &a), 0);
        assert_int_equal(rtnl_route_replace(r, &b), 0);
        assert_int_equal(count_routes(r), 4);
        assert_true(shell_finds("ip route show 10.9.0.0/16 | grep -q 'nhid 2634022912 '"));

        /* Another's route at the same place stays, and so does one that we are told to delete. */
        before = count_routes(r);
        a = route_to("10.78.0.0/16", first);
        b = route_to("fd00:78::/48", first + 1);
        assert_int_equal(rtnl_route_replace(r, &a), -EEXIST);
        assert_int_equal(rtnl_route_replace(r, &b), -EEXIST);
        assert_int_equal(rtnl_route_delete(r, &a), 0);
        assert_int_equal(rtnl_route_delete(r, &b), 0);
        assert_int_equal(count_routes(r), before);
        assert_true(shell_finds("ip route show 10.78.0.0/16 | grep -q other0"));
        assert_true(shell_finds("ip -6 route show fd00:78::/48 | grep -q other0"));

        a = route_to("10.9.0.0/16", first + 16); /* has another nexthop by now */
        assert_int_equal(rtnl_route_delete(r, &a), 0);
        b = route_to("fd00:9::/48", first + 1);
        assert_int_equal(rtnl_route_delete(r, &b), 0);
        assert_int_equal(rtnl_route_delete(r, &u), 0);
        assert_int_equal(rtnl_route_delete(r, &u6), 0);
        assert_int_equal(count_routes(r), 0);
        sent = rtnl_messages_sent(r);
        assert_int_equal(rtnl_route_delete(r, &u6), 0);
        assert_int_equal(rtnl_messages_sent(r), sent + 1);
        a.type = ROUTE_UNREACHABLE;
        assert_int_equal(rtnl_route_replace(r, &a), -EINVAL);
}

static void test_many_routes(void **state) {
        const uint32_t first = RTNL_NEXTHOP_FIRST;
        Rtnl *r = *state;
        Nexthop group = { .id = first + 16,
                          .n_members = 1,
                          .members = { { .id = first + 2, .weight = 1 } } };
        uint64_t sent;
        char text[64];

        for (unsigned pass = 0; pass < 2; pass++) { /* the second time all of them are replaced */
                sent = rtnl_messages_sent(r);
                for (unsigned i = 0; i < ROUTES; i++) {
                        Route a;

                        (void) snprintf(text, sizeof(text), i % 2 ? "10.%u.%u.0/24" : "fd00:%x:%x::/48",
                                        i / 256, i % 256);
                        a = route_to(text, i % 2 ? first + 16 : first + 1);
                        assert_int_equal(rtnl_route_replace(r, &a), 0);
                }
                assert_int_equal(rtnl_messages_sent(r) - sent, ROUTES * (pass + 1));
                assert_int_equal(count_routes(r), ROUTES);
        }

        /* All of the group's routes move with one message. */
        sent = rtnl_messages_sent(r);
        assert_int_equal(rtnl_nexthop_replace(r, &group), 0);
        assert_int_equal(rtnl_messages_sent(r) - sent, 1);
        assert_true(shell_finds("ip route get 10.1.1.1 | grep -q 'dev sdw1'"));
        group.members[0].id = first;
        assert_int_equal(rtnl_nexthop_replace(r, &group), 0);
        assert_true(shell_finds("ip route get 10.1.1.1 | grep -q 'dev sdw0'"));

        /* What is left of them goes with their nexthops. */
        for (unsigned i = 1; i < ROUTES; i += 4) {
                Route a;

                (void) snprintf(text, sizeof(text), "10.%u.%u.0/24", i / 256, i % 256);
                a = route_to(text, first + 16);
                assert_int_equal(rtnl_route_delete(r, &a), 0);
        }
        assert_int_equal(count_routes(r), ROUTES * 3 / 4);
        assert_int_equal(rtnl_nexthop_delete(r, group.id), 0);
        assert_int_equal(rtnl_nexthop_delete(r, first + 1), 0);
        assert_int_equal(count_routes(r), 0);
        assert_true(shell_finds("ip route show 10.77.0.0/16 | grep -q other0"));
}

typedef struct Seen {
        unsigned link, address, route, nexthop, overrun, deleted;
        bool sdw0;
} Seen;

static void on_event(RtnlEvent event, bool deleted, const char *link_name, void *userdata) {
        Seen *s = userdata;

        s->link += event == RTNL_EVENT_LINK;
        s->address += event == RTNL_EVENT_ADDRESS;
        s->route += event == RTNL_EVENT_ROUTE;
        s->nexthop += event == RTNL_EVENT_NEXTHOP;
        s->overrun += event == RTNL_EVENT_OVERRUN;
        s->deleted += deleted;
        s->sdw0 |= streq(link_name, "sdw0");
}

static void run_loop(sd_event *e) {
        int r;

        do {
                r = sd_event_run(e, 20000);
                assert_true(r >= 0);
        } while (r > 0);
}

static void test_monitor(void **state) {
        const uint32_t first = RTNL_NEXTHOP_FIRST;
        Rtnl *r = *state, *watcher = NULL;
        sd_event *e = NULL;
        Nexthop n = single(first + 5, AF_INET, link_index(r, "sdw0", NULL));
        Route a = route_to("10.200.0.0/16", first + 5);
        LinkAddress address = { .link = n.link, .address = prefix_of("100.64.0.99/32") };
        Seen s = { 0 };

        assert_int_equal(sd_event_new(&e), 0);
        assert_int_equal(rtnl_open(&watcher), 0);
        assert_int_equal(rtnl_monitor(watcher, e, on_event, &s), 0);
        assert_int_equal(rtnl_monitor(watcher, e, on_event, &s), -EALREADY);
        run_loop(e);
        s = (Seen) { 0 };
        shell("ip link set other0 mtu 1400 && ip route add 10.201.0.0/16 dev other0 && ip nexthop add id 78 "
              "dev other0");
        run_loop(e);
        assert_true(s.link > 0);
        assert_int_equal(s.route + s.nexthop + s.address + s.overrun, 0); /* foreign ones are no news */

        s = (Seen) { 0 };
        assert_int_equal(rtnl_nexthop_replace(r, &n), 0);
        assert_int_equal(rtnl_route_replace(r, &a), 0);
        assert_int_equal(rtnl_address_add(r, &address), 0);
        run_loop(e);
        assert_int_equal(s.nexthop, 1);
        assert_int_equal(s.route, 1);
        assert_int_equal(s.address, 1);
        assert_true(s.sdw0);
        assert_int_equal(s.deleted, 0);

        s = (Seen) { 0 };
        shell("ip route del 10.200.0.0/16 proto 157"); /* by somebody else */
        run_loop(e);
        assert_int_equal(s.route, 1);
        assert_int_equal(s.deleted, 1);
        assert_int_equal(rtnl_route_replace(r, &a), 0);
        run_loop(e);
        s = (Seen) { 0 };
        shell("ip route replace 10.200.0.0/16 dev other0 metric 157");
        run_loop(e);
        assert_int_equal(s.route, 1); /* taken over */

        (void) rtnl_close(watcher);
        (void) sd_event_unref(e);
}

static void test_monitor_overrun(void **state) {
        Rtnl *r = *state, *watcher = NULL;
        sd_event *e = NULL;
        Nexthop n = single(RTNL_NEXTHOP_FIRST + 6, AF_INET, link_index(r, "sdw0", NULL));
        Seen s = { 0 };

        assert_int_equal(sd_event_new(&e), 0);
        assert_int_equal(rtnl_open(&watcher), 0);
        assert_int_equal(rtnl_monitor(watcher, e, on_event, &s), 0);
        for (unsigned i = 0; i < 20000; i++) /* more than the socket holds, while nobody reads */
                assert_int_equal(rtnl_nexthop_replace(r, &n), 0);
        run_loop(e);
        assert_true(s.overrun > 0);
        s = (Seen) { 0 };
        assert_int_equal(rtnl_nexthop_replace(r, &n), 0);
        run_loop(e);
        assert_int_equal(s.nexthop, 1); /* goes on */
        assert_int_equal(s.overrun, 0);
        (void) rtnl_close(watcher);
        (void) sd_event_unref(e);
}

static void test_sysctl(void **state) {
        assert_int_equal(rtnl_sysctl_set("ipv4/ip_forward", "1"), 0);
        assert_true(shell_finds("grep -qx 1 /proc/sys/net/ipv4/ip_forward"));
        assert_int_equal(rtnl_sysctl_set("ipv4/ip_forward", "1"), 0);
        assert_int_equal(rtnl_sysctl_set("ipv4/ip_forward", "0"), 0);
        assert_true(shell_finds("grep -qx 0 /proc/sys/net/ipv4/ip_forward"));
        assert_int_equal(rtnl_sysctl_set("ipv4/conf/sdw0/rp_filter", "2"), 0);
        assert_int_equal(rtnl_sysctl_set("ipv4/conf/none0/rp_filter", "2"), -ENOENT);
        assert_int_equal(rtnl_sysctl_set("ipv4/ip_forward", "x"), -EINVAL);
        assert_int_equal(rtnl_sysctl_set("../kernel/hostname", "x"), -EINVAL);
        assert_int_equal(rtnl_sysctl_set("/ipv4/ip_forward", "1"), -EINVAL);
        assert_int_equal(rtnl_sysctl_set("ipv4/IP_forward", "1"), -EINVAL);
        assert_int_equal(rtnl_sysctl_set("", "1"), -EINVAL);
        assert_int_equal(rtnl_sysctl_set("ipv4/ip_forward", "1\n2"), -EINVAL);
        assert_int_equal(rtnl_sysctl_set("ipv4/ip_forward", ""), -EINVAL);
}

static int setup(void **state) {
        Rtnl *r;

        if (unshare(CLONE_NEWNET) < 0)
                return -1;
        shell("ip link set lo up && ip link add sdw0 type veth peer name sdw0p && ip link set sdw0p up &&"
              "ip link add sdw1 type veth peer name sdw1p && ip link set sdw1p up && ip link set sdw1 up &&"
              "ip link add sdwforeign type veth peer name sdwfp &&"
              "ip link add other0 type veth peer name other0p && ip link set other0p up && ip link set "
              "other0 up &&"
              "ip addr add 192.0.2.1/24 dev other0");
        if (rtnl_open(&r) < 0)
                return -1;
        *state = r;
        return 0;
}

static int teardown(void **state) {
        (void) rtnl_close(*state);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_links),     cmocka_unit_test(test_wireguard_link),
                cmocka_unit_test(test_addresses), cmocka_unit_test(test_nexthops),
                cmocka_unit_test(test_routes),    cmocka_unit_test(test_many_routes),
                cmocka_unit_test(test_monitor),   cmocka_unit_test(test_monitor_overrun),
                cmocka_unit_test(test_sysctl),
        };

        if (geteuid() != 0) {
                printf("SKIP: network namespaces need root\n");
                return 77; /* meson: skipped */
        }
        return cmocka_run_group_tests(tests, setup, teardown);
}
