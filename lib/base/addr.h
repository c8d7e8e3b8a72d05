/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/macro.h"

#define ADDRESS_STRING_MAX 48
#define PREFIX_STRING_MAX 52
#define ENDPOINT_STRING_MAX 64

/* An IPv4 or IPv6 address in network byte order; family 0 is "none". Unused bytes are 0, so that two equal
 * addresses are equal bytes. */
typedef struct Address {
        uint8_t family; /* AF_INET, AF_INET6, 0 */
        uint8_t bytes[16];
} Address;

/* An address range. Host bits are 0 but in what prefix_parse_host() reads. */
typedef struct Prefix {
        Address address;
        uint8_t length;
} Prefix;

/* UDP endpoint; port in host byte order. */
typedef struct Endpoint {
        Address address;
        uint16_t port;
} Endpoint;

static inline size_t address_size(const Address *a) {
        return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}

static inline uint8_t address_bits(const Address *a) {
        return (uint8_t) (address_size(a) * 8);
}

/* Numeric addresses only, no zone. -EINVAL. */
int address_parse(const char *s, Address *ret);
const char *address_format(const Address *a, char buf[static ADDRESS_STRING_MAX]); /* returns buf */
bool address_equal(const Address *a, const Address *b);
int address_compare(const Address *a, const Address *b);

/* "10.1.0.0/16", "fd00::/48"; an address alone is a /32 or /128. -EINVAL; -EADDRNOTAVAIL: host bits are set.
 */
int prefix_parse(const char *s, Prefix *ret);
const char *prefix_format(const Prefix *p, char buf[static PREFIX_STRING_MAX]); /* returns buf */
bool prefix_equal(const Prefix *a, const Prefix *b);
int prefix_compare(const Prefix *a, const Prefix *b);           /* family, then address, then length */
bool prefix_contains(const Prefix *outer, const Prefix *inner); /* equal ranges contain each other */
bool prefix_contains_address(const Prefix *p, const Address *a);
bool prefix_overlaps(const Prefix *a, const Prefix *b);
Prefix prefix_of_address(const Address *a); /* /32 or /128 */
/* Sets the bits behind the length to 0. */
void prefix_mask(Prefix *p);

/* The address of p plus n. -ERANGE when that is outside p. */
int prefix_nth(const Prefix *p, uint64_t n, Address *ret);

/* "192.0.2.1:51820", "[2001:db8::1]:51820". -EINVAL. */
int endpoint_parse(const char *s, Endpoint *ret);
const char *endpoint_format(const Endpoint *e, char buf[static ENDPOINT_STRING_MAX]);
bool endpoint_equal(const Endpoint *a, const Endpoint *b);
socklen_t endpoint_to_sockaddr(const Endpoint *e, struct sockaddr_storage *ret);
/* -EAFNOSUPPORT */
int endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, Endpoint *ret);
