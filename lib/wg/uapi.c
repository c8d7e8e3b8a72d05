/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/strutil.h"
#include "wg/internal.h"
#include "wg/uapi.h"

#define HEX_SIZE (2 * KEY_SIZE + 1)
#define DEVICE_TEXT_MAX 256
#define PEER_TEXT_MAX 512
#define ALLOWED_IP_TEXT_MAX (16 + PREFIX_STRING_MAX)

static int append_key(Buffer *b, const char *name, const uint8_t *key) {
        char hex[HEX_SIZE];
        int r;

        hex_encode(key, KEY_SIZE, hex);
        r = buffer_append_str(b, name);
        if (r >= 0)
                r = buffer_append(b, hex, HEX_SIZE - 1);
        if (r >= 0)
                r = buffer_append(b, "\n", 1);
        crypto_wipe(hex, sizeof(hex));
        return r;
}

/* One allocation for all: a buffer that grew would leave copies of the keys behind. */
static int reserve_for(const WgDevice *d, Buffer *b) {
        size_t n = DEVICE_TEXT_MAX;

        for (size_t i = 0; i < d->n_peers; i++)
                n += PEER_TEXT_MAX + d->peers[i].n_allowed_ips * ALLOWED_IP_TEXT_MAX;
        return buffer_reserve(b, n);
}

static int append_device(Buffer *b, const WgDevice *d) {
        int r = 0;

        if (d->flags & WG_DEVICE_HAS_PRIVATE_KEY)
                r = append_key(b, "private_key=", secret_bytes(d->private_key));
        if (r >= 0 && (d->flags & WG_DEVICE_HAS_LISTEN_PORT))
                r = buffer_appendf(b, "listen_port=%u\n", d->listen_port);
        if (r >= 0 && (d->flags & WG_DEVICE_HAS_FWMARK))
                r = buffer_appendf(b, "fwmark=%u\n", d->fwmark);
        if (r >= 0 && (d->flags & WG_DEVICE_REPLACE_PEERS))
                r = buffer_append_str(b, "replace_peers=true\n");
        return r;
}

static int append_peer(Buffer *b, const WgPeer *p) {
        char text[PREFIX_STRING_MAX], endpoint[ENDPOINT_STRING_MAX];
        int r;

        r = append_key(b, "public_key=", p->key.bytes);
        if (r < 0)
                return r;
        if (p->flags & WG_PEER_REMOVE)
                return buffer_append_str(b, "remove=true\n");
        if (p->flags & WG_PEER_UPDATE_ONLY)
                r = buffer_append_str(b, "update_only=true\n");
        if (r >= 0 && (p->flags & WG_PEER_HAS_PRESHARED_KEY))
                r = append_key(b, "preshared_key=", p->preshared_key);
        if (r >= 0 && (p->flags & WG_PEER_HAS_ENDPOINT))
                r = buffer_appendf(b, "endpoint=%s\n", endpoint_format(&p->endpoint, endpoint));
        if (r >= 0 && (p->flags & WG_PEER_HAS_KEEPALIVE))
                r = buffer_appendf(b, "persistent_keepalive_interval=%u\n", p->keepalive);
        if (r >= 0 && (p->flags & WG_PEER_REPLACE_ALLOWED_IPS))
                r = buffer_append_str(b, "replace_allowed_ips=true\n");
        for (size_t i = 0; r >= 0 && i < p->n_allowed_ips; i++)
                r = buffer_appendf(b, "allowed_ip=%s\n", prefix_format(&p->allowed_ips[i], text));
        return r;
}

int wg_uapi_build_set(const WgDevice *d, Buffer *ret) {
        int r;

        assert(d && ret);

        r = reserve_for(d, ret);
        if (r >= 0)
                r = buffer_append_str(ret, "set=1\n");
        if (r >= 0)
                r = append_device(ret, d);
        for (size_t i = 0; r >= 0 && i < d->n_peers; i++)
                r = append_peer(ret, &d->peers[i]);
        if (r >= 0)
                r = buffer_append_str(ret, "\n");
        return r;
}

