/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "kinds/rules.h"

static const Field fields[] = {
        { "node", FIELD_REF, offsetof(SitePrefix, node), FIELD_REQUIRED | FIELD_IMMUTABLE | FIELD_IN_LIST,
          .ref = "node", .title = "NODE", .help_en = "Node behind which the range is",
          .help_zh = "地址段所在的节点" },
        { "prefix", FIELD_PREFIX, offsetof(SitePrefix, prefix), FIELD_REQUIRED | FIELD_IN_LIST,
          .title = "PREFIX", .help_en = "Address range that the node makes reachable",
          .help_zh = "节点使其可达的地址段" },
        { "comment", FIELD_STRING, offsetof(SitePrefix, comment), FIELD_IN_LIST, .max = 200,
          .title = "COMMENT", .help_en = "For people", .help_zh = "备注" },
};

static int validate(const Object *object, const Object *old, FieldError *ret_error) {
        const SitePrefix *p = prefix_of(object);

        return p->prefix.address.family != 0 ? rule_site_range("prefix", &p->prefix, ret_error) : 0;
}

const Kind kind_prefix = {
        .name = "prefix",
        .plural = "prefixes",
        .path = "prefixes",
        .size = sizeof(SitePrefix),
        .fields = fields,
        .n_fields = ELEMENTSOF(fields),
        .help_en = "An address range that a node makes reachable",
        .help_zh = "节点使其可达的地址段",
        .create_by_api = true,
        .delete_by_api = true,
        .validate = validate,
};
