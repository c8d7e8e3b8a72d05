/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <linux/rtnetlink.h>

#include "base/timeutil.h"
#include "rtnl/internal.h"

#define NEXTHOP_ID 30 /* RTA_NH_ID, Linux 5.3 */
#define OWNED_AGE_USEC USEC_PER_SEC

static const uint8_t kernel_types[] = {
        [ROUTE_UNICAST] = RTN_UNICAST,
        [ROUTE_UNREACHABLE] = RTN_UNREACHABLE,
        [ROUTE_BLACKHOLE] = RTN_BLACKHOLE,
};

/* False: a type that we never set. */
static bool type_from_kernel(uint8_t type, RouteType *ret) {
        for (size_t i = 0; i < ELEMENTSOF(kernel_types); i++)
                if (kernel_types[i] == type) {
                        *ret = (RouteType) i;
                        return true;
                }
        return false;
}

static uint32_t attribute_u32(const struct nlattr *a, uint32_t otherwise) {
        return a && nla_len(a) == sizeof(uint32_t) ? nla_get_u32(a) : otherwise;
}

static int route_parse(const RequestDump *d, struct nlmsghdr *h, void *item) {
        struct nlattr *tb[NEXTHOP_ID + 1];
        struct rtmsg *header;
        Route *route = item;

        if (h->nlmsg_type != RTM_NEWROUTE)
                return 0;
        if (nlmsg_parse(h, sizeof(*header), tb, NEXTHOP_ID, NULL) < 0)
                return -EBADMSG;
        header = nlmsg_data(h);
        if (header->rtm_protocol != RTNL_PROTOCOL || (header->rtm_flags & RTM_F_CLONED) ||
            header->rtm_family != d->argument || !type_from_kernel(header->rtm_type, &route->type))
                return 0;
        route->protocol = header->rtm_protocol;
        route->destination =
                        (Prefix) { .address.family = header->rtm_family, .length = header->rtm_dst_len };
        if (route->destination.length > address_bits(&route->destination.address))
                return -EBADMSG;
        if (tb[RTA_DST] &&
            attribute_address(tb[RTA_DST], header->rtm_family, &route->destination.address) < 0)
                return -EBADMSG;
        if (tb[RTA_PREFSRC] &&
            attribute_address(tb[RTA_PREFSRC], header->rtm_family, &route->preferred_source) < 0)
                return -EBADMSG;
        route->table = attribute_u32(tb[RTA_TABLE], header->rtm_table);
        route->metric = attribute_u32(tb[RTA_PRIORITY], 0);
        route->nexthop = attribute_u32(tb[NEXTHOP_ID], 0);
        return 1;
}

/* The kernel filters by protocol where it checks dumps strictly, and we in any case. */
static int route_dump_make(const RequestDump *d, struct nl_msg **ret) {
        const struct rtmsg header = { .rtm_family = (uint8_t) d->argument, .rtm_protocol = RTNL_PROTOCOL };

        return request_new(RTM_GETROUTE, NLM_F_DUMP, &header, sizeof(header), ret);
}

static int dump_family(Rtnl *r, int family, Route **ret, size_t *ret_n) {
        const RequestDump d = {
                .make = route_dump_make,
                .parse = route_parse,
                .item_size = sizeof(Route),
                .argument = family,
        };
        void *items;
        int k;

        k = request_dump(r, &d, &items, ret_n);
        if (k >= 0)
                *ret = items;
        return k;
}

int rtnl_dump_routes(Rtnl *r, Route **ret, size_t *ret_n) {
        _cleanup_free_ Route *v4 = NULL, *v6 = NULL;
        size_t n4, n6;
        Route *all;
        int k;

        assert(r && ret && ret_n);

        k = dump_family(r, AF_INET, &v4, &n4);
        if (k < 0)
                return k;
        k = dump_family(r, AF_INET6, &v6, &n6);
        if (k < 0)
                return k;
        if (n6 > 0) {
                all = reallocarray(v4, n4 + n6, sizeof(Route));
                if (!all)
                        return -ENOMEM;
                v4 = all;
                memcpy(v4 + n4, v6, n6 * sizeof(Route));
        }
        *ret = TAKE(v4);
        *ret_n = n4 + n6;
        return 0;
}

static RouteKey route_key(const Route *route) {
        return (RouteKey) { .destination = route->destination,
                            .table = route->table,
                            .metric = route->metric };
}

