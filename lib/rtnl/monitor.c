/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <linux/if_addr.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "rtnl/internal.h"

#define MONITOR_BUFFER_BYTES (4 * 1024 * 1024) /* a bound, not memory that is held */
#define MONITOR_MESSAGE_MAX 16384
#define MONITOR_BURST \
        64 /* datagrams at a time, so that a flood does not keep the loop from its other work */

static const int groups[] = {
        RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
        RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_NEXTHOP,
};

static void on_link(Rtnl *r, struct nlmsghdr *h) {
        char name[IFNAMSIZ] = "";
        struct nlattr *a;

        if (nlmsg_datalen(h) < (int) sizeof(struct ifinfomsg))
                return;
        a = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_IFNAME);
        if (a)
                memcpy(name, nla_data(a), strnlen(nla_data(a), MIN((size_t) nla_len(a), sizeof(name) - 1)));
        r->handler(RTNL_EVENT_LINK, h->nlmsg_type == RTM_DELLINK, name, r->userdata);
}

static void on_address(Rtnl *r, struct nlmsghdr *h) {
        struct ifaddrmsg *header = nlmsg_data(h);
        char name[IFNAMSIZ] = "";

        if (nlmsg_datalen(h) < (int) sizeof(*header))
                return;
        if (!if_indextoname(header->ifa_index, name))
                name[0] = '\0';
        r->handler(RTNL_EVENT_ADDRESS, h->nlmsg_type == RTM_DELADDR, name, r->userdata);
}

/* Ours, or one that took the place of another: that may have been ours. */
static void on_route(Rtnl *r, struct nlmsghdr *h) {
        struct rtmsg *header = nlmsg_data(h);

        if (nlmsg_datalen(h) < (int) sizeof(*header))
                return;
        if (header->rtm_protocol != RTNL_PROTOCOL && !(h->nlmsg_flags & NLM_F_REPLACE))
                return;
        r->handler(RTNL_EVENT_ROUTE, h->nlmsg_type == RTM_DELROUTE, "", r->userdata);
}

static void on_nexthop(Rtnl *r, struct nlmsghdr *h) {
        struct nlattr *a;
        uint32_t id;

        if (nlmsg_datalen(h) < (int) sizeof(struct nhmsg))
                return;
        a = nlmsg_find_attr(h, sizeof(struct nhmsg), NHA_ID);
        if (!a || nla_len(a) != sizeof(id))
                return;
        id = nla_get_u32(a);
        if (id < RTNL_NEXTHOP_FIRST || id > RTNL_NEXTHOP_LAST)
                return;
        r->handler(RTNL_EVENT_NEXTHOP, h->nlmsg_type == RTM_DELNEXTHOP, "", r->userdata);
}

static void on_message(Rtnl *r, struct nlmsghdr *h) {
        switch (h->nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
                on_link(r, h);
                break;
        case RTM_NEWADDR:
        case RTM_DELADDR:
                on_address(r, h);
                break;
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
                on_route(r, h);
                break;
        case RTM_NEWNEXTHOP:
        case RTM_DELNEXTHOP:
                on_nexthop(r, h);
                break;
        }
}

/* 1: something was read; 0: nothing is there. */
static int monitor_read(Rtnl *r, uint8_t *buf) {
        struct sockaddr_nl from = { 0 };
        struct iovec iov = { .iov_base = buf, .iov_len = MONITOR_MESSAGE_MAX };
        struct msghdr m = {
                .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
        };
        struct nlmsghdr *h = (struct nlmsghdr *) buf;
        ssize_t n;
        int left;

        n = recvmsg(nl_socket_get_fd(r->monitor), &m, MSG_DONTWAIT);
        if (n < 0) {
                if (errno == EAGAIN)
                        return 0;
                if (errno == EINTR)
                        return 1;
                if (errno != ENOBUFS)
                        return -errno;
                r->handler(RTNL_EVENT_OVERRUN, false, "", r->userdata);
                return 1;
        }
        if (from.nl_pid != 0)
                return 1;
        if (m.msg_flags & MSG_TRUNC) {
                r->handler(RTNL_EVENT_OVERRUN, false, "", r->userdata);
                return 1;
        }
        for (left = (int) n; nlmsg_ok(h, left); h = nlmsg_next(h, &left))
                on_message(r, h);
        return 1;
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Rtnl *r = userdata;
        _cleanup_free_ uint8_t *buf = NULL;
        int k = 1;

        buf = malloc(MONITOR_MESSAGE_MAX);
        if (!buf)
                return -ENOMEM;
        for (unsigned i = 0; k > 0 && i < MONITOR_BURST; i++)
                k = monitor_read(r, buf);
        return k < 0 ? k : 0;
}

void monitor_stop(Rtnl *r) {
        r->monitor_source = sd_event_source_disable_unref(r->monitor_source);
        if (r->monitor)
                nl_socket_free(r->monitor);
        r->monitor = NULL;
}

static int monitor_start(Rtnl *r, sd_event *event) {
        int size = MONITOR_BUFFER_BYTES, fd, k;

        r->monitor = nl_socket_alloc();
        if (!r->monitor)
                return -ENOMEM;
        if (nl_connect(r->monitor, NETLINK_ROUTE) < 0)
                return -EPERM;
        fd = nl_socket_get_fd(r->monitor);
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
                (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        for (size_t i = 0; i < ELEMENTSOF(groups); i++)
                if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i])) < 0)
                        return -errno;
        k = sd_event_add_io(event, &r->monitor_source, fd, EPOLLIN, on_readable, r);
        if (k < 0)
                return k;
        (void) sd_event_source_set_description(r->monitor_source, "rtnl-monitor");
        return 0;
}

int rtnl_monitor(Rtnl *r, sd_event *event, RtnlEventHandler handler, void *userdata) {
        int k;

        assert(r && event && handler);

        if (r->monitor)
                return -EALREADY;
        r->handler = handler;
        r->userdata = userdata;
        k = monitor_start(r, event);
        if (k < 0)
                monitor_stop(r);
        return k;
}
