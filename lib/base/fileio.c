/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fileio.h"

#define READ_CHUNK 4096

/* As realloc(), but leaves no copy of a secret behind. */
static uint8_t *grow_wiped(uint8_t *old, size_t old_size, size_t new_size) {
        uint8_t *p = malloc(new_size);

        if (p && old)
                memcpy(p, old, old_size);
        if (p && old) {
                explicit_bzero(old, old_size);
                free(old);
        }
        return p;
}

/* hint: expected size. */
static int read_fd(int fd, size_t hint, size_t max, uint8_t **ret, size_t *ret_len) {
        size_t size = MIN(hint, max) + 2,
               len = 0; /* one for the NUL, one to see the end or that it is too long */
        uint8_t *data = NULL, *bigger;
        int r = 0;

        data = malloc(size);
        if (!data)
                return -ENOMEM;
        for (;;) {
                ssize_t n;

                if (len + 1 == size) {
                        bigger = size > SIZE_MAX / 2 ? NULL : grow_wiped(data, size, size * 2 + READ_CHUNK);
                        if (!bigger) {
                                r = -ENOMEM;
                                break;
                        }
                        data = bigger;
                        size = size * 2 + READ_CHUNK;
                }
                n = read(fd, data + len, size - 1 - len);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        r = -errno;
                        break;
                }
                if (n == 0)
                        break;
                len += (size_t) n;
                if (len > max) {
                        r = -EFBIG;
                        break;
                }
        }
        if (r < 0) {
                explicit_bzero(data, size);
                free(data);
                return r;
        }
        data[len] = 0;
        *ret = data;
        *ret_len = len;
        return 0;
}

static int file_read_internal(const char *path, size_t max, bool secret, uint8_t **ret, size_t *ret_len) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        if (secret && ((st.st_mode & (S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH)) != 0 ||
                       (st.st_uid != geteuid() && st.st_uid != 0)))
                return -EPERM;
        if (st.st_size > 0 && (uint64_t) st.st_size > max)
                return -EFBIG;
        return read_fd(fd, (size_t) st.st_size, max, ret, ret_len);
}

int file_read(const char *path, size_t max, uint8_t **ret, size_t *ret_len) {
        return file_read_internal(path, max, false, ret, ret_len);
}

int file_read_secret(const char *path, size_t max, uint8_t **ret, size_t *ret_len) {
        return file_read_internal(path, max, true, ret, ret_len);
}

int fd_read_all(int fd, size_t max, uint8_t **ret, size_t *ret_len) {
        return read_fd(fd, READ_CHUNK, max, ret, ret_len);
}

static int write_all(int fd, const uint8_t *p, size_t len) {
        while (len > 0) {
                ssize_t n = write(fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                len -= (size_t) n;
        }
        return 0;
}

static int write_and_sync(int fd, const void *data, size_t len, mode_t mode) {
        int r;

        r = write_all(fd, data, len);
        if (r < 0)
                return r;
        if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

/* The folder of path, "." and "/" where they are implied, opened; *ret_name: the last part of path. */
static int open_folder(const char *path, int *ret_fd, const char **ret_name) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *folder = NULL;
        int fd;

        if (!slash)
                folder = strdup(".");
        else
                folder = strndup(path, slash == path ? 1 : (size_t) (slash - path));
        if (!folder)
                return -ENOMEM;
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        *ret_name = slash ? slash + 1 : path;
        return 0;
}

/* *ret_name: new memory, a name that nothing else has. */
static int create_temporary(int dir_fd, const char *name, int *ret_fd, char **ret_name) {
        for (unsigned i = 0; i < 1000; i++) {
                _cleanup_free_ char *temporary = NULL;
                int fd;

                if (asprintf(&temporary, ".#%.200s.%d.%u", name, getpid(), i) < 0)
                        return -ENOMEM;
                fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
                if (fd < 0 && errno == EEXIST)
                        continue;
                if (fd < 0)
                        return -errno;
                *ret_fd = fd;
                *ret_name = TAKE(temporary);
                return 0;
        }
        return -EEXIST;
}

static int move_into_place(int dir_fd, const char *from, const char *to, bool replace) {
        if (replace)
                return renameat(dir_fd, from, dir_fd, to) < 0 ? -errno : 0;
        if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) >= 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -errno;
        /* A file system without RENAME_NOREPLACE: a hard link does not replace either. */
        if (linkat(dir_fd, from, dir_fd, to, 0) < 0)
                return -errno;
        (void) unlinkat(dir_fd, from, 0);
        return 0;
}

static int file_write_internal(const char *path, const void *data, size_t len, mode_t mode, bool replace) {
        _cleanup_close_ int dir_fd = -EBADF, fd = -EBADF;
        _cleanup_free_ char *temporary = NULL;
        const char *name = NULL;
        int r;

        r = open_folder(path, &dir_fd, &name);
        if (r < 0)
                return r;
        if (*name == 0)
                return -EISDIR;
        r = create_temporary(dir_fd, name, &fd, &temporary);
        if (r < 0)
                return r;
        r = write_and_sync(fd, data, len, mode);
        if (r >= 0)
                r = move_into_place(dir_fd, temporary, name, replace);
        if (r < 0) {
                (void) unlinkat(dir_fd, temporary, 0);
                return r;
        }
        return fsync(dir_fd) < 0 ? -errno : 0;
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode) {
        return file_write_internal(path, data, len, mode, true);
}

int file_write_new(const char *path, const void *data, size_t len, mode_t mode) {
        return file_write_internal(path, data, len, mode, false);
}
