/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <strings.h>

#include "base/log.h"
#include "base/strutil.h"
#include "controld/api-internal.h"
#include "controld/metrics.h"
#include "controld/problem.h"

void api_problem(ApiDone done, void *userdata, unsigned status, const char *code, const char *field,
                 const char *detail) {
        static const char out_of_memory[] =
                        "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503}";
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_ char *text = NULL;
        ApiResponse response = { .status = status, .content_type = "application/problem+json" };
        size_t len = 0;

        if (problem_to_json(status, code, field, detail, &o) >= 0)
                text = json_format(o, &len);
        if (!text)
                response.status = 503;
        response.body = text ? text : out_of_memory;
        response.body_len = text ? len : strlen(out_of_memory);
        if (response.status == 503 || response.status == 429)
                response.headers[response.n_headers++] = (HttpHeader) { "retry-after", "2" };
        done(&response, userdata);
}

void api_respond(ApiDone done, void *userdata, unsigned status, const char *content_type, const char *body,
                 size_t len) {
        done(&(ApiResponse) { .status = status,
                              .content_type = content_type,
                              .body = body,
                              .body_len = len },
             userdata);
}

void api_respond_json(ApiDone done, void *userdata, unsigned status, json_object *body,
                      uint64_t etag_revision, const char *location) {
        api_respond_json_secret(done, userdata, status, body, etag_revision, location, NULL);
}

void api_respond_json_secret(ApiDone done, void *userdata, unsigned status, json_object *body,
                             uint64_t etag_revision, const char *location, const char *secret) {
        _cleanup_free_ char *text = NULL;
        ApiResponse response = { .status = status, .content_type = "application/json" };
        char etag[32];
        size_t len = 0;

        text = json_format(body, &len);
        if (!text) {
                api_problem(done, userdata, 503, "busy", NULL, "Out of memory.");
                return;
        }
        if (secret) {
                size_t n = strlen(secret);
                char *place = len > n + 2 ? text + len - n - 2 : text;

                if (place > text && place[-1] == '"' && place[0] == API_SECRET_PLACE && place[n] == '"')
                        memcpy(place, secret, n);
        }
        response.body = text;
        response.body_len = len;
        if (etag_revision > 0) {
                (void) snprintf(etag, sizeof(etag), "\"%llu\"", (unsigned long long) etag_revision);
                response.headers[response.n_headers++] = (HttpHeader) { "etag", etag };
        }
        if (location)
                response.headers[response.n_headers++] = (HttpHeader) { "location", location };
        done(&response, userdata);
        if (secret)
                crypto_wipe(text, len);
}

/* Query and path */

/* -EINVAL: a bad escape, a NUL, or what is not UTF-8. */
static int percent_decode(const char *s, size_t len, bool plus, char **ret) {
        _cleanup_free_ char *out = malloc(len + 1);
        size_t n = 0;

        if (!out)
                return -ENOMEM;
        for (size_t i = 0; i < len; i++) {
                char c = s[i];

                if (c == '%') {
                        int high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
                        int low = i + 2 < len ? hex_digit(s[i + 2]) : -1;

                        if (high < 0 || low < 0)
                                return -EINVAL;
                        c = (char) (high << 4 | low);
                        i += 2;
                } else if (plus && c == '+')
                        c = ' ';
                if (c == 0)
                        return -EINVAL;
                out[n++] = c;
        }
        out[n] = 0;
        if (!utf8_is_valid(out, n))
                return -EINVAL;
        *ret = TAKE(out);
        return 0;
}

void api_query_done(ApiQuery *q) {
        for (size_t i = 0; i < q->n; i++) {
                free(q->items[i].name);
                free(q->items[i].value);
        }
        free(q->items);
        *q = (ApiQuery) { 0 };
}

const char *api_query_get(const ApiQuery *q, const char *name) {
        for (size_t i = 0; i < q->n; i++)
                if (streq(q->items[i].name, name))
                        return q->items[i].value;
        return NULL;
}

static int query_add(ApiQuery *q, const char *part, size_t len) {
        const char *equals = memchr(part, '=', len);
        size_t name_len = equals ? (size_t) (equals - part) : len;
        ApiParameter *p = &q->items[q->n];
        int r;

        r = percent_decode(part, name_len, true, &p->name);
        if (r < 0)
                return r;
        r = percent_decode(equals ? equals + 1 : "", equals ? len - name_len - 1 : 0, true, &p->value);
        if (r < 0 || api_query_get(q, p->name)) {
                free(p->name);
                free(p->value);
                *p = (ApiParameter) { 0 };
                return r < 0 ? r : -EINVAL;
        }
        q->n++;
        return 0;
}

