/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <sys/utsname.h>

#include "agentd/join-internal.h"
#include "base/fileio.h"
#include "base/strutil.h"
#include "json/json.h"

#define JOINING_FILE "joining"
#define OS_RELEASE_MAX (16 * 1024)

int join_challenge_body(const Join *j, char **ret, size_t *ret_len) {
        _cleanup_json_ json_object *o = json_object_new_object();

        if (!o || json_add_b64url(o, "t", j->token->token_id, sizeof(j->token->token_id)) < 0 ||
            json_add_b64url(o, "n", j->nonce, sizeof(j->nonce)) < 0)
                return -ENOMEM;
        *ret = json_format(o, ret_len);
        return *ret ? 0 : -ENOMEM;
}

int join_challenge_parse(const HttpResponse *response, char ret_challenge[static CHALLENGE_STRING_MAX],
                         PublicKey *ret_ephemeral) {
        typedef struct Answer {
                const char *challenge;
                PublicKey ephemeral;
                uint64_t expires;
        } Answer;
        static const JsonField fields[] = {
                { "ch", JSON_FIELD_STRING, offsetof(Answer, challenge), JSON_REQUIRED },
                { "srv_eph", JSON_FIELD_B64URL_32, offsetof(Answer, ephemeral), JSON_REQUIRED },
                { "exp", JSON_FIELD_U64, offsetof(Answer, expires), 0 },
        };
        _cleanup_json_ json_object *o = NULL;
        Answer a = { 0 };

        if (json_parse((const char *) response->body, response->body_len, 0, NULL, &o) < 0 ||
            json_dispatch(o, fields, ELEMENTSOF(fields), true, &a, NULL) < 0 ||
            strlen(a.challenge) >= CHALLENGE_STRING_MAX)
                return -EBADMSG;
        (void) snprintf(ret_challenge, CHALLENGE_STRING_MAX, "%s", a.challenge);
        *ret_ephemeral = a.ephemeral;
        return 0;
}

static void copy_clean(char *to, size_t size, const char *from) {
        size_t n = 0;

        for (; *from != '\0' && n + 1 < size; from++)
                if (*from > ' ' && *from < 0x7f && *from != '"' && *from != '\'')
                        to[n++] = *from;
        to[n] = '\0';
}

/* "debian 12" */
static void read_os(char ret[static 64]) {
        _cleanup_free_ uint8_t *text = NULL;
        _cleanup_(strv_freep) char **lines = NULL;
        char id[24] = "linux", version[24] = "";
        size_t len = 0;

        if (file_read("/usr/lib/os-release", OS_RELEASE_MAX, &text, &len) >= 0 &&
            strv_split((char *) text, "\n", &lines) >= 0) {
                STRV_FOREACH (l, lines) {
                        if (strncmp(*l, "ID=", 3) == 0)
                                copy_clean(id, sizeof(id), *l + 3);
                        else if (strncmp(*l, "VERSION_ID=", 11) == 0)
                                copy_clean(version, sizeof(version), *l + 11);
                }
        }
        (void) snprintf(ret, 64, "%s%s%s", id, version[0] != '\0' ? " " : "", version);
}

static int add_host(const Join *j, json_object *o) {
        json_object *host = json_object_new_object();
        struct utsname u;
        char os[64];

        read_os(os);
        if (uname(&u) < 0)
                (void) snprintf(u.nodename, sizeof(u.nodename), "node");
        if (!host || json_add_string(host, "name", j->options.name ?: u.nodename) < 0 ||
            json_add_string(host, "os", os) < 0 || json_add_string(host, "agent", SDWAN_VERSION) < 0) {
                if (host)
                        json_object_put(host);
                return -ENOMEM;
        }
        return json_add(o, "host", host);
}

