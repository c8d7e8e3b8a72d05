/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <ctype.h>

#include "kinds/rules.h"

#define DNS_NAME_MAX 253
#define DNS_LABEL_MAX 63

static const Field fields[] = {
        { "node", FIELD_REF, offsetof(Uplink, node), FIELD_REQUIRED | FIELD_IMMUTABLE | FIELD_IN_LIST,
          .ref = "node", .title = "NODE", .help_en = "Node that the uplink belongs to",
          .help_zh = "上行链路所属的节点" },
        { "name", FIELD_STRING, offsetof(Uplink, name), FIELD_REQUIRED | FIELD_IN_LIST,
          .max = NAME_MAX_BYTES, .title = "NAME", .help_en = "Name of the uplink",
          .help_zh = "上行链路名称" },
        { "endpoint", FIELD_STRING, offsetof(Uplink, endpoint), FIELD_IN_LIST, .max = DNS_NAME_MAX,
          .title = "ENDPOINT", .help_en = "Public address or DNS name, without a port; none behind NAT",
          .help_zh = "公网地址或域名，不含端口；位于 NAT 之后则不填" },
        { "cost", FIELD_U64, offsetof(Uplink, cost), FIELD_IN_LIST, .max = 65535, .default_text = "100",
          .title = "COST", .help_en = "Cost of traffic; the lower one is preferred",
          .help_zh = "流量成本，数值小者优先" },
};

/* RFC 1123, with a last label that is not a number: else "1.2.3" would be an address to some and a name to
 * others. */
static bool is_dns_name(const char *s) {
        size_t label = 0;
        bool numeric = true;

        if (strlen(s) > DNS_NAME_MAX)
                return false;
        for (const char *p = s;; p++) {
                if (*p == '.' || *p == 0) {
                        if (label == 0 || label > DNS_LABEL_MAX || p[-1] == '-')
                                return false;
                        if (*p == 0)
                                return !numeric;
                        label = 0;
                        numeric = true;
                        continue;
                }
                if (!isascii(*p) || !(isalnum((unsigned char) *p) || (*p == '-' && label > 0)))
                        return false;
                if (!isdigit((unsigned char) *p))
                        numeric = false;
                label++;
        }
}

static bool is_unicast(const Address *a) {
        if (a->family == AF_INET)
                return a->bytes[0] != 0 && a->bytes[0] < 224;
        return a->bytes[0] != 0xFF && memcmp(a->bytes, &in6addr_any, sizeof(in6addr_any)) != 0;
}

static int validate(const Object *object, const Object *old, FieldError *ret_error) {
        const Uplink *u = uplink_of(object);
        Address a;
        int r;

        if (u->name) {
                r = rule_name("name", u->name, ret_error);
                if (r < 0)
                        return r;
        }
        if (!u->endpoint)
                return 0;
        if (address_parse(u->endpoint, &a) >= 0) {
                if (!is_unicast(&a))
                        return rule_error(ret_error, "endpoint", "must be a unicast address");
        } else if (!is_dns_name(u->endpoint))
                return rule_error(ret_error, "endpoint", "must be an address or a DNS name, without a port");
        return 0;
}

const Kind kind_uplink = {
        .name = "uplink",
        .plural = "uplinks",
        .path = "uplinks",
        .size = sizeof(Uplink),
        .fields = fields,
        .n_fields = ELEMENTSOF(fields),
        .help_en = "One WAN attachment of a node",
        .help_zh = "节点的一条广域网接入",
        .create_by_api = true,
        .delete_by_api = true,
        .validate = validate,
};
