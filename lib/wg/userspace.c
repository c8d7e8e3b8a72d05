/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/timeutil.h"
#include "wg/internal.h"
#include "wg/uapi.h"

#define DEADLINE_USEC (2 * USEC_PER_SEC)
#define READ_SIZE 16384

static const char *const folders[] = { "/run/wireguard", "/var/run/wireguard" };

/* 0: the descriptor can be read or written. -ETIMEDOUT. */
static int wait_for(int fd, short events, uint64_t deadline_usec) {
        for (;;) {
                struct pollfd p = { .fd = fd, .events = events };
                uint64_t now = now_monotonic_usec();
                int n;

                if (now >= deadline_usec)
                        return -ETIMEDOUT;
                n = poll(&p, 1, (int) ((deadline_usec - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC));
                if (n > 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
        }
}

static int connect_at(const char *folder, const char *name, int *ret) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s.sock", folder, name);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        *ret = TAKE_FD(fd);
        return 0;
}

/* -ENODEV: no socket, or nobody behind it. -EAGAIN: its queue is full. */
static int connect_to(const char *name, int *ret) {
        int r = -ENODEV;

        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                r = connect_at(folders[i], name, ret);
                if (r != -ENOENT)
                        break;
        }
        return r == -ENOENT || r == -ECONNREFUSED ? -ENODEV : r;
}

static int send_all(int fd, const void *data, size_t len, uint64_t deadline_usec) {
        const uint8_t *p = data;
        int r;

        while (len > 0) {
                ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

                if (n >= 0) {
                        p += n;
                        len -= (size_t) n;
                        continue;
                }
                if (errno == EINTR)
                        continue;
                if (errno != EAGAIN)
                        return -errno;
                r = wait_for(fd, POLLOUT, deadline_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int receive_answer(int fd, WgUapiParser *p, uint64_t deadline_usec) {
        char buf[READ_SIZE]; /* may hold keys */
        int r = 0;

        while (r == 0) {
                ssize_t n = recv(fd, buf, sizeof(buf), 0);

                if (n > 0)
                        r = wg_uapi_parse(p, buf, (size_t) n);
                else if (n == 0)
                        r = -ECONNRESET;
                else if (errno == EAGAIN)
                        r = wait_for(fd, POLLIN, deadline_usec);
                else if (errno != EINTR)
                        r = -errno;
        }
        crypto_wipe(buf, sizeof(buf));
        wg_uapi_parser_done(p);
        if (r < 0)
                return r;
        return -p->error;
}

int wg_userspace_probe(const char *name) {
        _cleanup_close_ int fd = -EBADF;

        return connect_to(name, &fd);
}

int wg_userspace_get(const char *name, WgDevice *ret) {
        uint64_t deadline = now_monotonic_usec() + DEADLINE_USEC;
        _cleanup_(wg_device_done) WgDevice d = { 0 };
        WgUapiParser p = { .device = &d };
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = connect_to(name, &fd);
        if (r < 0)
                return r;
        r = send_all(fd, WG_UAPI_GET, strlen(WG_UAPI_GET), deadline);
        if (r < 0)
                return r;
        r = receive_answer(fd, &p, deadline);
        if (r < 0)
                return r;
        memcpy(d.name, name, strlen(name) + 1);
        *ret = d;
        d = (WgDevice) { 0 };
        return 0;
}

int wg_userspace_set(const WgDevice *d, WgCounters *counters) {
        uint64_t deadline = now_monotonic_usec() + DEADLINE_USEC;
        _cleanup_(buffer_wipe) Buffer request = { 0 };
        WgUapiParser p = { 0 };
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = connect_to(d->name, &fd);
        if (r < 0)
                return r;
        r = wg_uapi_build_set(d, &request);
        if (r < 0)
                return r;
        counters->messages_sent++;
        counters->peers_sent += d->n_peers;
        counters->bytes_sent += request.len;
        r = send_all(fd, request.data, request.len, deadline);
        if (r < 0)
                return r;
        return receive_answer(fd, &p, deadline);
}
