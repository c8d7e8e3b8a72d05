/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/api.h"
#include "controld/change.h"

/* Between api.c (routes), api-kinds.c (reading resources), api-write.c (changing them) and api-rules.c (what
 * single kinds do besides). */

/* Decoded, in order; names are unique. */
typedef struct ApiParameter {
        char *name, *value;
} ApiParameter;

typedef struct ApiQuery {
        ApiParameter *items;
        size_t n;
} ApiQuery;

#define API_PARAMETERS_MAX 32
/* -EINVAL: bad encoding, a name that stands twice, or too many. */
int api_query_parse(const char *query, ApiQuery *ret) _nodiscard_;
void api_query_done(ApiQuery *q);
const char *api_query_get(const ApiQuery *q, const char *name);

void api_respond(ApiDone done, void *userdata, unsigned status, const char *content_type, const char *body,
                 size_t len);
/* Takes nothing; etag_revision 0: none. */
void api_respond_json(ApiDone done, void *userdata, unsigned status, json_object *body,
                      uint64_t etag_revision, const char *location);
/* The last member of body is a place for the secret: as many API_SECRET_PLACE. json-c would keep what it is
 * given in memory that it does not wipe. */
#define API_SECRET_PLACE '*'
void api_respond_json_secret(ApiDone done, void *userdata, unsigned status, json_object *body,
                             uint64_t etag_revision, const char *location, const char *secret);

/* An object as the API shows it: without hidden fields, nodes with their "status". */
int api_object_to_json(Manager *m, const Object *o, json_object **ret) _nodiscard_;

void api_list(Manager *m, const Kind *kind, const ApiQuery *query, ApiDone done, void *userdata);
void api_get(Manager *m, const Kind *kind, const char *id, ApiDone done, void *userdata);

typedef struct ApiWrite {
        const Kind *kind;
        enum { API_CREATE, API_REPLACE, API_PATCH, API_DELETE, API_APPROVE } operation;
        char *target; /* id or name; NULL: create */
        json_object *body;
        bool dry_run;
        bool has_if_match;
        uint64_t if_match;
        Actor actor;
        ApiDone done;
        void *userdata;

        /* Left by prepare() for the answer. */
        unsigned status; /* of a refusal that is not a field's; 0: none */
        const char *code;
        char id[OBJECT_ID_MAX];
        json_object *preview; /* of a dry run */
        Secret *seed;         /* of a new enrolment token */
} ApiWrite;

/* approve: of a node, POST /api/v1/nodes/<id>/approve, with any body. */
void api_write(Manager *m, const ApiRequest *request, const Kind *kind, const char *target, bool approve,
               const ApiQuery *query, ApiDone done, void *userdata);

/* What a kind sets itself when it is made, before it is checked; and what goes with it when it goes. */
int api_rules_create(Manager *m, ApiWrite *w, Object *o, FieldError *ret_error) _nodiscard_;
int api_rules_delete(Manager *m, Change *c, const Object *o) _nodiscard_;
/* A pending node becomes an active one. For prepare(). */
int api_approve(Change *c, const Node *before, FieldError *ret_error) _nodiscard_;
/* Members that only the answer to a creation has: the token's text, for which there is a place in answer.
 * *ret_secret: NULL where there is none; the caller wipes it. */
int api_rules_answer(Manager *m, const ApiWrite *w, const Object *o, json_object *answer,
                     char **ret_secret) _nodiscard_;

void api_openapi(Manager *m, ApiDone done, void *userdata);
