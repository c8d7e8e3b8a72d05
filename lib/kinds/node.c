/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "kinds/rules.h"

static const char *const roles[] = { "spoke", "hub", NULL };
static const char *const states[] = { "active", "pending", "revoked", NULL };

static const Field fields[] = {
        { "name", FIELD_STRING, offsetof(Node, name), FIELD_REQUIRED | FIELD_UNIQUE | FIELD_IN_LIST,
          .max = NAME_MAX_BYTES, .title = "NAME", .help_en = "Name of the node", .help_zh = "节点名称" },
        { "network", FIELD_REF, offsetof(Node, network), FIELD_READ_ONLY, .ref = "network",
          .title = "NETWORK", .help_en = "Network that the node belongs to", .help_zh = "节点所属的网络" },
        { "role", FIELD_ENUM, offsetof(Node, role), FIELD_READ_ONLY | FIELD_IN_LIST, .values = roles,
          .default_text = "spoke", .title = "ROLE", .help_en = "Hubs forward between spokes",
          .help_zh = "角色：中心节点在分支节点之间转发" },
        { "state", FIELD_ENUM, offsetof(Node, state), FIELD_READ_ONLY | FIELD_IN_LIST, .values = states,
          .default_text = "active", .title = "STATE",
          .help_en = "Whether the node takes part in the network", .help_zh = "节点是否参与网络" },
        { "index", FIELD_U64, offsetof(Node, index), FIELD_READ_ONLY, .max = NODE_INDEX_MAX,
          .title = "INDEX", .help_en = "Place of the node in the network's address ranges",
          .help_zh = "节点在网络地址段中的序号" },
        { "hub_slot", FIELD_U64, offsetof(Node, hub_slot), FIELD_READ_ONLY, .max = HUB_SLOT_MAX,
          .title = "SLOT", .help_en = "Number of the hub; names the tunnel interface on the others",
          .help_zh = "中心节点编号，用于命名其他节点上的隧道接口" },
        { "address4", FIELD_ADDRESS, offsetof(Node, address4), FIELD_READ_ONLY | FIELD_IN_LIST,
          .title = "IPV4", .help_en = "IPv4 overlay address", .help_zh = "覆盖网络 IPv4 地址" },
        { "address6", FIELD_ADDRESS, offsetof(Node, address6), FIELD_READ_ONLY | FIELD_IN_LIST,
          .title = "IPV6", .help_en = "IPv6 overlay address", .help_zh = "覆盖网络 IPv6 地址" },
        { "identity", FIELD_KEY, offsetof(Node, identity), FIELD_READ_ONLY | FIELD_UNIQUE,
          .title = "IDENTITY", .help_en = "Public identity key (Ed25519)",
          .help_zh = "身份公钥（Ed25519）" },
        { "wg_key", FIELD_KEY, offsetof(Node, wg_key), FIELD_READ_ONLY | FIELD_UNIQUE, .title = "KEY",
          .help_en = "Public WireGuard key", .help_zh = "WireGuard 公钥" },
        { "priority", FIELD_U64, offsetof(Node, priority), 0, .max = 65535, .default_text = "100",
          .title = "PRIORITY", .help_en = "Of hubs: the lower one is preferred",
          .help_zh = "中心节点优先级，数值小者优先" },
        { "site", FIELD_STRING, offsetof(Node, site), FIELD_IN_LIST, .max = 63, .title = "SITE",
          .help_en = "Where the node stands", .help_zh = "节点所在站点" },
        { "tags", FIELD_STRV, offsetof(Node, tags), 0, .max = 63, .max_items = 32, .title = "TAGS",
          .help_en = "Tags, for groups and searches", .help_zh = "标签，用于分组和查找" },
        { "os", FIELD_STRING, offsetof(Node, os), FIELD_READ_ONLY, .max = 128, .title = "OS",
          .help_en = "Operating system, as the node reported when it joined",
          .help_zh = "操作系统（加入时上报）" },
        { "agent_version", FIELD_STRING, offsetof(Node, agent_version), FIELD_READ_ONLY, .max = 64,
          .title = "VERSION", .help_en = "Version of the agent, as the node reported when it joined",
          .help_zh = "代理版本（加入时上报）" },
        { "token", FIELD_REF, offsetof(Node, token), FIELD_READ_ONLY, .ref = "token", .title = "TOKEN",
          .help_en = "Enrolment token that the node joined with", .help_zh = "节点加入时使用的注册令牌" },
        { "created", FIELD_TIME, offsetof(Node, created), FIELD_READ_ONLY, .title = "CREATED",
          .help_en = "When the node joined", .help_zh = "加入时间" },
};

static int validate(const Object *object, const Object *old, FieldError *ret_error) {
        const Node *n = node_of(object);

        return n->name ? rule_name("name", n->name, ret_error) : 0;
}

const Kind kind_node = {
        .name = "node",
        .plural = "nodes",
        .path = "nodes",
        .size = sizeof(Node),
        .fields = fields,
        .n_fields = ELEMENTSOF(fields),
        .help_en = "A Linux machine that runs the agent; it joins with an enrolment token",
        .help_zh = "运行代理的 Linux 主机，凭注册令牌加入",
        .create_by_api = false,
        .delete_by_api = true,
        .validate = validate,
};
