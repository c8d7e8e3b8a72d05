/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/fileio.h"
#include "base/strutil.h"
#include "crypto/crypto.h"
#include "ctl/ctl.h"
#include "httpc/httpc.h"

#define TOKEN_FILE_MAX 512
#define CA_FILE_MAX (64 * 1024)
#define ANSWER_MAX_BYTES (64 * 1024 * 1024)
#define LIST_PAGES_MAX 10000

/* What one request gave: the status, and the body as it came. */
typedef struct Answer {
        unsigned status;
        char *body;
        size_t len;
} Answer;

static void answer_done(Answer *a) {
        free(a->body);
}

static int call_by_bus(Ctl *c, const char *what, const char *method, const char *path, const char *body,
                       Answer *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *text;
        uint32_t status;
        int r;

        r = bus_connect(c);
        if (r != STATUS_OK)
                return r;
        r = sd_bus_message_new_method_call(c->bus, &m, CONTROL_NAME, CONTROL_PATH, CONTROL_INTERFACE,
                                           "Call");
        if (r >= 0)
                r = sd_bus_message_append(m, "sss", method, path, body);
        if (r >= 0)
                r = sd_bus_call(c->bus, m, CALL_TIMEOUT_USEC, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "us", &status, &text);
        if (r < 0)
                return fail_bus(c, what, &error, r);
        *ret = (Answer) { .status = status, .body = strdup(text), .len = strlen(text) };
        return ret->body ? STATUS_OK : fail_oom(c);
}

/* The text of a secret file without the white space around it. */
static int read_token(Ctl *c) {
        const char *path = c->token_file ?: secure_getenv("SDWAN_API_TOKEN_FILE");
        uint8_t *data;
        char *text;
        size_t len;
        int r;

        if (c->token)
                return STATUS_OK;
        if (!path)
                return fail(c, STATUS_USAGE,
                            _("--controller= needs the API token in a file: --token-file= or "
                              "$SDWAN_API_TOKEN_FILE."));
        r = streq(path, "-") ? fd_read_all(STDIN_FILENO, TOKEN_FILE_MAX, &data, &len)
                             : file_read_secret(path, TOKEN_FILE_MAX, &data, &len);
        if (r == -EPERM)
                return fail(c, STATUS_FAILURE, _("%s can be read by others: its mode must be 0600."), path);
        if (r < 0)
                return fail(c, STATUS_FAILURE, _("Failed to read the API token from %s: %s"), path,
                            strerror(-r));
        text = (char *) data;
        while (len > 0 && strchr(" \t\r\n", text[len - 1]))
                text[--len] = '\0';
        /* Anything else would be another header. */
        if (len == 0 ||
            text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=")]) {
                crypto_wipe(data, len);
                free(data);
                return fail(c, STATUS_USAGE, _("%s holds no API token."), path);
        }
        c->token = text;
        return STATUS_OK;
}

static int read_ca(Ctl *c) {
        uint8_t *data;
        size_t len;
        int r;

        if (!c->ca_file || c->ca_pem)
                return STATUS_OK;
        r = file_read(c->ca_file, CA_FILE_MAX, &data, &len);
        if (r < 0)
                return fail(c, STATUS_FAILURE, _("Failed to read %s: %s"), c->ca_file, strerror(-r));
        c->ca_pem = (char *) data;
        return STATUS_OK;
}

static ExitStatus status_from_http_error(int error) {
        switch (error) {
        case -EKEYREJECTED:
                return STATUS_WRONG_CONTROLLER;
        case -EINVAL:
                return STATUS_USAGE;
        case -ENOMEM:
        case -EBADMSG:
        case -EFBIG:
                return STATUS_FAILURE;
        default:
                return STATUS_UNREACHABLE;
        }
}

static int call_by_https(Ctl *c, const char *what, const char *method, const char *path, const char *body,
                         Answer *ret) {
        HttpClientConfig config = { .url = c->controller, .max_body_bytes = ANSWER_MAX_BYTES };
        _cleanup_free_ char *authorization = NULL, *reason = NULL;
        HttpHeaderField headers[2];
        size_t n_headers = 1, len = 0;
        uint8_t *data = NULL;
        unsigned status = 0;
        int r;

        if (strncmp(c->controller, "https://", strlen("https://")) != 0)
                return fail(c, STATUS_USAGE,
                            _("--controller= takes a URL like https://controller.example:9443."));
        r = read_token(c);
        if (r == STATUS_OK)
                r = read_ca(c);
        if (r != STATUS_OK)
                return r;
        config.trust = c->ca_pem ? HTTP_TRUST_CA : HTTP_TRUST_SYSTEM;
        config.ca_pem = c->ca_pem;
        authorization = str_printf("Bearer %s", c->token);
        if (!authorization)
                return fail_oom(c);
        headers[0] = (HttpHeaderField) { "authorization", authorization };
        if (*body)
                headers[n_headers++] =
                                (HttpHeaderField) { "content-type",
                                                   streq(method, "PATCH") ? "application/merge-patch+json"
                                                                          : "application/json" };
        r = http_call_sync(&config, method, path, headers, n_headers, body, strlen(body), &status, &data,
                           &len, &reason);
        crypto_wipe(authorization, strlen(authorization));
        if (r < 0)
                return fail(c, status_from_http_error(r), _("Failed to %s: %s: %s"), what, c->controller,
                            reason ?: strerror(-r));
        *ret = (Answer) { .status = status, .body = (char *) data, .len = len };
        return STATUS_OK;
}

