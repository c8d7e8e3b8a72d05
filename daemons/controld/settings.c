/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/log.h"
#include "base/strutil.h"
#include "conf/conf.h"
#include "controld/settings.h"
#include "crypto/token.h"
#include "service/program.h"

#define PORT_DEFAULT 9443
#define CONNECTIONS_PER_ADDRESS_DEFAULT 64

/* What stands in the file, before it is checked. */
typedef struct Raw {
        char **urls, **names;
        char *listen_address;
        uint16_t port;
        uint64_t max_per_address;
} Raw;

static const ConfItem items[] = {
        { "Controller", "URL", CONF_STRV, offsetof(Raw, urls) },
        { "Controller", "Names", CONF_STRV, offsetof(Raw, names) },
        { "Controller", "ListenAddress", CONF_STRING, offsetof(Raw, listen_address) },
        { "Controller", "Port", CONF_PORT, offsetof(Raw, port) },
        { "Controller", "MaxConnectionsPerAddress", CONF_U64, offsetof(Raw, max_per_address),
          .max = 1000000 },
};

static void raw_done(Raw *r) {
        strv_free(r->urls);
        strv_free(r->names);
        free(r->listen_address);
}

void settings_done(Settings *s) {
        strv_free(s->urls);
        strv_free(s->names);
        free(s->state_directory);
        *s = (Settings) { 0 };
}

/* The host of https://host[:port], without the brackets of IPv6. -EINVAL: not such a URL. */
static int url_host(const char *url, char **ret) {
        static const char scheme[] = "https://";
        const char *host = url + strlen(scheme), *end;
        uint64_t port;
        char *copy;

        if (strncmp(url, scheme, strlen(scheme)) != 0)
                return -EINVAL;
        if (*host == '[') {
                host++;
                end = strchr(host, ']');
                if (!end)
                        return -EINVAL;
        } else
                end = host + strcspn(host, ":/?#@");
        if (end == host)
                return -EINVAL;
        copy = strndup(host, (size_t) (end - host));
        if (!copy)
                return -ENOMEM;
        end += *end == ']';
        if (*end != 0 && (*end != ':' || parse_u64(end + 1, UINT16_MAX, &port) < 0 || port == 0)) {
                free(copy);
                return -EINVAL;
        }
        *ret = copy;
        return 0;
}

static int add_name(Settings *s, const char *name) {
        return strv_contains(s->names, name) ? 0 : strv_append(&s->names, name);
}

static int host_name(char ret[static 256]) {
        if (gethostname(ret, 255) < 0)
                return -errno;
        ret[255] = 0;
        return ret[0] != 0 ? 0 : -ENODATA;
}

static int default_url(Settings *s, uint16_t port) {
        _cleanup_free_ char *url = NULL;
        char host[256];
        int r;

        r = host_name(host);
        if (r < 0)
                return log_error_errno(r,
                                       "This machine has no host name: set URL= in the configuration: %m");
        url = str_printf("https://%s:%u", host, port);
        return url ? strv_append(&s->urls, url) : -ENOMEM;
}

/* The names under which the controller is reached: hosts of the URLs, Names=, and this machine itself. */
static int collect_names(Settings *s, char *const *more) {
        static const char *const local[] = { "localhost", "127.0.0.1", "::1" };
        char host[256];
        int r = 0;

        STRV_FOREACH(url, s->urls) {
                _cleanup_free_ char *name = NULL;

                r = url_host(*url, &name);
                if (r == -EINVAL)
                        return log_error_errno(
                                        r,
                                        "URL= wants https://host or https://host:port, and \"%s\" is not.",
                                        *url);
                if (r >= 0)
                        r = add_name(s, name);
                if (r < 0)
                        return r;
        }
        STRV_FOREACH(name, more)
                if (r >= 0)
                        r = add_name(s, *name);
        if (r >= 0 && host_name(host) >= 0)
                r = add_name(s, host);
        for (size_t i = 0; i < ELEMENTSOF(local) && r >= 0; i++)
                r = add_name(s, local[i]);
        return r;
}

static int find_state_directory(Settings *s) {
        int r = program_state_directory(STATE_DIRECTORY_DEFAULT, &s->state_directory);

        return r == -EINVAL ? log_error_errno(r, "The state directory must be an absolute path.") : r;
}

static int take(Settings *s, Raw *raw) {
        int r;

        s->port = raw->port;
        s->max_agents_per_ip = raw->max_per_address;
        if (raw->listen_address && address_parse(raw->listen_address, &s->listen_address) < 0)
                return log_error_errno(-EINVAL, "ListenAddress= wants a numeric address.");
        s->urls = TAKE(raw->urls);
        r = s->urls ? 0 : default_url(s, s->port);
        if (r < 0)
                return r;
        if (strv_length(s->urls) > TOKEN_URLS_MAX)
                return log_error_errno(-EINVAL, "URL= takes at most %d.", TOKEN_URLS_MAX);
        r = collect_names(s, raw->names);
        return r < 0 ? r : find_state_directory(s);
}

int settings_load(const char *path, Settings *ret) {
        _cleanup_(raw_done) Raw raw = { .port = PORT_DEFAULT,
                                        .max_per_address = CONNECTIONS_PER_ADDRESS_DEFAULT };
        _cleanup_(settings_done) Settings s = { 0 };
        ConfError error = { 0 };
        int r;

        r = conf_load(path ? path : SETTINGS_PATH, items, ELEMENTSOF(items), &raw, &error);
        if (r < 0)
                return log_error_errno(r, "%s", error.text);
        r = take(&s, &raw);
        if (r < 0)
                return r == -ENOMEM ? log_oom() : r;
        *ret = s;
        s = (Settings) { 0 };
        return 0;
}
