/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <strings.h>

#include "httpd/conn.h"
#include "httpd/target.h"

#define CSP \
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src " \
        "'self'; " \
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " \
        "require-trusted-types-for 'script'"

/* SECURITY.md section 3. The first makes sense over TLS only. */
static const HttpHeader default_headers[] = {
        { "strict-transport-security", "max-age=31536000" },
        { "content-security-policy", CSP },
        { "x-content-type-options", "nosniff" },
        { "referrer-policy", "no-referrer" },
        { "cross-origin-opener-policy", "same-origin" },
        { "cross-origin-resource-policy", "same-origin" },
        { "cache-control", "no-store" },
};

const HttpHeader *http_default_header(const HttpServer *s, const HttpHeader *headers, size_t n_headers,
                                      size_t *i) {
        while (*i < ELEMENTSOF(default_headers)) {
                const HttpHeader *h = default_headers + (*i)++;
                bool replaced = h == default_headers && !s->tls;

                for (size_t k = 0; k < n_headers && !replaced; k++)
                        replaced = strcasecmp(headers[k].name, h->name) == 0;
                if (!replaced)
                        return h;
        }
        return NULL;
}

bool http_default_headers_apply(const HttpHeader *headers, size_t n_headers) {
        for (size_t i = 0; i < n_headers; i++)
                for (size_t k = 0; k < ELEMENTSOF(default_headers); k++)
                        if (strcasecmp(headers[i].name, default_headers[k].name) == 0)
                                return false;
        return true;
}

int http_request_new(HttpConn *c, HttpRequest **ret) {
        HttpRequest *r;

        r = new(HttpRequest);
        if (!r)
                return -ENOMEM;
        r->conn = c;
        r->peer = c->peer;
        *ret = r;
        return 0;
}

HttpFields *http_fields_free(HttpFields *f) {
        if (!f)
                return NULL;
        buffer_done(&f->text);
        buffer_done(&f->body);
        free(f->fields);
        return mfree(f);
}

HttpRequest *http_request_free(HttpRequest *r) {
        if (!r)
                return NULL;
        if (r->destroy)
                r->destroy(r->data);
        if (!r->conn)
                h1_parser_free(r->parser);
        http_fields_free(r->fields);
        return mfree(r);
}

void http_request_orphan(HttpRequest *r) {
        r->conn = NULL;
        r->h2 = NULL;
}

static bool method_is_known(const char *method) {
        static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (streq(method, methods[i]))
                        return true;
        return false;
}

void http_request_dispatch(HttpRequest *r) {
        static const HttpHeader retry[] = { { "retry-after", "5" } };
        HttpServer *s = r->conn->server;
        const char *host;

        s->counters.requests_total++;
        if (r->conn->over_limit) {
                (void) http_request_respond(r, 503, retry, ELEMENTSOF(retry), NULL, 0);
                return;
        }
        host = http_request_header(r, "host");
        if (s->allowed_hosts && (!host || !http_host_is_allowed(host, s->allowed_hosts))) {
                (void) http_request_problem(r, 421, NULL, NULL,
                                            "This server does not answer for that host.");
                return;
        }
        if (!method_is_known(http_request_method(r))) {
                (void) http_request_problem(r, 501, NULL, NULL, NULL);
                return;
        }
        s->handler(r, s->userdata);
}

static const char *field_text(const HttpRequest *r, uint32_t offset) {
        return r->fields->text.data ? (const char *) r->fields->text.data + offset : "";
}

const char *http_request_method(const HttpRequest *r) {
        return r->parser ? h1_parser_method(r->parser) : field_text(r, r->fields->method);
}

const char *http_request_path(const HttpRequest *r) {
        return r->parser ? h1_parser_path(r->parser) : field_text(r, r->fields->path);
}

const char *http_request_query(const HttpRequest *r) {
        return r->parser ? h1_parser_query(r->parser) : field_text(r, r->fields->query);
}

const char *http_request_header(const HttpRequest *r, const char *name) {
        if (r->parser)
                return h1_parser_header(r->parser, name);
        for (size_t i = 0; i < r->fields->n_fields; i++)
                if (streq(field_text(r, r->fields->fields[i].name), name))
                        return field_text(r, r->fields->fields[i].value);
        return NULL;
}

size_t http_request_header_count(const HttpRequest *r, const char *name) {
        size_t n = 0;

        if (r->parser)
                return h1_parser_header_count(r->parser, name);
        for (size_t i = 0; i < r->fields->n_fields; i++)
                if (streq(field_text(r, r->fields->fields[i].name), name))
                        n++;
        return n;
}

const uint8_t *http_request_body(const HttpRequest *r, size_t *ret_len) {
        if (r->parser)
                return h1_parser_body(r->parser, ret_len);
        *ret_len = r->fields->body.len;
        return r->fields->body.data ? r->fields->body.data : (const uint8_t *) "";
}

const Address *http_request_peer(const HttpRequest *r) {
        return &r->peer;
}

void http_request_set_data(HttpRequest *r, void *data, void (*destroy)(void *data)) {
        r->data = data;
        r->destroy = destroy;
}

int http_request_query_value(const HttpRequest *r, const char *name, char **ret) {
        return http_query_value(http_request_query(r), name, ret);
}

/* An answer whose headers could be read as two answers is our own mistake; the client gets a 500 instead. */
static bool header_is_valid(const HttpHeader *h) {
        if (!h->name || !h->value || !http_token_is_valid(h->name, strlen(h->name)))
                return false;
        for (const char *s = h->value; *s; s++)
                if (((uint8_t) *s < 0x20 && *s != '\t') || *s == 0x7f)
                        return false;
        return true;
}

int http_request_respond(HttpRequest *r, unsigned status, const HttpHeader *headers, size_t n_headers,
                         const void *body, size_t body_len) {
        int k = 0;

        assert(r && status >= 200 && status <= 599);

        for (size_t i = 0; i < n_headers; i++)
                if (!header_is_valid(headers + i)) {
                        status = 500;
                        n_headers = body_len = 0;
                }
        if (r->conn)
                k = r->h2 ? h2_conn_respond(r, status, headers, n_headers, body, body_len)
                          : h1_conn_respond(r, status, headers, n_headers, body, body_len);
        http_request_free(r);
        return k;
}

int http_request_stream_begin(HttpRequest *r, const char *content_type, void (*on_close)(void *userdata),
                              void *userdata, HttpStream **ret) {
        const HttpHeader type = { "content-type", content_type };
        HttpConn *c = r->conn;
        HttpStream *st;
        int k;

        assert(r && content_type && ret);

        if (!c)
                return -ECONNRESET;
        if (!header_is_valid(&type) || streq(http_request_method(r), "HEAD"))
                return -EINVAL;
        if (c->server->draining)
                return -ESHUTDOWN;
        k = http_stream_new(c, r->h2, on_close, userdata, &st);
        if (k < 0)
                return k;
        if (r->h2)
                k = h2_conn_stream_begin(r, st, content_type);
        else
                k = h1_conn_stream_begin(r, st, content_type);
        if (k < 0) {
                st->on_close = NULL;
                http_stream_free(st);
                return k;
        }
        r->parser = NULL;
        http_request_free(r);
        *ret = st;
        return 0;
}