/* The keys of an answer. ONCE_…: the line may be there once for a device or peer. */
enum {
        ONCE_PRIVATE_KEY = 1 << 0,
        ONCE_LISTEN_PORT = 1 << 1,
        ONCE_FWMARK = 1 << 2,
        ONCE_PRESHARED_KEY = 1 << 3,
        ONCE_ENDPOINT = 1 << 4,
        ONCE_HANDSHAKE_SEC = 1 << 5,
        ONCE_HANDSHAKE_NSEC = 1 << 6,
        ONCE_RX_BYTES = 1 << 7,
        ONCE_TX_BYTES = 1 << 8,
        ONCE_KEEPALIVE = 1 << 9,
        ONCE_PROTOCOL_VERSION = 1 << 10,
};

static int parse_key(const char *value, uint8_t *ret) {
        return hex_decode(value, ret, KEY_SIZE) < 0 ? -EBADMSG : 0;
}

static int parse_number(const char *value, uint64_t max, uint64_t *ret) {
        return parse_u64(value, max, ret) < 0 ? -EBADMSG : 0;
}

/* The socket tells the private key, not the public one. */
static int on_private_key(WgUapiParser *p, WgPeer *peer, const char *value) {
        _cleanup_(secret_freep) Secret *secret = NULL;
        uint8_t bytes[KEY_SIZE];
        int r;

        r = parse_key(value, bytes);
        if (r >= 0)
                r = secret_new_take(bytes, &secret);
        crypto_wipe(bytes, sizeof(bytes));
        if (r < 0)
                return r;
        return wgkey_public(secret, &p->device->public_key);
}

static int on_listen_port(WgUapiParser *p, WgPeer *peer, const char *value) {
        uint64_t n;
        int r;

        r = parse_number(value, UINT16_MAX, &n);
        if (r < 0)
                return r;
        p->device->listen_port = (uint16_t) n;
        p->device->flags |= WG_DEVICE_HAS_LISTEN_PORT;
        return 0;
}

static int on_fwmark(WgUapiParser *p, WgPeer *peer, const char *value) {
        uint64_t n;
        int r;

        r = parse_number(value, UINT32_MAX, &n);
        if (r < 0)
                return r;
        p->device->fwmark = (uint32_t) n;
        p->device->flags |= WG_DEVICE_HAS_FWMARK;
        return 0;
}

static int on_preshared_key(WgUapiParser *p, WgPeer *peer, const char *value) {
        static const uint8_t none[KEY_SIZE];
        int r;

        r = parse_key(value, peer->preshared_key);
        if (r < 0)
                return r;
        if (!crypto_equal(peer->preshared_key, none, KEY_SIZE))
                peer->flags |= WG_PEER_HAS_PRESHARED_KEY;
        return 0;
}

/* A link-local endpoint comes with a zone ("[fe80::1%eth0]:51820") that our endpoints do not have. */
static int on_endpoint(WgUapiParser *p, WgPeer *peer, const char *value) {
        char text[WG_UAPI_LINE_MAX];
        const char *zone = strchr(value, '%'), *end = zone ? strchr(zone, ']') : NULL;

        if (end)
                (void) snprintf(text, sizeof(text), "%.*s%s", (int) (zone - value), value, end);
        else
                (void) snprintf(text, sizeof(text), "%s", value);
        if (endpoint_parse(text, &peer->endpoint) < 0)
                return -EBADMSG;
        peer->flags |= WG_PEER_HAS_ENDPOINT;
        return 0;
}

static void handshake_update(WgUapiParser *p, WgPeer *peer) {
        peer->last_handshake_usec = p->handshake_sec * USEC_PER_SEC + p->handshake_nsec / NSEC_PER_USEC;
}

static int on_handshake_sec(WgUapiParser *p, WgPeer *peer, const char *value) {
        int r;

        r = parse_number(value, INT64_MAX / USEC_PER_SEC, &p->handshake_sec);
        if (r >= 0)
                handshake_update(p, peer);
        return r;
}

static int on_handshake_nsec(WgUapiParser *p, WgPeer *peer, const char *value) {
        int r;

        r = parse_number(value, 999999999, &p->handshake_nsec);
        if (r >= 0)
                handshake_update(p, peer);
        return r;
}

static int on_rx_bytes(WgUapiParser *p, WgPeer *peer, const char *value) {
        return parse_number(value, UINT64_MAX, &peer->rx_bytes);
}

static int on_tx_bytes(WgUapiParser *p, WgPeer *peer, const char *value) {
        return parse_number(value, UINT64_MAX, &peer->tx_bytes);
}

