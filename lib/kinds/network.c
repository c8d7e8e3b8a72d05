/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "kinds/rules.h"

#define PORT_MAX (UINT16_MAX - LANE_MAX - HUB_SLOT_MAX) /* lanes, then one port per other hub */

static const char *const topologies[] = { "hub-spoke", NULL };

static const Field fields[] = {
        { "name", FIELD_STRING, offsetof(Network, name), FIELD_REQUIRED | FIELD_UNIQUE | FIELD_IN_LIST,
          .max = NAME_MAX_BYTES, .title = "NAME", .help_en = "Name of the network", .help_zh = "网络名称" },
        { "prefix4", FIELD_PREFIX, offsetof(Network, prefix4), FIELD_IMMUTABLE | FIELD_IN_LIST,
          .title = "IPV4",
          .help_en = "IPv4 range of the overlay (length 8 to 30); nodes get their addresses from it",
          .help_zh = "覆盖网络的 IPv4 地址段（前缀长度 8 到 30），节点地址从中分配" },
        { "prefix6", FIELD_PREFIX, offsetof(Network, prefix6), FIELD_IMMUTABLE | FIELD_IN_LIST,
          .title = "IPV6",
          .help_en = "IPv6 range of the overlay (length 48 to 120); nodes get their addresses from it",
          .help_zh = "覆盖网络的 IPv6 地址段（前缀长度 48 到 120），节点地址从中分配" },
        { "topology", FIELD_ENUM, offsetof(Network, topology), FIELD_IN_LIST, .values = topologies,
          .default_text = "hub-spoke", .title = "TOPOLOGY", .help_en = "How the nodes are connected",
          .help_zh = "节点的连接方式" },
        { "mtu", FIELD_U64, offsetof(Network, mtu), 0, .min = 1280, .max = 9000, .default_text = "1420",
          .title = "MTU", .help_en = "MTU of the tunnels in bytes", .help_zh = "隧道的 MTU（字节）" },
        { "port", FIELD_U64, offsetof(Network, port), FIELD_IN_LIST, .min = 1, .max = PORT_MAX,
          .default_text = "51820", .title = "PORT", .help_en = "First UDP port of the hubs' lanes",
          .help_zh = "中心节点通道的起始 UDP 端口" },
        { "keepalive", FIELD_U64, offsetof(Network, keepalive), 0, .max = 3600, .default_text = "25",
          .title = "KEEPALIVE", .help_en = "Seconds between the keepalive packets of spokes; 0 sends none",
          .help_zh = "分支节点保活报文的间隔（秒），0 表示不发送" },
        { "ranges", FIELD_PREFIX_LIST, offsetof(Network, ranges), 0, .title = "RANGES",
          .help_en = "Address ranges of all sites together; spokes route them to the hubs as a whole",
          .help_zh = "所有站点的汇总地址段，分支节点将其整体路由到中心节点" },
};

static int validate_overlay(const Network *n, FieldError *ret_error) {
        int r;

        if (n->prefix4.address.family == 0 && n->prefix6.address.family == 0)
                return rule_error(ret_error, "prefix4", "a network needs prefix4, prefix6 or both");
        if (n->prefix4.address.family != 0) {
                if (n->prefix4.address.family != AF_INET)
                        return rule_error(ret_error, "prefix4", "must be an IPv4 range");
                if (n->prefix4.length < 8 || n->prefix4.length > 30)
                        return rule_error(ret_error, "prefix4", "must have a length of 8 to 30");
                r = rule_site_range("prefix4", &n->prefix4, ret_error);
                if (r < 0)
                        return r;
        }
        if (n->prefix6.address.family != 0) {
                if (n->prefix6.address.family != AF_INET6)
                        return rule_error(ret_error, "prefix6", "must be an IPv6 range");
                if (n->prefix6.length < 48 || n->prefix6.length > 120)
                        return rule_error(ret_error, "prefix6", "must have a length of 48 to 120");
                r = rule_site_range("prefix6", &n->prefix6, ret_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int validate(const Object *object, const Object *old, FieldError *ret_error) {
        const Network *n = network_of(object);
        int r;

        if (n->name) {
                r = rule_name("name", n->name, ret_error);
                if (r < 0)
                        return r;
        }
        r = validate_overlay(n, ret_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n->ranges.n; i++) {
                const Prefix *range = &n->ranges.items[i];

                r = rule_site_range("ranges", range, ret_error);
                if (r < 0)
                        return r;
                if (prefix_overlaps(range, &n->prefix4) || prefix_overlaps(range, &n->prefix6))
                        return rule_error(ret_error, "ranges", "a range overlaps the network's own prefix");
        }
        return 0;
}

const Kind kind_network = {
        .name = "network",
        .plural = "networks",
        .path = "networks",
        .size = sizeof(Network),
        .fields = fields,
        .n_fields = ELEMENTSOF(fields),
        .help_en = "An overlay: its address ranges, topology and MTU",
        .help_zh = "覆盖网络：地址段、拓扑和 MTU",
        .create_by_api = true,
        .delete_by_api = true,
        .validate = validate,
};
