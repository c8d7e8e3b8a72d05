/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "controld/api-internal.h"

/* The document of the kinds, which lib/schema derives, and what is not a kind. Made anew for each request:
 * it is asked for rarely and would cost memory all the time. */

typedef struct Extra {
        const char *path, *json;
} Extra;

#define TEXT_ANSWER(what) \
        "\"responses\":{\"200\":{\"description\":\"" what "\",\"content\":{\"text/plain\":" \
        "{\"schema\":{\"type\":\"string\"}}}}}"

static const Extra extra_paths[] = {
        { "/healthz", "{\"get\":{\"operationId\":\"health\",\"summary\":\"Whether the controller "
                      "lives\",\"security\":[]," TEXT_ANSWER("It does") "}}" },
        { "/readyz", "{\"get\":{\"operationId\":\"ready\",\"summary\":\"Whether the controller "
                     "serves\",\"security\":[]," TEXT_ANSWER("It does") "}}" },
        { "/metrics",
          "{\"get\":{\"operationId\":\"metrics\",\"summary\":\"Metrics for Prometheus\"," TEXT_ANSWER(
                          "Text format 0.0.4") "}}" },
        { "/api/v1/openapi.json",
          "{\"get\":{\"operationId\":\"openapi\",\"summary\":\"This "
          "document\",\"responses\":{\"200\":{\"description\":"
          "\"OpenAPI 3.1\",\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\"}}}}}}}" },
        { "/api/v1/nodes/{id}/approve",
          "{\"post\":{\"operationId\":\"approveNode\",\"summary\":\"Let a pending node take "
          "part\",\"parameters\":[{\"name\":\"id\","
          "\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}],\"responses\":{\"200\":{"
          "\"description\":\"The node\","
          "\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\"}}}}}}}" },
};

static const char node_status[] =
                "{\"type\":\"object\",\"readOnly\":true,\"description\":\"What the agent "
                "reported\",\"properties\":{"
                "\"connected\":{\"type\":\"boolean\"},\"since\":{\"type\":[\"string\",\"null\"],\"format\":"
                "\"date-time\"},"
                "\"state\":{\"type\":\"string\",\"enum\":[\"in-sync\",\"pending\",\"failed\",\"unknown\"]},"
                "\"error\":{\"type\":[\"string\",\"null\"]},\"agent_version\":{\"type\":[\"string\","
                "\"null\"]},"
                "\"reported\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"},"
                "\"applied\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}}}";

static const char token_text[] = "{\"type\":\"string\",\"readOnly\":true,\"description\":\"The token "
                                 "itself: only in the answer that makes "
                                 "it\"}";

static const char count[] = "{\"type\":\"integer\"}";

static int add_text(json_object *to, const char *name, const char *text) {
        json_object *value = NULL;
        int r;

        r = json_parse(text, strlen(text), 0, NULL, &value);
        return r < 0 ? r : json_add(to, name, value);
}

/* *ret: the member, made when it is not there. */
static int member(json_object *o, const char *name, json_object **ret) {
        int r;

        if (json_object_object_get_ex(o, name, ret) && json_object_is_type(*ret, json_type_object))
                return 0;
        *ret = json_object_new_object();
        if (!*ret)
                return -ENOMEM;
        r = json_add(o, name, *ret);
        return r;
}

static int extend_schema(json_object *schemas, const char *schema_name, const char *name, const char *text) {
        json_object *schema = NULL, *properties = NULL;

        if (!json_object_object_get_ex(schemas, schema_name, &schema) ||
            !json_object_object_get_ex(schema, "properties", &properties))
                return -ENOENT;
        return add_text(properties, name, text);
}

static int extend(json_object *document) {
        json_object *paths, *components, *schemas;
        int r;

        r = member(document, "paths", &paths);
        for (size_t i = 0; i < ELEMENTSOF(extra_paths) && r >= 0; i++)
                r = add_text(paths, extra_paths[i].path, extra_paths[i].json);
        if (r >= 0)
                r = member(document, "components", &components);
        if (r >= 0)
                r = member(components, "schemas", &schemas);
        if (r >= 0)
                r = extend_schema(schemas, "Node", "status", node_status);
        if (r >= 0)
                r = extend_schema(schemas, "Token", "token", token_text);
        for (size_t i = 0; i < n_kinds && r >= 0; i++) {
                char list[64];

                /* "NodeList", as schema_openapi() calls it */
                (void) snprintf(list, sizeof(list), "%c%sList", kinds[i]->name[0] - 'a' + 'A',
                                kinds[i]->name + 1);
                r = extend_schema(schemas, list, "total", count);
                if (r >= 0)
                        r = extend_schema(schemas, list, "revision", count);
        }
        return r;
}

void api_openapi(Manager *m, ApiDone done, void *userdata) {
        _cleanup_json_ json_object *document = NULL;
        int r;

        r = schema_openapi(kinds, n_kinds, SDWAN_VERSION, &document);
        if (r >= 0)
                r = extend(document);
        if (r < 0) {
                api_problem(done, userdata, r == -ENOMEM ? 503 : 500, r == -ENOMEM ? "busy" : "internal",
                            NULL, NULL);
                return;
        }
        api_respond_json(done, userdata, 200, document, 0, NULL);
}
