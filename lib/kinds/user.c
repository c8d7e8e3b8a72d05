/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "kinds/rules.h"

static const Field fields[] = {
        /* The audit trail names users: a name never comes to mean another one. */
        { "name", FIELD_STRING, offsetof(User, name),
          FIELD_REQUIRED | FIELD_UNIQUE | FIELD_IMMUTABLE | FIELD_IN_LIST, .max = NAME_MAX_BYTES,
          .title = "NAME", .help_en = "Name of the administrator", .help_zh = "管理员名称" },
        { "token_id", FIELD_STRING, offsetof(User, token_id), FIELD_READ_ONLY | FIELD_UNIQUE | FIELD_IN_LIST,
          .max = 15, .title = "TOKEN", .help_en = "Public part of the API token",
          .help_zh = "API 令牌的公开部分" },
        { "token_hash", FIELD_DIGEST, offsetof(User, token_hash), FIELD_READ_ONLY | FIELD_HIDDEN,
          .title = "HASH", .help_en = "Hash of the API token's secret part",
          .help_zh = "API 令牌秘密部分的哈希" },
        { "created", FIELD_TIME, offsetof(User, created), FIELD_READ_ONLY | FIELD_IN_LIST,
          .title = "CREATED", .help_en = "When the user was made", .help_zh = "创建时间" },
};

static int validate(const Object *object, const Object *old, FieldError *ret_error) {
        const User *u = user_of(object);

        return u->name ? rule_name("name", u->name, ret_error) : 0;
}

const Kind kind_user = {
        .name = "user",
        .plural = "users",
        .path = "users",
        .size = sizeof(User),
        .fields = fields,
        .n_fields = ELEMENTSOF(fields),
        .help_en = "An administrator with an API token; made on the controller's host",
        .help_zh = "持有 API 令牌的管理员，在控制器主机上创建",
        .create_by_api = false,
        .delete_by_api = true,
        .validate = validate,
};
