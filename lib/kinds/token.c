/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "kinds/rules.h"

#define TOKEN_USES_MAX 100000

static const char *const roles[] = { "spoke", "hub", NULL };
static const char *const approvals[] = { "auto", "manual", NULL };

/* What a token allows is fixed when it is handed out; afterwards it can only be renamed or revoked. */
static const Field fields[] = {
        { "name", FIELD_STRING, offsetof(Token, name), FIELD_UNIQUE | FIELD_IN_LIST, .max = NAME_MAX_BYTES,
          .title = "NAME", .help_en = "Name of the token, for people", .help_zh = "令牌名称" },
        { "network", FIELD_REF, offsetof(Token, network), FIELD_REQUIRED | FIELD_IMMUTABLE, .ref = "network",
          .title = "NETWORK", .help_en = "Network that nodes join with it",
          .help_zh = "节点凭此令牌加入的网络" },
        { "role", FIELD_ENUM, offsetof(Token, role), FIELD_IMMUTABLE | FIELD_IN_LIST, .values = roles,
          .default_text = "spoke", .title = "ROLE", .help_en = "Role of the nodes that join with it",
          .help_zh = "凭此令牌加入的节点的角色" },
        { "max_uses", FIELD_U64, offsetof(Token, max_uses), FIELD_IMMUTABLE | FIELD_IN_LIST, .min = 1,
          .max = TOKEN_USES_MAX, .default_text = "1", .title = "MAX",
          .help_en = "How many nodes may join with it", .help_zh = "允许加入的节点数量" },
        { "uses", FIELD_U64, offsetof(Token, uses), FIELD_READ_ONLY | FIELD_IN_LIST, .max = TOKEN_USES_MAX,
          .default_text = "0", .title = "USES", .help_en = "How many nodes have joined with it",
          .help_zh = "已加入的节点数量" },
        { "not_after", FIELD_TIME, offsetof(Token, not_after), FIELD_IMMUTABLE | FIELD_IN_LIST,
          .title = "EXPIRES",
          .help_en = "When it expires; one hour from now where nothing is given, 30 days at most",
          .help_zh = "过期时间；默认一小时后，最长 30 天" },
        { "allowed_prefixes", FIELD_PREFIX_LIST, offsetof(Token, allowed_prefixes), FIELD_IMMUTABLE,
          .title = "PREFIXES", .help_en = "A joining node may announce prefixes inside these ranges",
          .help_zh = "加入的节点可以通告这些地址段内的前缀" },
        { "approval", FIELD_ENUM, offsetof(Token, approval), FIELD_IMMUTABLE, .values = approvals,
          .default_text = "auto", .title = "APPROVAL",
          .help_en = "Whether an administrator must confirm each node",
          .help_zh = "是否需要管理员逐一确认节点" },
        { "revoked", FIELD_BOOL, offsetof(Token, revoked), FIELD_IN_LIST, .default_text = "false",
          .title = "REVOKED", .help_en = "No node can join with it any more; cannot be undone",
          .help_zh = "令牌已吊销，不能再用于加入；不可恢复" },
        { "key", FIELD_KEY, offsetof(Token, key), FIELD_READ_ONLY | FIELD_UNIQUE, .title = "KEY",
          .help_en = "Public half of the token's key (Ed25519)", .help_zh = "令牌公钥（Ed25519）" },
        { "created_by", FIELD_STRING, offsetof(Token, created_by), FIELD_READ_ONLY, .max = 128,
          .title = "CREATED BY", .help_en = "Who made it", .help_zh = "创建者" },
        { "created", FIELD_TIME, offsetof(Token, created), FIELD_READ_ONLY, .title = "CREATED",
          .help_en = "When it was made", .help_zh = "创建时间" },
};

static int validate(const Object *object, const Object *old, FieldError *ret_error) {
        const Token *t = token_of(object);
        int r;

        if (t->name) {
                r = rule_name("name", t->name, ret_error);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < t->allowed_prefixes.n; i++) {
                r = rule_site_range("allowed_prefixes", &t->allowed_prefixes.items[i], ret_error);
                if (r < 0)
                        return r;
        }
        if (old && token_of(old)->revoked && !t->revoked)
                return rule_error(ret_error, "revoked", "a revoked token cannot be made valid again");
        return 0;
}

const Kind kind_token = {
        .name = "token",
        .plural = "tokens",
        .path = "tokens",
        .size = sizeof(Token),
        .fields = fields,
        .n_fields = ELEMENTSOF(fields),
        .help_en = "An enrolment token, with which new nodes join",
        .help_zh = "注册令牌，新节点凭此加入",
        .create_by_api = true,
        .delete_by_api = true,
        .validate = validate,
};
