/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <sys/stat.h>

#include "agentd/identity.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/strutil.h"
#include "base/timeutil.h"

#define IDENTITY_FILE "identity.key"
#define WG_KEY_FILE "wireguard-0.key"
#define EPOCH_FILE "epoch"
#define EPOCH_SEEN_MAX (UINT64_C(1) << 62)
#define IDENTITY_GENERATION 1

Identity *identity_free(Identity *i) {
        if (!i)
                return NULL;
        (void) secret_free(i->identity);
        (void) secret_free(i->wg_key);
        free(i->directory);
        return mfree(i);
}

static int key_load(const char *directory, const char *name, Secret **ret) {
        _cleanup_free_ char *path = str_printf("%s/%s", directory, name);
        uint8_t *data = NULL;
        size_t len = 0;
        int r;

        if (!path)
                return -ENOMEM;
        r = file_read_secret(path, KEY_SIZE, &data, &len);
        if (r < 0)
                return r;
        r = len == KEY_SIZE ? secret_new_take(data, ret) : -EBADMSG;
        crypto_wipe(data, len);
        free(data);
        return r;
}

static int key_store(const char *directory, const char *name, const Secret *key) {
        _cleanup_free_ char *path = str_printf("%s/%s", directory, name);

        return path ? file_write_new(path, secret_bytes(key), KEY_SIZE, 0600) : -ENOMEM;
}

static int identity_derive(Identity *i) {
        int r;

        r = identity_public(i->identity, &i->identity_public);
        if (r < 0)
                return r;
        r = wgkey_public(i->wg_key, &i->wg_public);
        if (r < 0)
                return r;
        node_id_from_identity(&i->identity_public, i->node_id);
        identity_fingerprint(&i->identity_public, i->fingerprint);
        return 0;
}

static int epoch_load(Identity *i) {
        _cleanup_free_ char *path = str_printf("%s/" EPOCH_FILE, i->directory);
        _cleanup_free_ uint8_t *text = NULL;
        size_t len = 0;
        int r;

        if (!path)
                return -ENOMEM;
        r = file_read(path, 32, &text, &len);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (len > 0 && text[len - 1] == '\n')
                text[len - 1] = '\0';
        return parse_u64((char *) text, INT64_MAX, &i->epoch);
}

static Identity *identity_new(const char *directory) {
        Identity *i = new(Identity);

        if (!i)
                return NULL;
        i->directory = strdup(directory);
        return i->directory ? i : identity_free(i);
}

int identity_load(const char *directory, Identity **ret) {
        _cleanup_(identity_freep) Identity *i = identity_new(directory);
        int r;

        if (!i)
                return -ENOMEM;
        r = key_load(directory, IDENTITY_FILE, &i->identity);
        if (r < 0)
                return r;
        r = key_load(directory, WG_KEY_FILE, &i->wg_key);
        if (r < 0)
                return r;
        r = epoch_load(i);
        if (r < 0) {
                /* The clock is far ahead of any counter, and the controller takes any higher epoch. */
                log_warning_errno(r, "The counter of starts is damaged (%m): going on from the clock.");
                i->epoch = now_realtime_usec() / USEC_PER_SEC;
        }
        r = identity_derive(i);
        if (r < 0)
                return r;
        *ret = TAKE(i);
        return 0;
}

int identity_create(const char *directory, Identity **ret) {
        _cleanup_(identity_freep) Identity *i = identity_new(directory);
        int r;

        if (!i)
                return -ENOMEM;
        r = secret_new_random(&i->identity);
        if (r < 0)
                return r;
        r = wgkey_new(&i->wg_key);
        if (r < 0)
                return r;
        r = identity_derive(i);
        if (r < 0)
                return r;
        /* The identity comes last: where it is, the rest is too. */
        r = key_store(directory, WG_KEY_FILE, i->wg_key);
        if (r < 0)
                return r;
        r = key_store(directory, IDENTITY_FILE, i->identity);
        if (r < 0)
                return r;
        *ret = TAKE(i);
        return 0;
}

static int file_erase(const char *directory, const char *name) {
        static const uint8_t zero[KEY_SIZE];
        _cleanup_free_ char *path = str_printf("%s/%s", directory, name);
        _cleanup_close_ int fd = -EBADF;

        if (!path)
                return -ENOMEM;
        fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && pwrite(fd, zero, sizeof(zero), 0) == (ssize_t) sizeof(zero))
                (void) fdatasync(fd);
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        return 0;
}

int identity_erase(const char *directory) {
        static const char *const names[] = { IDENTITY_FILE, WG_KEY_FILE, EPOCH_FILE };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                int q = file_erase(directory, names[i]);
                if (q < 0 && r >= 0)
                        r = q;
        }
        return r;
}

int identity_next_epoch(Identity *i) {
        _cleanup_free_ char *path = str_printf("%s/" EPOCH_FILE, i->directory);
        char text[32];
        int n, r;

        if (!path)
                return -ENOMEM;
        n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long) (i->epoch + 1));
        r = file_write_atomic(path, text, (size_t) n, 0600);
        if (r < 0)
                return r;
        i->epoch++;
        i->sequence = 0;
        return 0;
}

void identity_raise_epoch(Identity *i, uint64_t seen) {
        if (seen > i->epoch && seen < EPOCH_SEEN_MAX)
                i->epoch = seen;
        if (identity_next_epoch(i) < 0) { /* on a full disk, in memory */
                i->epoch++;
                i->sequence = 0;
        }
}

void identity_skip_sequence(Identity *i, uint64_t min) {
        if (min > i->sequence && min < INT64_MAX)
                i->sequence = min;
}

int identity_sign(Identity *i, const RequestSignatureInput *in, RequestSignatureHeaders *ret) {
        i->sequence++;
        return request_sign(i->identity, i->node_id, IDENTITY_GENERATION, i->epoch, i->sequence,
                            now_realtime_usec() / USEC_PER_SEC, in, ret);
}
