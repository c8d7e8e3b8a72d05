/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/log.h"
#include "base/strutil.h"
#include "base/timeutil.h"
#include "controld/agents.h"
#include "controld/change.h"
#include "controld/enrolment-internal.h"

#define CHALLENGE_SECONDS (CHALLENGE_MAX_AGE_USEC / USEC_PER_SEC)
#define OS_MAX 128
#define VERSION_MAX 64

static Join *join_free(Join *j) {
        if (!j)
                return NULL;
        free(j->os);
        free(j->agent_version);
        free(j->prefixes);
        (void) object_free(j->uplink ? &j->uplink->object : NULL);
        return mfree(j);
}
DEFINE_CLEANUP(Join *, join_free);

/* ---- M0 and M1 ---- */

void enrolment_bootstrap(Manager *m, HttpRequest *r) {
        answer_bytes(r, 200, m->credentials.keydoc, m->credentials.keydoc_len);
}

static int refuse_field(Refusal *ret, const char *field, const char *detail) {
        return refuse(ret, 422, "invalid", field, detail);
}

/* Reads a body or a part of it by a table; names what is wrong. */
static int read_members(json_object *o, const JsonField *fields, size_t n_fields, bool allow_unknown,
                        void *data, Refusal *ret_refusal) {
        const char *field = NULL;
        int r;

        r = json_dispatch(o, fields, n_fields, allow_unknown, data, &field);
        switch (r) {
        case -ENODATA:
                return refuse_field(ret_refusal, field, "It is missing.");
        case -EBADRQC:
                return refuse_field(ret_refusal, field, "There is no such member.");
        case -ENOMEM:
                return refuse_busy(ret_refusal, 503, 5);
        default:
                return r < 0 ? refuse_field(ret_refusal, field, "It is not of the right form.") : 0;
        }
}

typedef struct RawChallenge {
        const char *token;
        uint8_t nonce[32];
} RawChallenge;

static const JsonField challenge_fields[] = {
        { "t", JSON_FIELD_STRING, offsetof(RawChallenge, token), JSON_REQUIRED },
        { "n", JSON_FIELD_B64URL_32, offsetof(RawChallenge, nonce), JSON_REQUIRED },
};

static int make_challenge(Manager *m, HttpRequest *r, json_object **ret, Refusal *ret_refusal) {
        _cleanup_json_ json_object *body = NULL, *answer = NULL;
        char challenge[CHALLENGE_STRING_MAX];
        uint8_t token_id[TOKEN_ID_SIZE];
        RawChallenge raw = { 0 };
        PublicKey ephemeral;
        int k;

        k = read_body_object(r, &body, ret_refusal);
        if (k < 0)
                return k;
        k = read_members(body, challenge_fields, ELEMENTSOF(challenge_fields), false, &raw, ret_refusal);
        if (k < 0)
                return k;
        if (b64url_decode_exact(raw.token, token_id, sizeof(token_id)) < 0)
                return refuse_field(ret_refusal, "t", "It is not of the right form.");
        /* Whether the token is known makes no difference here, so that nobody can ask for it. */
        k = challenge_seal(m->credentials.challenge_key, token_id, raw.nonce, now_realtime_usec(), challenge,
                           &ephemeral);
        answer = json_object_new_object();
        if (k >= 0)
                k = json_add_string(answer, "ch", challenge);
        if (k >= 0)
                k = json_add_b64url(answer, "srv_eph", ephemeral.bytes, sizeof(ephemeral.bytes));
        if (k >= 0)
                k = json_add_u64(answer, "exp", CHALLENGE_SECONDS);
        if (k < 0)
                return refuse_busy(ret_refusal, 503, 5);
        *ret = TAKE(answer);
        return 0;
}

void enrolment_challenge(Manager *m, HttpRequest *r) {
        Refusal refusal = { 0 };
        json_object *answer;

        if (make_challenge(m, r, &answer, &refusal) < 0)
                answer_refusal(r, &refusal);
        else
                answer_json(r, 200, answer);
}

/* ---- M2: reading ---- */

typedef struct RawJoin {
        const char *token, *challenge, *endpoint, *idem;
        uint8_t nonce[32], identity[32];
        uint64_t generation;
        json_object *wg_keys, *host;
        char **prefixes;
} RawJoin;

