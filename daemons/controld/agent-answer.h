/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "httpd/httpd.h"
#include "json/json.h"

/* Answers to agents, and what their requests have in common (docs/protocol.md). Nothing is ever cached. */

#define AGENT_BODY_MAX (64U * 1024)

/* A refusal as application/problem+json. status 0: none yet. */
typedef struct Refusal {
        unsigned status;
        const char *code;
        char field[64];     /* "": none */
        const char *detail; /* static */
        unsigned retry_after_sec;
        uint64_t min, epoch; /* members of seq_behind and replayed; 0: none */
} Refusal;

/* Fills *ret; returns -EPERM, so that a check can end in it. field may be NULL. */
int refuse(Refusal *ret, unsigned status, const char *code, const char *field, const char *detail);
int refuse_busy(Refusal *ret, unsigned status, unsigned retry_after_sec);

void answer_refusal(HttpRequest *r, const Refusal *refusal);
/* Takes o; NULL or a failure is answered with 500. */
void answer_json(HttpRequest *r, unsigned status, json_object *o);
void answer_bytes(HttpRequest *r, unsigned status, const char *body, size_t len);
void answer_empty(HttpRequest *r); /* 204 */

/* Reads the body as a JSON object. -EPERM with *ret_refusal: 413, or 422 "invalid". */
int read_body_object(HttpRequest *r, json_object **ret, Refusal *ret_refusal) _nodiscard_;
