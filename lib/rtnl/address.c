/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "rtnl/internal.h"

#define ADDRESS_PROTOCOL 11 /* IFA_PROTO, Linux 5.18 */

static int address_parse_message(const RequestDump *d, struct nlmsghdr *h, void *item) {
        struct nlattr *tb[ADDRESS_PROTOCOL + 1], *value;
        LinkAddress *a = item;
        struct ifaddrmsg *header;

        if (h->nlmsg_type != RTM_NEWADDR)
                return 0;
        if (nlmsg_parse(h, sizeof(*header), tb, ADDRESS_PROTOCOL, NULL) < 0)
                return -EBADMSG;
        header = nlmsg_data(h);
        if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)
                return 0;
        if (d->argument != 0 && (int) header->ifa_index != d->argument)
                return 0;
        /* Of a point-to-point address IFA_ADDRESS is the other end. */
        value = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
        if (!value || attribute_address(value, header->ifa_family, &a->address.address) < 0 ||
            header->ifa_prefixlen > address_bits(&a->address.address))
                return -EBADMSG;
        a->address.length = header->ifa_prefixlen;
        a->link = (int) header->ifa_index;
        if (tb[ADDRESS_PROTOCOL] && nla_len(tb[ADDRESS_PROTOCOL]) == 1)
                a->protocol = nla_get_u8(tb[ADDRESS_PROTOCOL]);
        return 1;
}

static int address_dump_make(const RequestDump *d, struct nl_msg **ret) {
        const struct ifaddrmsg header = { .ifa_family = AF_UNSPEC, .ifa_index = (uint32_t) d->argument };

        return request_new(RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header), ret);
}

int rtnl_dump_addresses(Rtnl *r, int link, LinkAddress **ret, size_t *ret_n) {
        const RequestDump d = {
                .make = address_dump_make,
                .parse = address_parse_message,
                .item_size = sizeof(LinkAddress),
                .argument = link,
        };
        void *items;
        int k;

        assert(r && link >= 0 && ret && ret_n);

        k = request_dump(r, &d, &items, ret_n);
        if (k >= 0)
                *ret = items;
        return k;
}

static int address_request(Rtnl *r, uint16_t type, uint16_t flags, const LinkAddress *a) {
        const Address *address = &a->address.address;
        const struct ifaddrmsg header = {
                .ifa_family = address->family,
                .ifa_prefixlen = a->address.length,
                .ifa_index = (uint32_t) a->link,
        };
        _cleanup_(request_freep) struct nl_msg *m = NULL;
        Link l;
        int k;

        if (address_size(address) == 0 || a->address.length > address_bits(address))
                return -EINVAL;
        k = link_require_ours(r, a->link, &l);
        if (k < 0)
                return k;
        k = request_new(type, flags, &header, sizeof(header), &m);
        if (k >= 0)
                k = request_put_address(m, IFA_LOCAL, address);
        if (k >= 0)
                k = request_put_address(m, IFA_ADDRESS, address);
        if (k >= 0 && type == RTM_NEWADDR && address->family == AF_INET6)
                k = request_put(nla_put_u32(m, IFA_FLAGS, IFA_F_NODAD)); /* nobody answers on a tunnel */
        if (k >= 0 && type == RTM_NEWADDR)
                k = request_put(nla_put_u8(m, ADDRESS_PROTOCOL, RTNL_PROTOCOL));
        if (k < 0)
                return k;
        return request_change(r, m);
}

int rtnl_address_add(Rtnl *r, const LinkAddress *a) {
        int k;

        assert(r && a);

        k = address_request(r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, a);
        return k == -EEXIST ? 0 : k;
}

int rtnl_address_delete(Rtnl *r, const LinkAddress *a) {
        int k;

        assert(r && a);

        k = address_request(r, RTM_DELADDR, 0, a);
        return k == -EADDRNOTAVAIL || k == -ENODEV ? 0 : k;
}