static void raw_join_done(RawJoin *raw) {
        strv_free(raw->prefixes);
}

static const JsonField join_fields[] = {
        { "t", JSON_FIELD_STRING, offsetof(RawJoin, token), JSON_REQUIRED },
        { "ch", JSON_FIELD_STRING, offsetof(RawJoin, challenge), JSON_REQUIRED },
        { "n", JSON_FIELD_B64URL_32, offsetof(RawJoin, nonce), JSON_REQUIRED },
        { "ik", JSON_FIELD_B64URL_32, offsetof(RawJoin, identity), JSON_REQUIRED },
        { "ik_gen", JSON_FIELD_U64, offsetof(RawJoin, generation), JSON_REQUIRED },
        { "wk", JSON_FIELD_ARRAY, offsetof(RawJoin, wg_keys), JSON_REQUIRED },
        { "host", JSON_FIELD_OBJECT, offsetof(RawJoin, host), JSON_REQUIRED },
        { "prefixes", JSON_FIELD_STRV, offsetof(RawJoin, prefixes), JSON_NULLABLE },
        { "endpoint", JSON_FIELD_STRING, offsetof(RawJoin, endpoint), JSON_NULLABLE },
        { "idem", JSON_FIELD_STRING, offsetof(RawJoin, idem), JSON_REQUIRED },
};

typedef struct RawHost {
        const char *name, *os, *agent;
} RawHost;

static const JsonField host_fields[] = {
        { "name", JSON_FIELD_STRING, offsetof(RawHost, name), JSON_REQUIRED },
        { "os", JSON_FIELD_STRING, offsetof(RawHost, os), JSON_NULLABLE },
        { "agent", JSON_FIELD_STRING, offsetof(RawHost, agent), JSON_NULLABLE },
};

typedef struct RawWgKey {
        uint64_t lane;
        uint8_t key[32], proof[32];
} RawWgKey;

static const JsonField wg_key_fields[] = {
        { "lane", JSON_FIELD_U64, offsetof(RawWgKey, lane), JSON_REQUIRED },
        { "pk", JSON_FIELD_B64URL_32, offsetof(RawWgKey, key), JSON_REQUIRED },
        { "pop", JSON_FIELD_B64URL_32, offsetof(RawWgKey, proof), JSON_REQUIRED },
};

static int copy_text(const char *s, size_t max, const char *field, char **ret, Refusal *ret_refusal) {
        if (!s || *s == '\0')
                return 0;
        if (strlen(s) > max || !str_is_printable(s))
                return refuse_field(ret_refusal, field, "It is too long, or has control characters.");
        *ret = strdup(s);
        return *ret ? 0 : refuse_busy(ret_refusal, 503, 5);
}

static int read_host(json_object *o, Join *j) {
        RawHost raw = { 0 };
        int r;

        /* Later agents may tell more about their host. */
        r = read_members(o, host_fields, ELEMENTSOF(host_fields), true, &raw, &j->refusal);
        if (r < 0)
                return r;
        enrolment_clean_name(raw.name, j->name);
        r = copy_text(raw.os, OS_MAX, "os", &j->os, &j->refusal);
        if (r < 0)
                return r;
        return copy_text(raw.agent, VERSION_MAX, "agent", &j->agent_version, &j->refusal);
}

static int read_prefixes(char *const *texts, Join *j) {
        size_t n = strv_length(texts);
        char field[32];

        if (n > ENROLMENT_PREFIXES_MAX)
                return refuse_field(&j->refusal, "prefixes", "There are more than 100.");
        j->prefixes = new0(Prefix, n + 1);
        if (!j->prefixes)
                return refuse_busy(&j->refusal, 503, 5);
        for (size_t i = 0; i < n; i++) {
                Prefix *p = &j->prefixes[i];

                (void) snprintf(field, sizeof(field), "prefixes[%zu]", i);
                if (prefix_parse(texts[i], p) < 0)
                        return refuse_field(&j->refusal, field, "It is not a prefix, or has host bits.");
                for (size_t k = 0; k < i; k++)
                        if (prefix_overlaps(&j->prefixes[k], p))
                                return refuse_field(&j->refusal, field,
                                                    "It overlaps another of the request.");
                j->n_prefixes = i + 1;
        }
        return 0;
}