int api_query_parse(const char *query, ApiQuery *ret) {
        int r = 0;

        *ret = (ApiQuery) { .items = new0(ApiParameter, API_PARAMETERS_MAX) };
        if (!ret->items)
                return -ENOMEM;
        while (*query != 0 && r >= 0) {
                size_t len = strcspn(query, "&");

                if (len > 0)
                        r = ret->n < API_PARAMETERS_MAX ? query_add(ret, query, len) : -EINVAL;
                query += len;
                query += *query == '&';
        }
        if (r < 0)
                api_query_done(ret);
        return r;
}

/* Routes */

typedef struct Call {
        Manager *manager;
        const ApiRequest *request;
        const ApiQuery *query;
        const Kind *kind;
        const char *id;
        bool approve;
        ApiDone done;
        void *userdata;
} Call;

static void handle_healthz(const Call *c) {
        api_respond(c->done, c->userdata, 200, "text/plain; charset=utf-8", "ok\n", 3);
}

static void handle_readyz(const Call *c) {
        bool ready = c->manager->ready && !c->manager->terminating;
        const char *text = ready ? "ready\n" : "not ready\n";

        api_respond(c->done, c->userdata, ready ? 200 : 503, "text/plain; charset=utf-8", text,
                    strlen(text));
}

static void handle_metrics(const Call *c) {
        _cleanup_free_ char *text = metrics_format(c->manager);

        if (!text) {
                api_problem(c->done, c->userdata, 503, "busy", NULL, "Out of memory.");
                return;
        }
        api_respond(c->done, c->userdata, 200, "text/plain; version=0.0.4; charset=utf-8", text,
                    strlen(text));
}

static void handle_openapi(const Call *c) {
        api_openapi(c->manager, c->done, c->userdata);
}

typedef struct Route {
        const char *path;
        Action action;
        void (*handle)(const Call *c);
} Route;

/* What is not a resource: GET only. */
static const Route routes[] = {
        { "/healthz", ACTION_HEALTH, handle_healthz },
        { "/readyz", ACTION_HEALTH, handle_readyz },
        { "/metrics", ACTION_READ, handle_metrics },
        { "/api/v1/openapi.json", ACTION_READ, handle_openapi },
};

static const Route *find_route(const char *path) {
        for (size_t i = 0; i < ELEMENTSOF(routes); i++)
                if (streq(routes[i].path, path))
                        return &routes[i];
        return NULL;
}

#define API_PREFIX "/api/v1/"

/* "<kind>", "<kind>/<id>", "nodes/<id>/approve" */
static const Kind *find_kind(const char *path, const char **ret_id, size_t *ret_id_len, bool *ret_approve) {
        const char *rest, *slash, *end;

        if (strncmp(path, API_PREFIX, strlen(API_PREFIX)) != 0)
                return NULL;
        rest = path + strlen(API_PREFIX);
        slash = strchrnul(rest, '/');
        for (size_t i = 0; i < n_kinds; i++) {
                size_t len = strlen(kinds[i]->path);

                if ((size_t) (slash - rest) != len || memcmp(rest, kinds[i]->path, len) != 0)
                        continue;
                *ret_id = *slash == '/' ? slash + 1 : NULL;
                end = *slash == '/' ? strchrnul(slash + 1, '/') : slash;
                *ret_id_len = *ret_id ? (size_t) (end - *ret_id) : 0;
                *ret_approve = kinds[i] == &kind_node && streq(end, "/approve");
                if ((*ret_id && *ret_id_len == 0) || (*end != 0 && !*ret_approve))
                        return NULL;
                return kinds[i];
        }
        return NULL;
}

Action api_action(const char *method, const char *path) {
        const Route *route = find_route(path);

        if (!streq(method, "GET"))
                return ACTION_MANAGE;
        return route ? route->action : ACTION_READ;
}

static void method_not_allowed(const Call *c, const char *allow) {
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_ char *text = NULL;
        ApiResponse response = {
                .status = 405,
                .content_type = "application/problem+json",
                .headers = { { "allow", allow } },
                .n_headers = 1,
        };

        if (problem_to_json(405, "method_not_allowed", NULL, NULL, &o) >= 0)
                text = json_format(o, &response.body_len);
        response.body = strempty(text);
        if (!text)
                response.body_len = 0;
        c->done(&response, c->userdata);
}

