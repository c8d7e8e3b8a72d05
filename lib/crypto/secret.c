/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <sodium.h>
#include <sys/mman.h>

#include "crypto/crypto.h"

struct Secret {
        uint8_t bytes[KEY_SIZE];
};

Secret *secret_free(Secret *s) {
        sodium_free(s); /* wipes; takes NULL */
        return NULL;
}

static Secret *secret_allocate(void) {
        return sodium_malloc(sizeof(Secret));
}

int secret_new_random(Secret **ret) {
        Secret *s;

        assert(ret);

        s = secret_allocate();
        if (!s)
                return -ENOMEM;
        randombytes_buf(s->bytes, sizeof(s->bytes));
        *ret = s;
        return 0;
}

int secret_new_take(uint8_t bytes[static KEY_SIZE], Secret **ret) {
        Secret *s;

        assert(bytes && ret);

        s = secret_allocate();
        if (s)
                memcpy(s->bytes, bytes, KEY_SIZE);
        sodium_memzero(bytes, KEY_SIZE); /* also when there is no memory: the caller has given it away */
        if (!s)
                return -ENOMEM;
        *ret = s;
        return 0;
}

const uint8_t *secret_bytes(const Secret *s) {
        assert(s);
        return s->bytes;
}

/* sodium_malloc() does not say when its pages could not be locked, so one page is tried here. */
static int memory_lock_works(void) {
        size_t size = (size_t) sysconf(_SC_PAGESIZE);
        void *page;
        int r;

        page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED)
                return -errno;
        r = mlock(page, size) < 0 ? -errno : 0;
        (void) munmap(page, size);
        return r;
}

int crypto_setup(void) {
        if (sodium_init() < 0)
                return -EIO;
        return memory_lock_works() < 0 ? -EIO : 0;
}

void crypto_random(void *ret, size_t len) {
        randombytes_buf(ret, len);
}

uint64_t crypto_random_u64(void) {
        uint64_t u;

        randombytes_buf(&u, sizeof(u));
        return u;
}

void crypto_wipe(void *p, size_t len) {
        if (len > 0)
                sodium_memzero(p, len);
}

bool crypto_equal(const void *a, const void *b, size_t len) {
        return sodium_memcmp(a, b, len) == 0;
}

void digest_blake2b(const void *data, size_t len, Digest *ret) {
        assert(ret);
        (void) crypto_generichash(ret->bytes, sizeof(ret->bytes), data, len, NULL, 0);
}

void digest_sha256(const void *data, size_t len, Digest *ret) {
        assert(ret);
        (void) crypto_hash_sha256(ret->bytes, data, len);
}