/* The uplink's own kind knows what an endpoint may be. */
static int read_endpoint(const char *endpoint, Join *j) {
        _cleanup_json_ json_object *json = json_object_new_object();
        _cleanup_(object_freep) Object *o = NULL;
        FieldError error = { 0 };
        int r;

        if (!endpoint || *endpoint == '\0')
                return 0;
        r = json_add_string(json, "node", j->node_id);
        if (r >= 0)
                r = json_add_string(json, "name", "wan");
        if (r >= 0)
                r = json_add_string(json, "endpoint", endpoint);
        if (r >= 0)
                r = object_new(&kind_uplink, &o);
        if (r < 0)
                return refuse_busy(&j->refusal, 503, 5);
        object_make_id(o);
        r = object_from_json(o, NULL, json, OBJECT_CREATE, &error);
        if (r < 0)
                return refuse_field(&j->refusal, "endpoint", "It is not an address or a host name.");
        j->uplink = (Uplink *) TAKE(o);
        return 0;
}

/* ---- M2: proofs ---- */

/* -EPERM: not exactly one header, or not the signature of this key over the body. */
static int check_signature(HttpRequest *r, const char *header, const PublicKey *key) {
        Signature signature;
        size_t len;
        const uint8_t *body = http_request_body(r, &len);
        const char *value = http_request_header(r, header);

        if (!value || http_request_header_count(r, header) != 1 ||
            b64url_decode_exact(value, signature.bytes, sizeof(signature.bytes)) < 0)
                return -EPERM;
        return envelope_verify(key, DOMAIN_ENROL, body, len, &signature) < 0 ? -EPERM : 0;
}

static int check_signatures(const Manager *m, Join *j) {
        const Object *o = model_get(m->model, &kind_token, j->token_id);
        /* An unknown token costs as much time as a known one. */
        const PublicKey *key = o ? &token_of(o)->key : &m->credentials.signing_public;

        if (check_signature(j->request, "sdwan-sig-token", key) < 0 || !o)
                return join_refuse_token(&j->refusal);
        if (check_signature(j->request, "sdwan-sig-identity", &j->identity) < 0)
                return refuse_field(&j->refusal, "ik", "The request is not signed with this identity key.");
        return 0;
}

static int open_challenge(const Manager *m, const RawJoin *raw, Join *j, Secret **ret) {
        uint8_t token_id[TOKEN_ID_SIZE];
        int r;

        if (b64url_decode_exact(raw->token, token_id, sizeof(token_id)) < 0)
                return refuse_field(&j->refusal, "t", "It is not of the right form.");
        hex_encode(token_id, sizeof(token_id), j->token_id);
        r = challenge_open(m->credentials.challenge_key, raw->challenge, token_id, raw->nonce,
                           now_realtime_usec(), ret);
        if (r == -ENOMEM)
                return refuse_busy(&j->refusal, 503, 5);
        if (r < 0)
                return refuse(&j->refusal, 401, "challenge_expired", NULL,
                              "The challenge is not of this controller, or too old.");
        return 0;
}

static int check_wg_key(const RawJoin *raw, const Secret *ephemeral, Join *j) {
        RawWgKey key = { 0 };
        Digest proof;
        int r;

        if (json_object_array_length(raw->wg_keys) != 1)
                return refuse_field(&j->refusal, "wk", "There must be one key, of lane 0.");
        r = read_members(json_object_array_get_idx(raw->wg_keys, 0), wg_key_fields,
                         ELEMENTSOF(wg_key_fields), false, &key, &j->refusal);
        if (r < 0)
                return refuse_field(&j->refusal, "wk", "It is not of the right form.");
        if (key.lane != 0)
                return refuse_field(&j->refusal, "wk", "There must be one key, of lane 0.");
        memcpy(j->wg_key.bytes, key.key, sizeof(key.key));
        r = wgkey_proof(ephemeral, &j->wg_key, raw->challenge, &j->identity, &j->wg_key, &proof);
        if (r < 0 || !crypto_equal(proof.bytes, key.proof, sizeof(proof.bytes)))
                return refuse_field(&j->refusal, "wk", "The proof of the private key is wrong.");
        return 0;
}

