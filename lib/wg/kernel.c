/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>

#include "wg/genl.h"
#include "wg/internal.h"

#define RECEIVE_SIZE 32768 /* the kernel makes the messages of a dump no larger */
#define DUMP_ATTEMPTS 5
#define PROBE_LINK_NAME "sdwprobe0"

/* Messages may hold keys, and so may the memory that they were read into. */
static void wiped_free(uint8_t *p, size_t size) {
        if (!p)
                return;
        crypto_wipe(p, size);
        free(p);
}

static void receive_buffer_freep(uint8_t **p) {
        wiped_free(*p, RECEIVE_SIZE);
}

static void send_buffer_freep(uint8_t **p) {
        wiped_free(*p, WG_GENL_MESSAGE_MAX);
}

static int socket_open(int bus, struct mnl_socket **ret) {
        struct mnl_socket *s;
        int one = 1;

        s = mnl_socket_open2(bus, SOCK_CLOEXEC);
        if (!s)
                return -errno;
        if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
                int error = errno;

                (void) mnl_socket_close(s);
                return -error;
        }
        (void) mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &one,
                                     sizeof(one)); /* errors do not repeat our keys */
        *ret = s;
        return 0;
}

static int socket_send(struct mnl_socket *s, const void *data, size_t len) {
        for (;;) {
                if (mnl_socket_sendto(s, data, len) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

/* From the kernel only. */
static int socket_receive(struct mnl_socket *s, uint8_t *buf, size_t *ret_len) {
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

                n = recvmsg(mnl_socket_get_fd(s), &m, 0);
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

typedef int (*MessageHandler)(const void *attributes, size_t len, void *userdata);

/* Of an error message, or of the end of a dump: 0 or negative errno. */
static int message_error(const struct nlmsghdr *h) {
        int error;

        if (mnl_nlmsg_get_payload_len(h) < sizeof(error))
                return h->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
        memcpy(&error, mnl_nlmsg_get_payload(h), sizeof(error));
        return error > 0 || error < -4095 ? -EBADMSG : error;
}

/* Reads until the request is answered. A failure of the handler is remembered, the rest of the answer
 * drained. */
static int answer_read(struct mnl_socket *s, uint32_t seq, uint8_t *buf, MessageHandler handler,
                       void *userdata) {
        bool interrupted = false;
        int failed = 0, r;

        for (;;) {
                struct nlmsghdr *h = (struct nlmsghdr *) buf;
                size_t size = 0;
                int left;

                r = socket_receive(s, buf, &size);
                if (r < 0)
                        return r;
                for (left = (int) size; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
                        if (h->nlmsg_seq != seq)
                                continue;
                        interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
                        if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
                                r = message_error(h);
                                return r < 0 ? r : failed < 0 ? failed : interrupted ? -EAGAIN : 0;
                        }
                        if (h->nlmsg_type < NLMSG_MIN_TYPE || !handler || failed < 0)
                                continue;
                        if (mnl_nlmsg_get_payload_len(h) < GENL_HDRLEN)
                                failed = -EBADMSG;
                        else
                                failed = handler(mnl_nlmsg_get_payload_offset(h, GENL_HDRLEN),
                                                 mnl_nlmsg_get_payload_len(h) - GENL_HDRLEN, userdata);
                }
        }
}

static int on_family(const void *attributes, size_t len, void *userdata) {
        uint16_t *family = userdata;
        const struct nlattr *a = attributes;
        const char *end = (const char *) attributes + len;

        for (; mnl_attr_ok(a, (int) (end - (const char *) a)); a = mnl_attr_next(a))
                if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID &&
                    mnl_attr_get_payload_len(a) == sizeof(*family))
                        memcpy(family, mnl_attr_get_payload(a), sizeof(*family));
        return 0;
}

/* -ENOENT: no such family, also after the kernel was asked to load its module. */
static int family_resolve(WgKernel *k, uint8_t *buf) {
        struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
        struct genlmsghdr *g;
        uint16_t family = 0;
        int r;

        h->nlmsg_type = GENL_ID_CTRL;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        h->nlmsg_seq = ++k->seq;
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        g->cmd = CTRL_CMD_GETFAMILY;
        g->version = 1;
        mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);

        r = socket_send(k->socket, h, h->nlmsg_len);
        if (r < 0)
                return r;
        r = answer_read(k->socket, k->seq, buf, on_family, &family);
        if (r < 0)
                return r;
        if (family == 0)
                return -ENOENT;
        k->family = family;
        return 0;
}

static int probe_link_request(struct mnl_socket *s, uint16_t type, uint16_t flags, uint32_t seq,
                              uint8_t *buf) {
        struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
        struct ifinfomsg *link;
        struct nlattr *nest;
        int r;

        h->nlmsg_type = type;
        h->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | NLM_F_ACK | flags);
        h->nlmsg_seq = seq;
        link = mnl_nlmsg_put_extra_header(h, sizeof(*link));
        link->ifi_family = AF_UNSPEC;
        mnl_attr_put_strz(h, IFLA_IFNAME, PROBE_LINK_NAME);
        nest = mnl_attr_nest_start(h, IFLA_LINKINFO);
        mnl_attr_put_strz(h, IFLA_INFO_KIND, WG_GENL_NAME);
        mnl_attr_nest_end(h, nest);

        r = socket_send(s, h, h->nlmsg_len);
        if (r < 0)
                return r;
        return answer_read(s, seq, buf, NULL, NULL);
}

