/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "rtnl/internal.h"

/* Names that a libc's or a distribution's older headers may not have. */
#define FILTER_SKIP_STATS (1U << 3)

static bool link_name_is_ours(const char *name) {
        return strncmp(name, RTNL_LINK_PREFIX, strlen(RTNL_LINK_PREFIX)) == 0;
}

static void attribute_string(const struct nlattr *a, char *ret, size_t size) {
        size_t len;

        if (!a)
                return;
        len = strnlen(nla_data(a), MIN((size_t) nla_len(a), size - 1));
        memcpy(ret, nla_data(a), len);
        ret[len] = '\0';
}

static int link_parse(const RequestDump *d, struct nlmsghdr *h, void *item) {
        struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
        Link *l = item;
        struct ifinfomsg *header;

        if (h->nlmsg_type != RTM_NEWLINK)
                return 0;
        if (nlmsg_parse(h, sizeof(*header), tb, IFLA_MAX, NULL) < 0 || !tb[IFLA_IFNAME])
                return -EBADMSG;
        header = nlmsg_data(h);
        *l = (Link) { .index = header->ifi_index, .up = (header->ifi_flags & IFF_UP) != 0 };
        attribute_string(tb[IFLA_IFNAME], l->name, sizeof(l->name));
        attribute_string(tb[IFLA_IFALIAS], l->alias, sizeof(l->alias));
        if (tb[IFLA_MTU] && nla_len(tb[IFLA_MTU]) == sizeof(uint32_t))
                l->mtu = nla_get_u32(tb[IFLA_MTU]);
        if (tb[IFLA_LINKINFO] && nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) >= 0)
                attribute_string(info[IFLA_INFO_KIND], l->kind, sizeof(l->kind));
        return 1;
}

static int link_request(uint16_t flags, int index, const char *name, struct nl_msg **ret) {
        const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = index };
        _cleanup_(request_freep) struct nl_msg *m = NULL;
        int k;

        k = request_new(RTM_GETLINK, flags, &header, sizeof(header), &m);
        if (k >= 0)
                k = request_put(nla_put_u32(m, IFLA_EXT_MASK, FILTER_SKIP_STATS));
        if (k >= 0 && name)
                k = request_put(nla_put_string(m, IFLA_IFNAME, name));
        if (k < 0)
                return k;
        *ret = TAKE(m);
        return 0;
}

static int link_dump_make(const RequestDump *d, struct nl_msg **ret) {
        return link_request(NLM_F_DUMP, 0, NULL, ret);
}

int rtnl_dump_links(Rtnl *r, Link **ret, size_t *ret_n) {
        const RequestDump d = { .make = link_dump_make, .parse = link_parse, .item_size = sizeof(Link) };
        void *items;
        int k;

        assert(r && ret && ret_n);

        k = request_dump(r, &d, &items, ret_n);
        if (k >= 0)
                *ret = items;
        return k;
}

static int on_link(struct nlmsghdr *h, void *userdata) {
        return link_parse(NULL, h, userdata);
}

/* By index, or by name where the index is 0. */
static int link_get(Rtnl *r, int index, const char *name, Link *ret) {
        _cleanup_(request_freep) struct nl_msg *m = NULL;
        Link l = { 0 };
        int k;

        k = link_request(0, index, name, &m);
        if (k < 0)
                return k;
        k = request_run(r, m, on_link, &l);
        if (k < 0)
                return k;
        if (l.index <= 0)
                return -ENODEV;
        *ret = l;
        return 0;
}

int link_require_ours(Rtnl *r, int index, Link *ret) {
        Link l;
        int k;

        if (index <= 0)
                return -ENODEV;
        k = link_get(r, index, NULL, &l);
        if (k < 0)
                return k;
        if (!link_name_is_ours(l.name) || (l.alias[0] != '\0' && !streq(l.alias, RTNL_LINK_ALIAS)))
                return -EPERM;
        *ret = l;
        return 0;
}

static int link_create(Rtnl *r, const char *name, uint32_t mtu) {
        const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
        _cleanup_(request_freep) struct nl_msg *m = NULL;
        struct nlattr *info;
        int k;

        k = request_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header), &m);
        if (k < 0)
                return k;
        k = request_put(nla_put_string(m, IFLA_IFNAME, name));
        if (k >= 0 && mtu > 0)
                k = request_put(nla_put_u32(m, IFLA_MTU, mtu));
        if (k < 0)
                return k;
        info = nla_nest_start(m, IFLA_LINKINFO);
        if (!info)
                return -ENOSPC;
        k = request_put(nla_put_string(m, IFLA_INFO_KIND, "wireguard"));
        if (k < 0)
                return k;
        (void) nla_nest_end(m, info);
        return request_change(r, m);
}

static int link_change(Rtnl *r, int index, const uint32_t *mtu, const bool *up, const char *alias) {
        const struct ifinfomsg header = {
                .ifi_family = AF_UNSPEC,
                .ifi_index = index,
                .ifi_change = up ? IFF_UP : 0,
                .ifi_flags = up && *up ? IFF_UP : 0,
        };
        _cleanup_(request_freep) struct nl_msg *m = NULL;
        int k;

        k = request_new(RTM_NEWLINK, 0, &header, sizeof(header), &m);
        if (k >= 0 && mtu)
                k = request_put(nla_put_u32(m, IFLA_MTU, *mtu));
        if (k >= 0 && alias)
                k = request_put(nla_put(m, IFLA_IFALIAS, (int) strlen(alias) + 1, alias));
        if (k < 0)
                return k;
        return request_change(r, m);
}

static int link_remove(Rtnl *r, int index) {
        const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = index };
        _cleanup_(request_freep) struct nl_msg *m = NULL;
        int k;

        k = request_new(RTM_DELLINK, 0, &header, sizeof(header), &m);
        if (k < 0)
                return k;
        return request_change(r, m);
}

int rtnl_link_create_wireguard(Rtnl *r, const char *name, uint32_t mtu, int *ret_index) {
        Link l;
        int k;

        assert(r && name && ret_index);

        if (!link_name_is_ours(name))
                return -EPERM;
        if (strlen(name) >= IFNAMSIZ || strchr(name, '/'))
                return -EINVAL;
        k = link_create(r, name, mtu);
        if (k < 0)
                return k;
        k = link_get(r, 0, name, &l);
        if (k < 0)
                return k;
        /* The kernel ignores an alias that comes with the creation. */
        k = link_change(r, l.index, NULL, NULL, RTNL_LINK_ALIAS);
        if (k < 0) {
                (void) link_remove(r, l.index);
                return k;
        }
        *ret_index = l.index;
        return 0;
}

int rtnl_link_set(Rtnl *r, int index, const uint32_t *mtu, const bool *up, const char *alias) {
        Link l;
        int k;

        assert(r);

        if (alias && strlen(alias) >= sizeof(l.alias))
                return -EINVAL;
        k = link_require_ours(r, index, &l);
        if (k < 0)
                return k;
        if (mtu && *mtu == l.mtu)
                mtu = NULL;
        if (up && *up == l.up)
                up = NULL;
        if (alias && streq(alias, l.alias))
                alias = NULL;
        if (!mtu && !up && !alias)
                return 0;
        return link_change(r, index, mtu, up, alias);
}

int rtnl_link_delete(Rtnl *r, int index, const char *name) {
        Link l;
        int k;

        assert(r && name);

        k = link_require_ours(r, index, &l);
        if (k < 0)
                return k;
        if (!streq(l.name, name) || !streq(l.alias, RTNL_LINK_ALIAS))
                return -EPERM;
        return link_remove(r, index);
}