static bool is_json(const char *content_type) {
        size_t len = strcspn(content_type, "; \t");

        return (len == 16 && strncasecmp(content_type, "application/json", len) == 0) ||
               (len == 28 && strncasecmp(content_type, "application/merge-patch+json", len) == 0);
}

static void dispatch_kind(const Call *c) {
        const ApiRequest *q = c->request;
        const Kind *k = c->kind;
        bool body = streq(q->method, "POST") || streq(q->method, "PUT") || streq(q->method, "PATCH");
        char allow[64];

        if (c->approve) {
                if (streq(q->method, "POST"))
                        api_write(c->manager, q, k, c->id, true, c->query, c->done, c->userdata);
                else
                        method_not_allowed(c, "POST");
                return;
        }
        (void) snprintf(allow, sizeof(allow), "GET%s%s%s", !c->id && k->create_by_api ? ", POST" : "",
                        c->id ? ", PUT, PATCH" : "", c->id && k->delete_by_api ? ", DELETE" : "");
        if (streq(q->method, "GET")) {
                if (c->id)
                        api_get(c->manager, k, c->id, c->done, c->userdata);
                else
                        api_list(c->manager, k, c->query, c->done, c->userdata);
                return;
        }
        if (c->id ? !streq(q->method, "PUT") && !streq(q->method, "PATCH") &&
                                            (!streq(q->method, "DELETE") || !k->delete_by_api)
                  : !streq(q->method, "POST") || !k->create_by_api) {
                method_not_allowed(c, allow);
                return;
        }
        if (body && (q->content_type ? !is_json(q->content_type) : q->content_type_required)) {
                api_problem(c->done, c->userdata, 415, "content_type", NULL, "Send application/json.");
                return;
        }
        api_write(c->manager, q, k, c->id, false, c->query, c->done, c->userdata);
}

static void dispatch(Call *c) {
        const Route *route = find_route(c->request->path);
        const char *raw_id = NULL;
        _cleanup_free_ char *id = NULL;
        size_t raw_id_len = 0;
        Action action;

        c->kind = route ? NULL : find_kind(c->request->path, &raw_id, &raw_id_len, &c->approve);
        action = api_action(c->request->method, c->request->path);
        /* Before anything is said about what there is: to nobody all paths look alike. */
        if (!authz(c->request->actor, action) && !(route && authz(c->request->actor, route->action))) {
                api_problem(c->done, c->userdata, c->request->actor->type == ACTOR_NOBODY ? 401 : 403,
                            c->request->actor->type == ACTOR_NOBODY ? "unauthorized" : "forbidden", NULL,
                            NULL);
                return;
        }
        if (!route && !c->kind) {
                api_problem(c->done, c->userdata, 404, "not_found", NULL,
                            "There is nothing under this path.");
                return;
        }
        if (route) {
                if (streq(c->request->method, "GET"))
                        route->handle(c);
                else
                        method_not_allowed(c, "GET");
                return;
        }
        if (raw_id && percent_decode(raw_id, raw_id_len, false, &id) < 0) {
                api_problem(c->done, c->userdata, 400, "bad_path", NULL,
                            "The path is not properly encoded.");
                return;
        }
        c->id = id;
        dispatch_kind(c);
}

/* Every answer passes here once. */
typedef struct Counted {
        Manager *manager;
        ApiDone done;
        void *userdata;
} Counted;

static void count_response(const ApiResponse *response, void *userdata) {
        Counted *c = userdata;

        if (response->status >= 400)
                c->manager->counters.api_errors++;
        c->done(response, c->userdata);
        free(c);
}

void api_dispatch(Manager *m, const ApiRequest *request, ApiDone done, void *userdata) {
        _cleanup_(api_query_done) ApiQuery query = { 0 };
        Counted *counted;

        assert(m && request && request->actor && done);

        m->counters.api_requests++;
        counted = new(Counted);
        if (!counted) {
                api_problem(done, userdata, 503, "busy", NULL, NULL);
                return;
        }
        *counted = (Counted) { m, done, userdata };
        if (api_query_parse(request->query, &query) < 0) {
                api_problem(count_response, counted, 400, "bad_query", NULL,
                            "The query is not properly encoded.");
                return;
        }
        dispatch(&(Call) {
                        .manager = m,
                        .request = request,
                        .query = &query,
                        .done = count_response,
                        .userdata = counted,
        });
}
