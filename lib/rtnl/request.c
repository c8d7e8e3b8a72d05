/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "base/log.h"
#include "rtnl/internal.h"

#define RECEIVE_SIZE 32768 /* the kernel makes the messages of a dump no larger */
#define DUMP_ATTEMPTS 5

int request_new(uint16_t type, uint16_t flags, const void *header, size_t header_size, struct nl_msg **ret) {
        _cleanup_(request_freep) struct nl_msg *m = NULL;

        m = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
        if (!m)
                return -ENOMEM;
        if (nlmsg_append(m, (void *) header, header_size, NLMSG_ALIGNTO) < 0)
                return -ENOMEM;
        *ret = TAKE(m);
        return 0;
}

int request_put_address(struct nl_msg *m, int type, const Address *a) {
        return request_put(nla_put(m, type, (int) address_size(a), a->bytes));
}

int attribute_address(const struct nlattr *a, uint8_t family, Address *ret) {
        Address result = { .family = family };

        if (address_size(&result) == 0 || (size_t) nla_len(a) != address_size(&result))
                return -EBADMSG;
        memcpy(result.bytes, nla_data(a), address_size(&result));
        *ret = result;
        return 0;
}

static int request_send(Rtnl *r, struct nl_msg *m) {
        struct nlmsghdr *h = nlmsg_hdr(m);

        h->nlmsg_seq = ++r->seq;
        h->nlmsg_pid = nl_socket_get_local_port(r->socket);
        h->nlmsg_flags |= NLM_F_ACK; /* a dump ends by itself and is not acknowledged too */
        for (;;) {
                if (send(nl_socket_get_fd(r->socket), h, h->nlmsg_len, 0) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

/* From the kernel only. */
static int request_receive(Rtnl *r, uint8_t *buf, size_t *ret_len) {
        for (;;) {
                struct sockaddr_nl from = { 0 };
                struct iovec iov = { .iov_base = buf, .iov_len = RECEIVE_SIZE };
                struct msghdr m = {
                        .msg_name = &from,
                        .msg_namelen = sizeof(from),
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                };
                ssize_t n;

                n = recvmsg(nl_socket_get_fd(r->socket), &m, 0);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (from.nl_pid != 0)
                        continue;
                if (m.msg_flags & MSG_TRUNC)
                        return -EMSGSIZE;
                *ret_len = (size_t) n;
                return 0;
        }
}

/* The kernel's own words for a failure, where it has some. */
static void log_reason(struct nlmsghdr *h, int error) {
        struct nlattr *attributes, *text;

        if (error >= 0 || !(h->nlmsg_flags & NLM_F_ACK_TLVS) || !(h->nlmsg_flags & NLM_F_CAPPED))
                return;
        if (nlmsg_datalen(h) < (int) sizeof(struct nlmsgerr))
                return;
        attributes = (struct nlattr *) ((uint8_t *) nlmsg_data(h) + NLMSG_ALIGN(sizeof(struct nlmsgerr)));
        text = nla_find(attributes, nlmsg_datalen(h) - (int) NLMSG_ALIGN(sizeof(struct nlmsgerr)),
                        NLMSGERR_ATTR_MSG);
        if (!text || nla_len(text) == 0 || ((char *) nla_data(text))[nla_len(text) - 1] != '\0')
                return;
        (void) log_debug_errno(error, "Kernel refused a request: %s: %m", (const char *) nla_data(text));
}

/* Of an error message, or of the end of a dump: 0 or negative errno. */
static int message_error(struct nlmsghdr *h) {
        int error;

        if (nlmsg_datalen(h) < (int) sizeof(error))
                return h->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
        memcpy(&error, nlmsg_data(h), sizeof(error));
        if (h->nlmsg_type == NLMSG_ERROR)
                log_reason(h, error);
        return error > 0 || error < -4095 ? -EBADMSG : error;
}

static int request_read(Rtnl *r, uint8_t *buf, RequestHandler handler, void *userdata) {
        bool interrupted = false;
        int failed = 0, k;

        for (;;) {
                struct nlmsghdr *h = (struct nlmsghdr *) buf;
                size_t size = 0;
                int left;

                k = request_receive(r, buf, &size);
                if (k < 0)
                        return k;
                for (left = (int) size; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
                        if (h->nlmsg_seq != r->seq)
                                continue;
                        interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
                        if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
                                k = message_error(h);
                                return k < 0 ? k : failed < 0 ? failed : interrupted ? -EAGAIN : 0;
                        }
                        if (h->nlmsg_type >= NLMSG_MIN_TYPE && handler && failed >= 0)
                                failed = handler(h, userdata);
                }
        }
}

int request_run(Rtnl *r, struct nl_msg *m, RequestHandler handler, void *userdata) {
        _cleanup_free_ uint8_t *buf = NULL;
        int k;

        buf = malloc(RECEIVE_SIZE);
        if (!buf)
                return -ENOMEM;
        k = request_send(r, m);
        if (k < 0)
                return k;
        return request_read(r, buf, handler, userdata);
}

int request_change(Rtnl *r, struct nl_msg *m) {
        r->messages_sent++;
        return request_run(r, m, NULL, NULL);
}

typedef struct Collector {
        const RequestDump *dump;
        uint8_t *items;
        size_t n, allocated;
} Collector;

static int on_item(struct nlmsghdr *h, void *userdata) {
        Collector *c = userdata;
        size_t size = c->dump->item_size;
        int k;

        if (c->n == c->allocated) {
                size_t larger = c->allocated == 0 ? 16 : 2 * c->allocated;
                uint8_t *items = reallocarray(c->items, larger, size);

                if (!items)
                        return -ENOMEM;
                c->items = items;
                c->allocated = larger;
        }
        memset(c->items + c->n * size, 0, size);
        k = c->dump->parse(c->dump, h, c->items + c->n * size);
        if (k > 0)
                c->n++;
        return k;
}

int request_dump(Rtnl *r, const RequestDump *d, void **ret, size_t *ret_n) {
        int k = -EAGAIN;

        for (unsigned i = 0; i < DUMP_ATTEMPTS; i++) {
                _cleanup_(request_freep) struct nl_msg *m = NULL;
                Collector c = { .dump = d };

                k = d->make(d, &m);
                if (k < 0)
                        return k;
                k = request_run(r, m, on_item, &c);
                if (k >= 0) {
                        *ret = c.items;
                        *ret_n = c.n;
                        return 0;
                }
                free(c.items);
                /* ENOBUFS, EINTR: a message of the dump was lost, or the kernel could not go on. */
                if (k != -EAGAIN && k != -ENOBUFS && k != -EINTR)
                        return k;
        }
        return -EAGAIN;
}

static int socket_open(struct nl_sock **ret) {
        struct nl_sock *s;
        int k;

        s = nl_socket_alloc();
        if (!s)
                return -ENOMEM;
        k = nl_connect(s, NETLINK_ROUTE);
        if (k < 0) {
                nl_socket_free(s);
                return k == -NLE_NOMEM ? -ENOMEM : k == -NLE_AF_NOSUPPORT ? -EAFNOSUPPORT : -EPERM;
        }
        *ret = s;
        return 0;
}

int rtnl_open(Rtnl **ret) {
        _cleanup_(rtnl_closep) Rtnl *r = NULL;
        int one = 1, k;

        assert(ret);

        r = new(Rtnl);
        if (!r)
                return -ENOMEM;
        k = socket_open(&r->socket);
        if (k < 0)
                return k;
        /* All three are wishes: short answers, reasons for the log, and dumps that the kernel filters. */
        (void) setsockopt(nl_socket_get_fd(r->socket), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
        (void) setsockopt(nl_socket_get_fd(r->socket), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
        (void) setsockopt(nl_socket_get_fd(r->socket), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one,
                          sizeof(one));
        *ret = TAKE(r);
        return 0;
}

Rtnl *rtnl_close(Rtnl *r) {
        if (!r)
                return NULL;
        monitor_stop(r);
        nl_socket_free(r->socket);
        free(r->owned);
        return mfree(r);
}

uint64_t rtnl_messages_sent(const Rtnl *r) {
        return r->messages_sent;
}
