/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "rtnl/internal.h"

static bool id_is_ours(uint32_t id) {
        return id >= RTNL_NEXTHOP_FIRST && id <= RTNL_NEXTHOP_LAST;
}

static int parse_group(struct nlattr *a, Nexthop *n) {
        size_t count = (size_t) nla_len(a) / sizeof(struct nexthop_grp);

        if ((size_t) nla_len(a) % sizeof(struct nexthop_grp) != 0 || count == 0)
                return -EBADMSG;
        if (count > RTNL_NEXTHOP_MEMBERS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < count; i++) {
                struct nexthop_grp g;

                memcpy(&g, (uint8_t *) nla_data(a) + i * sizeof(g), sizeof(g));
                n->members[i].id = g.id;
                n->members[i].weight = (uint8_t) MIN(g.weight + 1, UINT8_MAX);
        }
        n->n_members = count;
        return 0;
}

static int nexthop_parse(struct nlmsghdr *h, Nexthop *n) {
        struct nlattr *tb[NHA_OIF + 1];
        struct nhmsg *header;

        if (h->nlmsg_type != RTM_NEWNEXTHOP)
                return 0;
        if (nlmsg_parse(h, sizeof(*header), tb, NHA_OIF, NULL) < 0 || !tb[NHA_ID] ||
            nla_len(tb[NHA_ID]) != sizeof(uint32_t))
                return -EBADMSG;
        header = nlmsg_data(h);
        n->id = nla_get_u32(tb[NHA_ID]);
        n->protocol = header->nh_protocol;
        if (!id_is_ours(n->id))
                return 0;
        if (tb[NHA_GROUP]) {
                int k = parse_group(tb[NHA_GROUP], n);

                /* A larger group in our range is somebody else's: it is not ours to read. */
                return k == -E2BIG && n->protocol != RTNL_PROTOCOL ? 1 : k < 0 ? k : 1;
        }
        n->family = header->nh_family;
        if (tb[NHA_OIF] && nla_len(tb[NHA_OIF]) == sizeof(uint32_t))
                n->link = (int) nla_get_u32(tb[NHA_OIF]);
        return 1;
}

static int nexthop_dump_parse(const RequestDump *d, struct nlmsghdr *h, void *item) {
        Nexthop *n = item;
        int k;

        k = nexthop_parse(h, n);
        return k > 0 && n->protocol != RTNL_PROTOCOL ? 0 : k;
}

static int nexthop_dump_make(const RequestDump *d, struct nl_msg **ret) {
        const struct nhmsg header = { .nh_family = AF_UNSPEC };

        return request_new(RTM_GETNEXTHOP, NLM_F_DUMP, &header, sizeof(header), ret);
}

int rtnl_dump_nexthops(Rtnl *r, Nexthop **ret, size_t *ret_n) {
        const RequestDump d = {
                .make = nexthop_dump_make,
                .parse = nexthop_dump_parse,
                .item_size = sizeof(Nexthop),
        };
        void *items;
        int k;

        assert(r && ret && ret_n);

        k = request_dump(r, &d, &items, ret_n);
        if (k >= 0)
                *ret = items;
        return k;
}

static int on_nexthop(struct nlmsghdr *h, void *userdata) {
        return nexthop_parse(h, userdata);
}

/* The kernel neither checks nor keeps the protocol when an id is replaced or deleted. 0; -ENOENT: no such
 * nexthop; -EPERM: it is somebody else's. */
static int nexthop_require_ours(Rtnl *r, uint32_t id) {
        const struct nhmsg header = { .nh_family = AF_UNSPEC };
        _cleanup_(request_freep) struct nl_msg *m = NULL;
        Nexthop n = { 0 };
        int k;

        if (!id_is_ours(id))
                return -EPERM;
        k = request_new(RTM_GETNEXTHOP, 0, &header, sizeof(header), &m);
        if (k >= 0)
                k = request_put(nla_put_u32(m, NHA_ID, id));
        if (k < 0)
                return k;
        k = request_run(r, m, on_nexthop, &n);
        if (k < 0)
                return k;
        return n.protocol == RTNL_PROTOCOL ? 0 : -EPERM;
}

static int put_group(struct nl_msg *m, const Nexthop *n) {
        struct nexthop_grp members[RTNL_NEXTHOP_MEMBERS_MAX] = { 0 };

        if (n->n_members > RTNL_NEXTHOP_MEMBERS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < n->n_members; i++) {
                if (n->members[i].weight == 0)
                        return -EINVAL;
                members[i].id = n->members[i].id;
                members[i].weight = (uint8_t) (n->members[i].weight - 1);
        }
        return request_put(nla_put(m, NHA_GROUP, (int) (n->n_members * sizeof(*members)), members));
}

int rtnl_nexthop_replace(Rtnl *r, const Nexthop *n) {
        struct nhmsg header = { .nh_family = AF_UNSPEC, .nh_protocol = RTNL_PROTOCOL };
        _cleanup_(request_freep) struct nl_msg *m = NULL;
        int k;

        assert(r && n);

        if (n->n_members == 0) {
                if ((n->family != AF_INET && n->family != AF_INET6) || n->link <= 0)
                        return -EINVAL;
                header.nh_family = n->family;
        }
        k = nexthop_require_ours(r, n->id);
        if (k < 0 && k != -ENOENT)
                return k;
        k = request_new(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header), &m);
        if (k >= 0)
                k = request_put(nla_put_u32(m, NHA_ID, n->id));
        if (k < 0)
                return k;
        if (n->n_members > 0)
                k = put_group(m, n);
        else
                k = request_put(nla_put_u32(m, NHA_OIF, (uint32_t) n->link));
        if (k < 0)
                return k;
        return request_change(r, m);
}

int rtnl_nexthop_delete(Rtnl *r, uint32_t id) {
        const struct nhmsg header = { .nh_family = AF_UNSPEC };
        _cleanup_(request_freep) struct nl_msg *m = NULL;
        int k;

        assert(r);

        k = nexthop_require_ours(r, id);
        if (k < 0)
                return k == -ENOENT ? 0 : k;
        k = request_new(RTM_DELNEXTHOP, 0, &header, sizeof(header), &m);
        if (k >= 0)
                k = request_put(nla_put_u32(m, NHA_ID, id));
        if (k < 0)
                return k;
        k = request_change(r, m);
        return k == -ENOENT ? 0 : k;
}
