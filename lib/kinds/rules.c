/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "kinds/rules.h"

int rule_error(FieldError *ret_error, const char *field, const char *detail) {
        if (ret_error) {
                (void) snprintf(ret_error->field, sizeof(ret_error->field), "%s", field);
                (void) snprintf(ret_error->detail, sizeof(ret_error->detail), "%s", detail);
        }
        return -EINVAL;
}

int rule_name(const char *field, const char *name, FieldError *ret_error) {
        size_t len = strlen(name);

        if (len == 0 || len > NAME_MAX_BYTES ||
            strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != len || strchr("-_.", name[0]))
                return rule_error(ret_error, field,
                                  "must have 1 to 63 of a-z, 0-9, '-', '_', '.', and begin with a letter or "
                                  "digit");
        return 0;
}

int rule_site_range(const char *field, const Prefix *p, FieldError *ret_error) {
        static const struct {
                const char *range, *detail;
        } refused[] = {
                { "0.0.0.0/8", "0.0.0.0/8 cannot be routed" },
                { "127.0.0.0/8", "loopback addresses cannot be routed" },
                { "169.254.0.0/16", "link-local addresses cannot be routed" },
                { "224.0.0.0/4", "multicast cannot be routed" },
                { "255.255.255.255/32", "broadcast cannot be routed" },
                { "::/127", "the unspecified and the loopback address cannot be routed" },
                { "::ffff:0:0/96", "IPv4 addresses written as IPv6 cannot be routed" },
                { "fe80::/10", "link-local addresses cannot be routed" },
                { "ff00::/8", "multicast cannot be routed" },
        };

        if (p->length == 0)
                return rule_error(ret_error, field, "the default route is not a range of a site");
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                Prefix r;

                if (prefix_parse(refused[i].range, &r) < 0)
                        return rule_error(ret_error, field, "cannot be checked");
                if (prefix_overlaps(&r, p))
                        return rule_error(ret_error, field, refused[i].detail);
        }
        return 0;
}