/* Makes the kernel load its module by creating an interface that is deleted at once. */
static int probe_link(uint8_t *buf) {
        struct mnl_socket *s;
        int r;

        r = socket_open(NETLINK_ROUTE, &s);
        if (r < 0)
                return r;
        r = probe_link_request(s, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 1, buf);
        if (r >= 0)
                r = probe_link_request(s, RTM_DELLINK, 0, 2, buf);
        (void) mnl_socket_close(s);
        return r;
}

int wg_kernel_open(WgKernel *k) {
        _cleanup_(receive_buffer_freep) uint8_t *buf = NULL;
        int r;

        buf = malloc(RECEIVE_SIZE);
        if (!buf)
                return -ENOMEM;
        r = socket_open(NETLINK_GENERIC, &k->socket);
        if (r < 0)
                return r;
        r = family_resolve(k, buf);
        if (r == -ENOENT && probe_link(buf) >= 0)
                r = family_resolve(k, buf);
        if (r < 0) {
                wg_kernel_close(k);
                return r == -ENOENT ? -EOPNOTSUPP : r;
        }
        return 0;
}

void wg_kernel_close(WgKernel *k) {
        if (k->socket)
                (void) mnl_socket_close(k->socket);
        k->socket = NULL;
}

/* A change that changes nothing: the kernel looks the interface up and nothing else. */
int wg_kernel_probe(WgKernel *k, const char *name) {
        _cleanup_(receive_buffer_freep) uint8_t *buf = NULL;
        WgDevice d = { 0 };
        WgGenlCursor cursor = { 0 };
        size_t len;
        int r;

        buf = malloc(RECEIVE_SIZE);
        if (!buf)
                return -ENOMEM;
        memcpy(d.name, name, strlen(name) + 1);
        r = wg_genl_build_set(&d, k->family, ++k->seq, buf, WG_GENL_MESSAGE_MIN, &cursor, &len);
        if (r < 0)
                return r;
        r = socket_send(k->socket, buf, len);
        if (r < 0)
                return r;
        return answer_read(k->socket, k->seq, buf, NULL, NULL);
}

static int on_device(const void *attributes, size_t len, void *userdata) {
        return wg_genl_parse(attributes, len, userdata);
}

int wg_kernel_get(WgKernel *k, const char *name, WgDevice *ret) {
        _cleanup_(receive_buffer_freep) uint8_t *buf = NULL;
        WgDevice d;
        size_t len;
        int r = -EAGAIN;

        buf = malloc(RECEIVE_SIZE);
        if (!buf)
                return -ENOMEM;
        for (unsigned i = 0; i < DUMP_ATTEMPTS && r == -EAGAIN; i++) {
                d = (WgDevice) { 0 };
                wg_genl_build_get(name, k->family, ++k->seq, buf, &len);
                r = socket_send(k->socket, buf, len);
                if (r < 0)
                        return r;
                r = answer_read(k->socket, k->seq, buf, on_device, &d);
                if (r >= 0 && d.name[0] == '\0')
                        r = -EBADMSG;
                if (r < 0)
                        wg_device_done(&d);
        }
        if (r < 0)
                return r;
        *ret = d;
        return 0;
}

int wg_kernel_set(WgKernel *k, const WgDevice *d, WgCounters *counters) {
        _cleanup_(send_buffer_freep) uint8_t *buf = NULL;
        _cleanup_(receive_buffer_freep) uint8_t *answer = NULL;
        WgGenlCursor cursor = { 0 };
        size_t begun = 0, len;
        int r;

        buf = malloc(WG_GENL_MESSAGE_MAX);
        answer = malloc(RECEIVE_SIZE);
        if (!buf || !answer)
                return -ENOMEM;
        for (;;) {
                size_t now_begun;

                r = wg_genl_build_set(d, k->family, ++k->seq, buf, WG_GENL_MESSAGE_MAX, &cursor, &len);
                if (r <= 0)
                        return r;
                r = socket_send(k->socket, buf, len);
                if (r < 0)
                        return r;
                now_begun = cursor.peer + (cursor.allowed_ip > 0);
                counters->messages_sent++;
                counters->bytes_sent += len;
                counters->peers_sent += now_begun - begun;
                begun = now_begun;
                r = answer_read(k->socket, k->seq, answer, NULL, NULL);
                if (r < 0)
                        return r;
        }
}