static int add_wg_key(const Join *j, const char *challenge, const PublicKey *ephemeral, json_object *o) {
        json_object *list = json_object_new_array(), *key;
        Digest proof;
        int r;

        r = wgkey_proof(j->identity->wg_key, ephemeral, challenge, &j->identity->identity_public,
                        &j->identity->wg_public, &proof);
        key = r < 0 ? NULL : json_object_new_object();
        if (!list || !key || json_add_u64(key, "lane", 0) < 0 ||
            json_add_b64url(key, "pk", j->identity->wg_public.bytes, KEY_SIZE) < 0 ||
            json_add_b64url(key, "pop", proof.bytes, DIGEST_SIZE) < 0) {
                if (list)
                        json_object_put(list);
                if (key)
                        json_object_put(key);
                return r < 0 ? r : -ENOMEM;
        }
        r = json_append(list, key);
        if (r < 0) {
                json_object_put(list);
                return r;
        }
        return json_add(o, "wk", list);
}

int join_enrol_body(const Join *j, const char *challenge, const PublicKey *server_ephemeral, char **ret,
                    size_t *ret_len) {
        _cleanup_json_ json_object *o = json_object_new_object();
        static char *const none[] = { NULL };
        int r;

        if (!o || json_add_b64url(o, "t", j->token->token_id, sizeof(j->token->token_id)) < 0 ||
            json_add_string(o, "ch", challenge) < 0 ||
            json_add_b64url(o, "n", j->nonce, sizeof(j->nonce)) < 0 ||
            json_add_b64url(o, "ik", j->identity->identity_public.bytes, KEY_SIZE) < 0 ||
            json_add_u64(o, "ik_gen", 1) < 0)
                return -ENOMEM;
        r = add_wg_key(j, challenge, server_ephemeral, o);
        if (r < 0)
                return r;
        r = add_host(j, o);
        if (r < 0)
                return r;
        if (json_add_strv(o, "prefixes", j->options.prefixes ?: none) < 0 ||
            (j->options.endpoint && json_add_string(o, "endpoint", j->options.endpoint) < 0) ||
            json_add_string(o, "idem", j->idem) < 0)
                return -ENOMEM;
        *ret = json_format(o, ret_len);
        return *ret ? 0 : -ENOMEM;
}

typedef struct Ack {
        const char *type, *controller_id, *node_id, *name, *network, *role, *state, *address4, *address6;
        Digest request_hash;
        uint64_t serial, time;
} Ack;

static int ack_to_membership(const Ack *a, const Join *j, Membership *m) {
        if ((a->address4 && address_parse(a->address4, &m->address4) < 0) ||
            (a->address6 && address_parse(a->address6, &m->address6) < 0) ||
            (!streq(a->role, "hub") && !streq(a->role, "spoke")) ||
            (!streq(a->state, "active") && !streq(a->state, "pending")))
                return -EBADMSG;
        m->hub = streq(a->role, "hub");
        m->pending = streq(a->state, "pending");
        m->node_id = strdup(a->node_id);
        m->name = strdup(a->name);
        m->network = strdup(a->network);
        return m->node_id && m->name && m->network ? 0 : -ENOMEM;
}

static const PublicKey *lookup_key(const char *key_id, void *userdata) {
        return keydoc_find(userdata, key_id);
}