static ExitStatus status_from_http(unsigned status) {
        switch (status) {
        case 401:
        case 403:
                return STATUS_REFUSED;
        case 404:
                return STATUS_NO_OBJECT;
        default:
                return STATUS_FAILURE;
        }
}

static const char *member_string(json_object *o, const char *name) {
        json_object *v;

        if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, name, &v) ||
            !json_object_is_type(v, json_type_string))
                return NULL;
        return json_object_get_string(v);
}

/* problem+json: the field that is wrong, and what is wrong with it. */
static int fail_problem(Ctl *c, const char *what, unsigned status, json_object *problem) {
        const char *detail = member_string(problem, "detail"), *title = member_string(problem, "title"),
                   *field = member_string(problem, "field");
        const char *text = detail ?: title;

        if (status == 401)
                return fail(c, STATUS_REFUSED,
                            _("Failed to %s: the controller does not accept this API token."), what);
        if (!text)
                return fail(c, status_from_http(status),
                            _("Failed to %s: the controller answered with status %u."), what, status);
        if (field && *field)
                return fail(c, status_from_http(status), _("Failed to %s: %s: %s"), what, field, text);
        return fail(c, status_from_http(status), _("Failed to %s: %s"), what, text);
}

int api_call(Ctl *c, const char *what, const char *method, const char *path, json_object *body,
             json_object **ret_answer) {
        _cleanup_(answer_done) Answer answer = { 0 };
        _cleanup_json_ json_object *parsed = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        assert(c && what && method && path && ret_answer);

        text = body ? json_format(body, NULL) : strdup("");
        if (!text)
                return fail_oom(c);
        r = c->controller ? call_by_https(c, what, method, path, text, &answer)
                          : call_by_bus(c, what, method, path, text, &answer);
        if (r != STATUS_OK)
                return r;
        if (answer.len > 0)
                r = json_parse(answer.body, answer.len, JSON_TRUSTED_SIZE, NULL, &parsed);
        if (answer.status < 200 || answer.status > 299)
                return fail_problem(c, what, answer.status, parsed);
        if (r < 0)
                return fail(c, STATUS_FAILURE, _("Failed to %s: the controller's answer is not valid JSON."),
                            what);
        *ret_answer = TAKE(parsed);
        return STATUS_OK;
}

static int append_encoded(Buffer *b, const char *s) {
        for (; *s; s++) {
                bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                             (*s >= '0' && *s <= '9') || strchr("-._~", *s);
                int r = plain ? buffer_append(b, s, 1) : buffer_appendf(b, "%%%02X", (unsigned char) *s);

                if (r < 0)
                        return r;
        }
        return 0;
}

char *api_path(const char *collection, const char *item) {
        _cleanup_buffer_ Buffer b = { 0 };
        char *text;

        if (buffer_appendf(&b, "/api/v1/%s", collection) < 0)
                return NULL;
        if (item && (buffer_append_str(&b, "/") < 0 || append_encoded(&b, item) < 0))
                return NULL;
        text = (char *) b.data;
        b = (Buffer) { 0 };
        return text;
}

static int append_page(json_object *all, json_object *page) {
        json_object *items;

        if (!json_object_is_type(page, json_type_object) ||
            !json_object_object_get_ex(page, "items", &items) ||
            !json_object_is_type(items, json_type_array))
                return -EBADMSG;
        for (size_t i = 0; i < json_object_array_length(items); i++) {
                int r = json_append(all, json_object_get(json_object_array_get_idx(items, i)));
                if (r < 0)
                        return r;
        }
        return 0;
}

int api_list(Ctl *c, const char *what, const char *collection, json_object **ret) {
        _cleanup_json_ json_object *all = json_object_new_array();
        _cleanup_buffer_ Buffer path = { 0 };
        int r;

        if (!all || buffer_appendf(&path, "/api/v1/%s?limit=1000", collection) < 0)
                return fail_oom(c);
        for (size_t n = 0; n < LIST_PAGES_MAX; n++) {
                _cleanup_json_ json_object *page = NULL;
                const char *next;

                r = api_call(c, what, "GET", (const char *) path.data, NULL, &page);
                if (r != STATUS_OK)
                        return r;
                if (append_page(all, page) < 0)
                        return fail(c, STATUS_FAILURE,
                                    _("Failed to %s: the controller's answer is not understood."), what);
                next = member_string(page, "next");
                if (!next) {
                        *ret = TAKE(all);
                        return STATUS_OK;
                }
                path.len = 0;
                if (buffer_appendf(&path, "/api/v1/%s?limit=1000&after=", collection) < 0 ||
                    append_encoded(&path, next) < 0)
                        return fail_oom(c);
        }
        return fail(c, STATUS_FAILURE, _("Failed to %s: the controller's list has no end."), what);
}
