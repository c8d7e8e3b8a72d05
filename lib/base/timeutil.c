/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <time.h>

#include "base/strutil.h"
#include "base/timeutil.h"

#define TIME_SEC_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z: RFC 3339 ends there */
#define BACKOFF_ATTEMPT_MAX 32

static uint64_t now_usec(clockid_t clock) {
        struct timespec ts;

        if (clock_gettime(clock, &ts) < 0)
                return 0; /* cannot fail for the clocks that we ask for */
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / NSEC_PER_USEC;
}

uint64_t now_realtime_usec(void) {
        return now_usec(CLOCK_REALTIME);
}

uint64_t now_monotonic_usec(void) {
        return now_usec(CLOCK_MONOTONIC);
}

const char *time_format(uint64_t usec, char buf[static TIME_STRING_MAX]) {
        time_t t = (time_t) MIN(usec / USEC_PER_SEC, (uint64_t) TIME_SEC_MAX);
        struct tm tm;

        if (usec == 0 || !gmtime_r(&t, &tm) ||
            strftime(buf, TIME_STRING_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                buf[0] = 0;
        return buf;
}

static int digits_value(const char *s, size_t n) {
        int v = 0;

        for (size_t i = 0; i < n; i++)
                v = v * 10 + (s[i] - '0');
        return v;
}

int time_parse(const char *s, uint64_t *ret_usec) {
        static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
        struct tm tm = { 0 }, check;
        time_t t;

        if (strlen(s) != sizeof(shape) - 1)
                return -EINVAL;
        for (size_t i = 0; i < sizeof(shape) - 1; i++)
                if (shape[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i])
                        return -EINVAL;
        tm.tm_year = digits_value(s, 4) - 1900;
        tm.tm_mon = digits_value(s + 5, 2) - 1;
        tm.tm_mday = digits_value(s + 8, 2);
        tm.tm_hour = digits_value(s + 11, 2);
        tm.tm_min = digits_value(s + 14, 2);
        tm.tm_sec = digits_value(s + 17, 2);
        check = tm;
        t = timegm(&check);
        /* timegm() turns the 31st of April into the 1st of May; we refuse it. */
        if (t < 0 || check.tm_mon != tm.tm_mon || check.tm_mday != tm.tm_mday ||
            check.tm_hour != tm.tm_hour || check.tm_min != tm.tm_min || check.tm_sec != tm.tm_sec)
                return -EINVAL;
        *ret_usec = (uint64_t) t * USEC_PER_SEC;
        return 0;
}

int timespan_parse(const char *s, uint64_t *ret_usec) {
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = {
                { "", USEC_PER_SEC },
                { "us", 1 },
                { "ms", USEC_PER_MSEC },
                { "s", USEC_PER_SEC },
                { "sec", USEC_PER_SEC },
                { "min", 60 * USEC_PER_SEC },
                { "h", 3600 * USEC_PER_SEC },
                { "d", 86400 * USEC_PER_SEC },
                { "w", 7 * 86400 * USEC_PER_SEC },
        };
        size_t digits = strspn(s, "0123456789");
        char number[24];
        uint64_t v;
        int r;

        if (digits == 0)
                return -EINVAL;
        if (digits >= sizeof(number))
                return -ERANGE;
        memcpy(number, s, digits);
        number[digits] = 0;
        r = parse_u64(number, UINT64_MAX, &v);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (streq(s + digits, units[i].name)) {
                        if (__builtin_mul_overflow(v, units[i].usec, &v) || v == USEC_INFINITY)
                                return -ERANGE;
                        *ret_usec = v;
                        return 0;
                }
        return -EINVAL;
}

uint64_t backoff_next(Backoff *b, uint64_t random) {
        uint64_t limit, least = b->base_usec / 2;

        if (b->attempt >= BACKOFF_ATTEMPT_MAX ||
            __builtin_mul_overflow(b->base_usec, UINT64_C(1) << b->attempt, &limit))
                limit = b->cap_usec;
        limit = MIN(limit, b->cap_usec);
        if (b->attempt < BACKOFF_ATTEMPT_MAX)
                b->attempt++;
        least = MIN(least, limit); /* not 0, so that lucky draws are no hot loop */
        return limit - least == UINT64_MAX ? random : least + random % (limit - least + 1);
}