int join_take_ack(Join *j, const HttpResponse *response, const char **ret_reason) {
        static const JsonField fields[] = {
                { "type", JSON_FIELD_STRING, offsetof(Ack, type), JSON_REQUIRED },
                { "req_hash", JSON_FIELD_B64URL_32, offsetof(Ack, request_hash), JSON_REQUIRED },
                { "controller_id", JSON_FIELD_STRING, offsetof(Ack, controller_id), JSON_REQUIRED },
                { "node_id", JSON_FIELD_STRING, offsetof(Ack, node_id), JSON_REQUIRED },
                { "name", JSON_FIELD_STRING, offsetof(Ack, name), JSON_REQUIRED },
                { "network", JSON_FIELD_STRING, offsetof(Ack, network), JSON_REQUIRED },
                { "role", JSON_FIELD_STRING, offsetof(Ack, role), JSON_REQUIRED },
                { "state", JSON_FIELD_STRING, offsetof(Ack, state), JSON_REQUIRED },
                { "address4", JSON_FIELD_STRING, offsetof(Ack, address4), JSON_NULLABLE },
                { "address6", JSON_FIELD_STRING, offsetof(Ack, address6), JSON_NULLABLE },
                { "keys_serial", JSON_FIELD_U64, offsetof(Ack, serial), JSON_REQUIRED },
                { "time", JSON_FIELD_U64, offsetof(Ack, time), 0 },
        };
        _cleanup_free_ uint8_t *payload = NULL;
        _cleanup_json_ json_object *o = NULL;
        Membership *m = j->membership;
        size_t len = 0;
        Ack a = { 0 };

        *ret_reason = "the acknowledgement is not signed by the controller";
        if (envelope_decode((const char *) response->body, response->body_len, DOMAIN_ENROL_ACK, lookup_key,
                            &m->keys, &payload, &len) < 0)
                return -EKEYREJECTED;
        *ret_reason = "the acknowledgement is malformed";
        if (json_parse((char *) payload, len, 0, NULL, &o) < 0 ||
            json_dispatch(o, fields, ELEMENTSOF(fields), true, &a, NULL) < 0 || !streq(a.type, "ack"))
                return -EBADMSG;
        *ret_reason = "the acknowledgement is for another request";
        if (!streq(a.controller_id, m->controller_id) || !streq(a.node_id, j->identity->node_id) ||
            !crypto_equal(&a.request_hash, &j->request_hash, sizeof(a.request_hash)))
                return -EKEYREJECTED;
        *ret_reason = "the acknowledgement is malformed";
        return ack_to_membership(&a, j, m);
}

/* The idempotence key belongs to a token: the same token after a crash is the same request. */
static int load_idem(Join *j, const char *path, const char *token_id) {
        _cleanup_free_ uint8_t *text = NULL;
        _cleanup_(strv_freep) char **words = NULL;
        uint8_t check[16];
        size_t len = 0;
        int r;

        r = file_read(path, 256, &text, &len);
        if (r < 0)
                return r;
        r = strv_split((char *) text, " \n", &words);
        if (r < 0)
                return r;
        if (strv_length(words) != 2 || !streq(words[0], token_id) ||
            hex_decode(words[1], check, sizeof(check)) < 0)
                return -ENOENT;
        memcpy(j->idem, words[1], JOIN_IDEM_SIZE);
        return 0;
}

int join_prepare(Join *j) {
        _cleanup_free_ char *path = str_printf("%s/" JOINING_FILE, j->manager->directory), *text = NULL;
        uint8_t random[16];
        char token_id[17];
        int r;

        if (!path)
                return -ENOMEM;
        if (!j->identity) {
                r = identity_load(j->manager->directory, &j->identity);
                j->made_keys = r == -ENOENT;
                if (r == -ENOENT)
                        r = identity_create(j->manager->directory, &j->identity);
                if (r == -EEXIST) { /* a crash between the two files: neither was used */
                        r = identity_erase(j->manager->directory);
                        if (r >= 0)
                                r = identity_create(j->manager->directory, &j->identity);
                }
                if (r < 0)
                        return r;
        }
        hex_encode(j->token->token_id, sizeof(j->token->token_id), token_id);
        if (!j->new_keys && load_idem(j, path, token_id) >= 0)
                return 0;
        crypto_random(random, sizeof(random));
        hex_encode(random, sizeof(random), j->idem);
        text = str_printf("%s %s\n", token_id, j->idem);
        j->made_idem = true;
        return text ? file_write_atomic(path, text, strlen(text), 0600) : -ENOMEM;
}

void join_undo(Join *j) {
        if (j->in_doubt)
                return;
        if (j->made_idem)
                (void) join_erase(j->manager->directory);
        if (j->made_keys)
                (void) identity_erase(j->manager->directory);
}

int join_erase(const char *directory) {
        _cleanup_free_ char *path = str_printf("%s/" JOINING_FILE, directory);

        if (!path)
                return -ENOMEM;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