static int route_key_compare(const void *a, const void *b) {
        const RouteKey *x = a, *y = b;

        if (x->table != y->table)
                return x->table < y->table ? -1 : 1;
        if (x->metric != y->metric)
                return x->metric < y->metric ? -1 : 1;
        return prefix_compare(&x->destination, &y->destination);
}

static int owned_read(Rtnl *r) {
        _cleanup_free_ Route *routes = NULL;
        RouteKey *keys;
        size_t n;
        int k;

        k = rtnl_dump_routes(r, &routes, &n);
        if (k < 0)
                return k;
        keys = new0(RouteKey, n + 1);
        if (!keys)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                keys[i] = route_key(&routes[i]);
        qsort(keys, n, sizeof(*keys), route_key_compare);
        free(r->owned);
        r->owned = keys;
        r->n_owned = n;
        r->owned_usec = now_monotonic_usec();
        return 0;
}

/* Whether the route that is there already carries our protocol. What was read within the last second is
 * believed, so that replacing many routes costs one dump. */
static int route_is_ours(Rtnl *r, const Route *route) {
        RouteKey key = route_key(route);
        bool fresh = r->owned && now_monotonic_usec() - r->owned_usec < OWNED_AGE_USEC;
        int k;

        if (fresh && bsearch(&key, r->owned, r->n_owned, sizeof(key), route_key_compare))
                return 1;
        k = owned_read(r);
        if (k < 0)
                return k;
        return bsearch(&key, r->owned, r->n_owned, sizeof(key), route_key_compare) != NULL;
}

static int route_check(const Route *route) {
        const Address *a = &route->destination.address;
        bool unicast = route->type == ROUTE_UNICAST;

        if (address_size(a) == 0 || route->destination.length > address_bits(a) ||
            (unsigned) route->type >= ELEMENTSOF(kernel_types) || unicast != (route->nexthop != 0))
                return -EINVAL;
        if (route->preferred_source.family != 0 && route->preferred_source.family != a->family)
                return -EINVAL;
        return 0;
}

static int route_request(Rtnl *r, uint16_t type, uint16_t flags, const Route *route, uint32_t nexthop) {
        struct rtmsg header = {
                .rtm_family = route->destination.address.family,
                .rtm_dst_len = route->destination.length,
                .rtm_table = route->table < 256 ? (uint8_t) route->table : RT_TABLE_UNSPEC,
                .rtm_protocol = RTNL_PROTOCOL,
                .rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE : RT_SCOPE_UNIVERSE,
                .rtm_type = kernel_types[route->type],
        };
        _cleanup_(request_freep) struct nl_msg *m = NULL;
        int k;

        k = request_new(type, flags, &header, sizeof(header), &m);
        if (k >= 0)
                k = request_put_address(m, RTA_DST, &route->destination.address);
        if (k >= 0)
                k = request_put(nla_put_u32(m, RTA_TABLE, route->table));
        if (k >= 0)
                k = request_put(nla_put_u32(m, RTA_PRIORITY, route->metric));
        if (k >= 0 && nexthop != 0)
                k = request_put(nla_put_u32(m, NEXTHOP_ID, nexthop));
        if (k >= 0 && type == RTM_NEWROUTE && route->preferred_source.family != 0)
                k = request_put_address(m, RTA_PREFSRC, &route->preferred_source);
        if (k < 0)
                return k;
        return request_change(r, m);
}

int rtnl_route_replace(Rtnl *r, const Route *route) {
        int k;

        assert(r && route);

        k = route_check(route);
        if (k < 0)
                return k;
        /* A plain replacement would also take over the route of somebody else. */
        k = route_request(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route, route->nexthop);
        if (k != -EEXIST)
                return k;
        k = route_is_ours(r, route);
        if (k < 0)
                return k;
        if (k == 0)
                return -EEXIST;
        return route_request(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, route->nexthop);
}

int rtnl_route_delete(Rtnl *r, const Route *route) {
        int k;

        assert(r && route);

        k = route_check(route);
        if (k < 0)
                return k;
        /* Kernels before 5.19 find an IPv4 route that has a nexthop object only by its id; the second time
         * is for one that has been given another nexthop since. */
        k = route_request(r, RTM_DELROUTE, 0, route, route->nexthop);
        if (k == -ESRCH && route->nexthop != 0)
                k = route_request(r, RTM_DELROUTE, 0, route, 0);
        return k == -ESRCH || k == -ENOENT ? 0 : k;
}
