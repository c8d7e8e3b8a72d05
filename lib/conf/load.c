/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <dirent.h>
#include <stdio.h>

#include "base/fileio.h"
#include "base/strutil.h"
#include "conf/conf.h"

static int fail(ConfError *ret_error, const char *path, int r, const char *what) {
        if (ret_error)
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "%.300s: %s", path,
                                what ? what : strerrordesc_np(-r));
        return r;
}

static int load_file(const char *path, const ConfItem *items, size_t n_items, void *data,
                     ConfError *ret_error) {
        _cleanup_free_ uint8_t *text = NULL;
        size_t len;
        int r;

        r = file_read(path, CONF_FILE_MAX, &text, &len);
        if (r == -ENOENT)
                return 0;
        if (r == -ELOOP)
                return fail(ret_error, path, r, "symbolic links are not followed here");
        if (r < 0)
                return fail(ret_error, path, r, NULL);
        return conf_parse(path, (const char *) text, len, items, n_items, data, ret_error);
}

static bool is_dropin(const char *name) {
        size_t n = strlen(name);

        return name[0] != '.' && n > strlen(".conf") && streq(name + n - strlen(".conf"), ".conf");
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Sorted; *ret NULL where there is no such folder. */
static int list_dropins(const char *folder, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;
        struct dirent *entry;
        DIR *dir;
        int r = 0;

        dir = opendir(folder);
        if (!dir) {
                if (errno != ENOENT)
                        return -errno;
                *ret = NULL;
                return 0;
        }
        for (;;) {
                errno = 0;
                entry = readdir(dir);
                if (!entry) {
                        r = -errno;
                        break;
                }
                if (!is_dropin(entry->d_name))
                        continue;
                r = strv_length(names) >= CONF_DROPINS_MAX ? -E2BIG : strv_append(&names, entry->d_name);
                if (r < 0)
                        break;
        }
        (void) closedir(dir);
        if (r < 0)
                return r;
        if (names)
                qsort(names, strv_length(names), sizeof(char *), compare_names);
        *ret = TAKE(names);
        return 0;
}

int conf_load(const char *path, const ConfItem *items, size_t n_items, void *data, ConfError *ret_error) {
        _cleanup_(strv_freep) char **names = NULL;
        _cleanup_free_ char *folder = NULL;
        int r;

        r = load_file(path, items, n_items, data, ret_error);
        if (r < 0)
                return r;
        folder = str_printf("%s.d", path);
        if (!folder)
                return fail(ret_error, path, -ENOMEM, NULL);
        r = list_dropins(folder, &names);
        if (r < 0)
                return fail(ret_error, folder, r, NULL);
        STRV_FOREACH (name, names) {
                _cleanup_free_ char *dropin = str_printf("%s/%s", folder, *name);

                if (!dropin)
                        return fail(ret_error, folder, -ENOMEM, NULL);
                r = load_file(dropin, items, n_items, data, ret_error);
                if (r < 0)
                        return r;
        }
        return 0;
}
