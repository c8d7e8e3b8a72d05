/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <stdio.h>

#include "rtnl/rtnl.h"

#define KEY_MAX 128
#define VALUE_MAX 64

static bool key_is_valid(const char *key) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_/.-";
        size_t len = strnlen(key, KEY_MAX + 1);

        return len > 0 && len <= KEY_MAX && strspn(key, allowed) == len && key[0] != '/' &&
               !strstr(key, "..");
}

static size_t trimmed(const char *s, size_t len) {
        while (len > 0 && (s[len - 1] == '\n' || s[len - 1] == ' '))
                len--;
        return len;
}

int rtnl_sysctl_set(const char *key, const char *value) {
        char path[KEY_MAX + sizeof("/proc/sys/net/")], old[VALUE_MAX];
        _cleanup_close_ int fd = -EBADF;
        size_t len;
        ssize_t n;

        assert(key && value);

        len = strnlen(value, VALUE_MAX);
        if (!key_is_valid(key) || len == 0 || len >= VALUE_MAX || strchr(value, '\n'))
                return -EINVAL;
        (void) snprintf(path, sizeof(path), "/proc/sys/net/%s", key);

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        n = read(fd, old, sizeof(old));
        if (n < 0)
                return -errno;
        if (trimmed(old, (size_t) n) == len && memcmp(old, value, len) == 0)
                return 0;

        (void) close(fd);
        fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        n = write(fd, value, len);
        if (n < 0)
                return -errno;
        return (size_t) n == len ? 0 : -EIO;
}