static int read_identity(const RawJoin *raw, Join *j) {
        uint8_t idem[16];

        if (raw->generation != 1)
                return refuse_field(&j->refusal, "ik_gen", "The first generation is 1.");
        if (hex_decode(raw->idem, idem, sizeof(idem)) < 0)
                return refuse_field(&j->refusal, "idem", "It is not 32 hexadecimal digits.");
        (void) snprintf(j->idem, sizeof(j->idem), "%s", raw->idem);
        memcpy(j->identity.bytes, raw->identity, sizeof(raw->identity));
        hex_encode(j->identity.bytes, sizeof(j->identity.bytes), j->identity_hex);
        node_id_from_identity(&j->identity, j->node_id);
        return 0;
}

/* Everything about an M2 that can be judged without the model but for the token's key. */
static int read_join(Manager *m, Join *j) {
        _cleanup_(raw_join_done) RawJoin raw = { 0 };
        _cleanup_(secret_freep) Secret *ephemeral = NULL;
        _cleanup_json_ json_object *body = NULL;
        const uint8_t *bytes;
        size_t len;
        int r;

        r = read_body_object(j->request, &body, &j->refusal);
        if (r < 0)
                return r;
        bytes = http_request_body(j->request, &len);
        digest_blake2b(bytes, len, &j->body_hash);
        r = read_members(body, join_fields, ELEMENTSOF(join_fields), false, &raw, &j->refusal);
        if (r < 0)
                return r;
        r = read_identity(&raw, j);
        if (r < 0)
                return r;
        r = open_challenge(m, &raw, j, &ephemeral);
        if (r < 0)
                return r;
        r = check_signatures(m, j);
        if (r < 0)
                return r;
        r = check_wg_key(&raw, ephemeral, j);
        if (r < 0)
                return r;
        hex_encode(j->wg_key.bytes, sizeof(j->wg_key.bytes), j->wg_key_hex);
        r = read_host(raw.host, j);
        if (r < 0)
                return r;
        r = read_prefixes(raw.prefixes, j);
        if (r < 0)
                return r;
        return read_endpoint(raw.endpoint, j);
}

/* ---- M3 ---- */

static int add_address(json_object *o, const char *name, const Address *a) {
        char text[ADDRESS_STRING_MAX];

        return json_add_string(o, name, a->family == 0 ? NULL : address_format(a, text));
}

static int make_ack(const Manager *m, const Join *j, const Node *n, json_object **ret) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        r = json_add_string(o, "type", "ack");
        if (r >= 0)
                r = json_add_b64url(o, "req_hash", j->body_hash.bytes, sizeof(j->body_hash.bytes));
        if (r >= 0)
                r = json_add_string(o, "controller_id", m->credentials.controller_id);
        if (r >= 0)
                r = json_add_string(o, "node_id", n->object.id);
        if (r >= 0)
                r = json_add_string(o, "name", n->name);
        if (r >= 0)
                r = json_add_string(o, "network", n->network);
        if (r >= 0)
                r = json_add_string(o, "role", n->role == ROLE_HUB ? "hub" : "spoke");
        if (r >= 0)
                r = json_add_string(o, "state", n->state == NODE_PENDING ? "pending" : "active");
        if (r >= 0)
                r = add_address(o, "address4", &n->address4);
        if (r >= 0)
                r = add_address(o, "address6", &n->address6);
        if (r >= 0)
                r = json_add_u64(o, "keys_serial", m->credentials.keys_serial);
        if (r >= 0)
                r = json_add_u64(o, "time", now_realtime_usec() / USEC_PER_SEC);
        if (r < 0)
                return r;
        *ret = TAKE(o);
        return 0;
}

