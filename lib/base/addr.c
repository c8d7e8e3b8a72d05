/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/strutil.h"

int address_parse(const char *s, Address *ret) {
        Address a = { 0 };

        a.family = strchr(s, ':') ? AF_INET6 : AF_INET;
        if (inet_pton(a.family, s, a.bytes) != 1)
                return -EINVAL;
        *ret = a;
        return 0;
}

const char *address_format(const Address *a, char buf[static ADDRESS_STRING_MAX]) {
        if (a->family == 0 || !inet_ntop(a->family, a->bytes, buf, ADDRESS_STRING_MAX))
                buf[0] = 0;
        return buf;
}

bool address_equal(const Address *a, const Address *b) {
        return address_compare(a, b) == 0;
}

int address_compare(const Address *a, const Address *b) {
        if (a->family != b->family) /* AF_INET is 2, AF_INET6 is 10 */
                return a->family < b->family ? -1 : 1;
        return memcmp(a->bytes, b->bytes, address_size(a));
}

/* 0 or the mask of the bits of byte i that belong to a prefix of that length. */
static uint8_t mask_byte(uint8_t length, size_t i) {
        if (length >= (i + 1) * 8)
                return 0xFF;
        if (length <= i * 8)
                return 0;
        return (uint8_t) (0xFF << (8 - length % 8));
}

int prefix_parse(const char *s, Prefix *ret) {
        char text[ADDRESS_STRING_MAX];
        const char *slash = strchr(s, '/');
        size_t n = slash ? (size_t) (slash - s) : strlen(s);
        Prefix p, masked;
        uint64_t length;
        int r;

        if (n >= sizeof(text))
                return -EINVAL;
        memcpy(text, s, n);
        text[n] = 0;
        r = address_parse(text, &p.address);
        if (r < 0)
                return r;
        p.length = address_bits(&p.address);
        if (slash) {
                r = parse_u64(slash + 1, p.length, &length);
                if (r < 0)
                        return -EINVAL;
                p.length = (uint8_t) length;
        }
        masked = p;
        prefix_mask(&masked);
        if (!address_equal(&masked.address, &p.address))
                return -EADDRNOTAVAIL;
        *ret = p;
        return 0;
}

const char *prefix_format(const Prefix *p, char buf[static PREFIX_STRING_MAX]) {
        char text[ADDRESS_STRING_MAX];

        if (p->address.family == 0)
                buf[0] = 0;
        else
                (void) snprintf(buf, PREFIX_STRING_MAX, "%s/%u", address_format(&p->address, text),
                                p->length);
        return buf;
}

bool prefix_equal(const Prefix *a, const Prefix *b) {
        return prefix_compare(a, b) == 0;
}

int prefix_compare(const Prefix *a, const Prefix *b) {
        int r = address_compare(&a->address, &b->address);

        if (r != 0)
                return r;
        return a->length < b->length ? -1 : a->length > b->length;
}

bool prefix_contains_address(const Prefix *p, const Address *a) {
        if (p->address.family == 0 || p->address.family != a->family)
                return false;
        for (size_t i = 0; i < address_size(a); i++)
                if ((p->address.bytes[i] ^ a->bytes[i]) & mask_byte(p->length, i))
                        return false;
        return true;
}

bool prefix_contains(const Prefix *outer, const Prefix *inner) {
        return outer->length <= inner->length && prefix_contains_address(outer, &inner->address);
}

bool prefix_overlaps(const Prefix *a, const Prefix *b) {
        return prefix_contains(a, b) || prefix_contains(b, a);
}

Prefix prefix_of_address(const Address *a) {
        return (Prefix) { .address = *a, .length = address_bits(a) };
}

void prefix_mask(Prefix *p) {
        for (size_t i = 0; i < sizeof(p->address.bytes); i++)
                p->address.bytes[i] &= mask_byte(p->length, i);
}

int prefix_nth(const Prefix *p, uint64_t n, Address *ret) {
        Address a = p->address;
        unsigned host_bits = address_bits(&a) - p->length, carry = 0;

        if (a.family == 0 || (host_bits < 64 && n >> host_bits != 0))
                return -ERANGE;
        for (size_t i = address_size(&a); i-- > 0;) {
                unsigned v = a.bytes[i] + (unsigned) (n & 0xFF) + carry;

                a.bytes[i] = (uint8_t) v;
                carry = v >> 8;
                n >>= 8;
        }
        if (!prefix_contains_address(p, &a)) /* p has host bits of its own */
                return -ERANGE;
        *ret = a;
        return 0;
}

int endpoint_parse(const char *s, Endpoint *ret) {
        char text[ADDRESS_STRING_MAX];
        const char *colon = strrchr(s, ':');
        bool bracket = s[0] == '[';
        Endpoint e = { 0 };
        uint64_t port;
        size_t n;
        int r;

        if (!colon)
                return -EINVAL;
        n = (size_t) (colon - s);
        if (bracket) {
                if (n < 2 || s[n - 1] != ']')
                        return -EINVAL;
                s++;
                n -= 2;
        } else if (memchr(s, ':', n))
                return -EINVAL;
        if (n >= sizeof(text))
                return -EINVAL;
        memcpy(text, s, n);
        text[n] = 0;
        r = address_parse(text, &e.address);
        if (r < 0)
                return r;
        if (bracket != (e.address.family == AF_INET6))
                return -EINVAL;
        r = parse_u64(colon + 1, UINT16_MAX, &port);
        if (r < 0 || port == 0)
                return -EINVAL;
        e.port = (uint16_t) port;
        *ret = e;
        return 0;
}

const char *endpoint_format(const Endpoint *e, char buf[static ENDPOINT_STRING_MAX]) {
        char text[ADDRESS_STRING_MAX];

        if (e->address.family == 0)
                buf[0] = 0;
        else
                (void) snprintf(buf, ENDPOINT_STRING_MAX,
                                e->address.family == AF_INET6 ? "[%s]:%u" : "%s:%u",
                                address_format(&e->address, text), e->port);
        return buf;
}

bool endpoint_equal(const Endpoint *a, const Endpoint *b) {
        return a->port == b->port && address_equal(&a->address, &b->address);
}

socklen_t endpoint_to_sockaddr(const Endpoint *e, struct sockaddr_storage *ret) {
        *ret = (struct sockaddr_storage){ 0 };
        if (e->address.family == AF_INET) {
                struct sockaddr_in *in = (struct sockaddr_in *) ret;

                in->sin_family = AF_INET;
                in->sin_port = htons(e->port);
                memcpy(&in->sin_addr, e->address.bytes, 4);
                return sizeof(*in);
        }
        if (e->address.family == AF_INET6) {
                struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) ret;

                in6->sin6_family = AF_INET6;
                in6->sin6_port = htons(e->port);
                memcpy(&in6->sin6_addr, e->address.bytes, 16);
                return sizeof(*in6);
        }
        return 0;
}

int endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, Endpoint *ret) {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        Endpoint e = { 0 };

        if (len >= sizeof(in) && sa->sa_family == AF_INET) {
                memcpy(&in, sa, sizeof(in));
                e.address.family = AF_INET;
                e.port = ntohs(in.sin_port);
                memcpy(e.address.bytes, &in.sin_addr, 4);
        } else if (len >= sizeof(in6) && sa->sa_family == AF_INET6) {
                memcpy(&in6, sa, sizeof(in6));
                e.address.family = AF_INET6;
                e.port = ntohs(in6.sin6_port);
                memcpy(e.address.bytes, &in6.sin6_addr, 16);
        } else
                return -EAFNOSUPPORT;
        *ret = e;
        return 0;
}