static int on_keepalive(WgUapiParser *p, WgPeer *peer, const char *value) {
        uint64_t n;
        int r;

        r = parse_number(value, UINT16_MAX, &n);
        if (r < 0)
                return r;
        peer->keepalive = (uint16_t) n;
        peer->flags |= WG_PEER_HAS_KEEPALIVE;
        return 0;
}

static int on_protocol_version(WgUapiParser *p, WgPeer *peer, const char *value) {
        uint64_t n;

        return parse_number(value, UINT32_MAX, &n);
}

static int on_allowed_ip(WgUapiParser *p, WgPeer *peer, const char *value) {
        Prefix prefix;

        if (prefix_parse(value, &prefix) < 0)
                return -EBADMSG;
        return wg_peer_append_allowed_ip(peer, &prefix);
}

static const struct {
        const char *name;
        unsigned once;
        bool of_peer;
        int (*handler)(WgUapiParser *p, WgPeer *peer, const char *value);
} lines[] = {
        { "private_key", ONCE_PRIVATE_KEY, false, on_private_key },
        { "listen_port", ONCE_LISTEN_PORT, false, on_listen_port },
        { "fwmark", ONCE_FWMARK, false, on_fwmark },
        { "preshared_key", ONCE_PRESHARED_KEY, true, on_preshared_key },
        { "protocol_version", ONCE_PROTOCOL_VERSION, true, on_protocol_version },
        { "endpoint", ONCE_ENDPOINT, true, on_endpoint },
        { "last_handshake_time_sec", ONCE_HANDSHAKE_SEC, true, on_handshake_sec },
        { "last_handshake_time_nsec", ONCE_HANDSHAKE_NSEC, true, on_handshake_nsec },
        { "rx_bytes", ONCE_RX_BYTES, true, on_rx_bytes },
        { "tx_bytes", ONCE_TX_BYTES, true, on_tx_bytes },
        { "persistent_keepalive_interval", ONCE_KEEPALIVE, true, on_keepalive },
        { "allowed_ip", 0, true, on_allowed_ip },
};

static int on_public_key(WgUapiParser *p, const char *value) {
        PublicKey key;
        WgPeer *peer;
        int r;

        r = parse_key(value, key.bytes);
        if (r < 0)
                return r;
        p->seen = 0;
        p->handshake_sec = p->handshake_nsec = 0;
        return wg_device_append_peer(p->device, &key, &peer);
}

/* wireguard-go writes negative numbers, the protocol's text says positive ones. */
static int on_errno(WgUapiParser *p, const char *value) {
        uint64_t n;
        int r;

        if (p->has_error)
                return -EBADMSG;
        r = parse_number(*value == '-' ? value + 1 : value, 4095, &n);
        if (r < 0)
                return r;
        p->error = (int) n;
        p->has_error = true;
        return 0;
}

static int on_line(WgUapiParser *p) {
        char *value = strchr(p->line, '=');
        WgPeer *peer;

        if (p->line_len == 0) {
                if (!p->has_error)
                        return -EBADMSG;
                p->done = true;
                return 0;
        }
        if (!value || strlen(p->line) != p->line_len)
                return -EBADMSG;
        *value++ = '\0';
        if (streq(p->line, "errno"))
                return on_errno(p, value);
        if (!p->device || p->has_error)
                return -EBADMSG;
        if (streq(p->line, "public_key"))
                return on_public_key(p, value);

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                if (!streq(p->line, lines[i].name))
                        continue;
                if ((p->seen & lines[i].once) || lines[i].of_peer != (p->device->n_peers > 0))
                        return -EBADMSG;
                p->seen |= lines[i].once;
                peer = lines[i].of_peer ? &p->device->peers[p->device->n_peers - 1] : NULL;
                return lines[i].handler(p, peer, value);
        }
        return 0; /* of a newer implementation */
}

int wg_uapi_parse(WgUapiParser *p, const void *data, size_t len) {
        const char *s = data;
        int r;

        assert(p && (data || len == 0));

        for (size_t i = 0; i < len; i++) {
                if (p->done || p->line_len >= sizeof(p->line) - 1)
                        return -EBADMSG;
                if (s[i] != '\n') {
                        p->line[p->line_len++] = s[i];
                        continue;
                }
                p->line[p->line_len] = '\0';
                r = on_line(p);
                if (r < 0)
                        return r;
                p->line_len = 0;
        }
        return p->done;
}

void wg_uapi_parser_done(WgUapiParser *p) {
        crypto_wipe(p->line, sizeof(p->line));
        p->line_len = 0;
}