static int answer_ack(const Manager *m, const Join *j, const Node *n) {
        _cleanup_json_ json_object *ack = NULL;
        _cleanup_free_ char *payload = NULL, *envelope = NULL;
        size_t payload_len, len;
        int r;

        r = make_ack(m, j, n, &ack);
        if (r < 0)
                return r;
        payload = json_format(ack, &payload_len);
        if (!payload)
                return -ENOMEM;
        r = envelope_encode(m->credentials.signing_key, m->credentials.signing_key_id, DOMAIN_ENROL_ACK,
                            payload, payload_len, &envelope, &len);
        if (r < 0)
                return r;
        answer_bytes(j->request, n->state == NODE_PENDING ? 202 : 201, envelope, len);
        return 0;
}

static const Node *find_node(const Manager *m, const char *id) {
        const Object *o = model_get(m->model, &kind_node, id);

        return o ? node_of(o) : NULL;
}

/* The node that this very request made before, when its answer was lost. */
static const Node *find_earlier(const Manager *m, const Join *j) {
        _cleanup_free_ char *id = NULL;
        const Node *n;

        if (store_find_enrolment(m->store, j->token_id, j->identity_hex, j->idem, &id) < 0)
                return NULL;
        n = find_node(m, id);
        return n && n->state != NODE_REVOKED ? n : NULL;
}

static void refuse_error(Join *j, int error, const FieldError *field) {
        switch (error) {
        case -EINVAL:
                (void) refuse_field(&j->refusal, field ? field->field : NULL, "It is not allowed.");
                break;
        case -EEXIST:
                (void) refuse(&j->refusal, 409,
                              field && streq(field->field, "prefix") ? "prefix_taken" : "already_enrolled",
                              field ? field->field : NULL, "It is known already.");
                break;
        default:
                (void) refuse_busy(&j->refusal, 503, 5);
        }
}

/* Takes the join and answers it. */
static void finish_join(Manager *m, Join *join, int result, const FieldError *field) {
        _cleanup_(join_freep) Join *j = join;
        const Node *n = NULL;

        if (result >= 0)
                n = find_node(m, j->node_id);
        else if (j->known)
                n = find_earlier(m, j);
        if (n && answer_ack(m, j, n) >= 0) {
                if (result >= 0)
                        log_info("Node %s joined as %s%s.", n->name,
                                 n->role == ROLE_HUB ? "a hub" : "a spoke",
                                 n->state == NODE_PENDING ? " and waits for approval" : "");
                return;
        }
        if (result >= 0)
                result = -ENOMEM;
        if (j->refusal.status == 0)
                refuse_error(j, result, field);
        (void) log_full_errno(agents_may_log_refusal(m->agents) ? LOG_INFO : LOG_DEBUG, 0,
                              "Refused an enrolment with token %s: %s",
                              j->token_id[0] != '\0' ? j->token_id : "(none)", j->refusal.code);
        answer_refusal(j->request, &j->refusal);
}

static void on_done(Manager *m, int result, const FieldError *error, uint64_t revision, void *userdata) {
        finish_join(m, userdata, result, error);
}

/* What a model that is as it is now would refuse is refused at once; the change looks again. */
static int check_now(const Manager *m, Join *j) {
        const Object *o = model_get(m->model, &kind_token, j->token_id);

        j->known = model_node_by_identity(m->model, &j->identity) != NULL;
        if (j->known)
                return refuse(&j->refusal, 409, "already_enrolled", NULL,
                              "The identity key is known already.");
        return join_check_token(o ? token_of(o) : NULL, now_realtime_usec(), &j->refusal);
}

void enrolment_enrol(Manager *m, HttpRequest *request) {
        _cleanup_(join_freep) Join *j = new(Join);
        ChangeRequest change = { .prepare = join_prepare, .done = on_done };
        char actor[64];
        int r;

        if (!j) {
                Refusal refusal;

                (void) refuse_busy(&refusal, 503, 5);
                answer_refusal(request, &refusal);
                return;
        }
        j->request = request;
        r = read_join(m, j);
        if (r >= 0)
                r = check_now(m, j);
        if (r >= 0) {
                (void) snprintf(actor, sizeof(actor), "token:%s", j->token_id);
                change.actor = actor;
                change.userdata = j;
                r = change_submit(m, &change);
                if (r >= 0) {
                        (void) TAKE(j);
                        return;
                }
        }
        finish_join(m, TAKE(j), r, NULL);
}
