/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "base/log.h"
#include "base/strutil.h"
#include "base/timeutil.h"
#include "controld/credentials.h"
#include "crypto/token.h"
#include "crypto/x509.h"
#include "json/json.h"

#define LEAF_LIFE_SEC (UINT64_C(90) * 86400)
#define LEAF_RENEW_SEC (UINT64_C(30) * 86400)
#define CREDENTIAL_MAX (64 * 1024)
#define SIGNING_KEY_ID "ck-1"

static char *credential_path(const Settings *s, const char *folder, const char *name) {
        return str_printf("%s/%s/%s", s->state_directory, folder, name);
}

static void wipe_free(char *s) {
        if (s)
                crypto_wipe(s, strlen(s));
        free(s);
}

static void wipe_freep(char **s) {
        wipe_free(*s);
}

void credentials_done(Credentials *c) {
        (void) secret_free(c->root_key);
        (void) secret_free(c->signing_key);
        (void) secret_free(c->challenge_key);
        free(c->ca_cert_pem);
        wipe_free(c->ca_key_pem);
        free(c->leaf_cert_pem);
        wipe_free(c->leaf_key_pem);
        free(c->keydoc);
        *c = (Credentials) { 0 };
}

/* Making */

static int write_secret(const Settings *s, const char *folder, const char *name, const Secret *secret) {
        _cleanup_free_ char *path = credential_path(s, folder, name);
        char text[B64_SIZE(KEY_SIZE) + 1];
        int r;

        if (!path)
                return -ENOMEM;
        b64_encode(secret_bytes(secret), KEY_SIZE, text);
        r = file_write_new(path, text, strlen(text), 0600);
        crypto_wipe(text, sizeof(text));
        return r;
}

static int write_text(const Settings *s, const char *folder, const char *name, const char *text) {
        _cleanup_free_ char *path = credential_path(s, folder, name);

        return path ? file_write_new(path, text, strlen(text), 0600) : -ENOMEM;
}

/* What a crash left of a first start: nobody has seen it yet. */
static int remove_unfinished(const char *folder) {
        struct dirent *e;
        DIR *d;

        d = opendir(folder);
        if (!d)
                return errno == ENOENT ? 0 : -errno;
        while ((e = readdir(d)))
                if (!streq(e->d_name, ".") && !streq(e->d_name, ".."))
                        (void) unlinkat(dirfd(d), e->d_name, 0);
        (void) closedir(d);
        return rmdir(folder) < 0 ? -errno : 0;
}

static int make_files(const Settings *s, const char *folder) {
        _cleanup_(secret_freep) Secret *root = NULL, *signing = NULL;
        _cleanup_(wipe_freep) char *ca_key = NULL;
        _cleanup_free_ char *ca_cert = NULL;
        char id[33], name[64];
        uint8_t random[16];
        int r;

        crypto_random(random, sizeof(random));
        hex_encode(random, sizeof(random), id);
        (void) snprintf(name, sizeof(name), "sdwan controller %.8s", id);
        r = secret_new_random(&root);
        if (r >= 0)
                r = secret_new_random(&signing);
        if (r >= 0)
                r = x509_make_ca(name, now_realtime_usec() / USEC_PER_SEC, &ca_cert, &ca_key);
        if (r >= 0)
                r = write_secret(s, folder, "root.key", root);
        if (r >= 0)
                r = write_secret(s, folder, "signing.key", signing);
        if (r >= 0)
                r = write_text(s, folder, "ca.crt", ca_cert);
        if (r >= 0)
                r = write_text(s, folder, "ca.key", ca_key);
        return r < 0 ? r : write_text(s, folder, "controller-id", id);
}

/* Into a folder of another name, which then takes its place: after a crash there are all of them or none. */
static int make_all(const Settings *s) {
        _cleanup_free_ char *fresh = str_printf("%s/credentials.new", s->state_directory);
        _cleanup_free_ char *final = str_printf("%s/credentials", s->state_directory);
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!fresh || !final)
                return log_oom();
        r = remove_unfinished(fresh);
        if (r >= 0 && mkdir(fresh, 0700) < 0)
                r = -errno;
        if (r >= 0)
                r = make_files(s, "credentials.new");
        if (r >= 0 && rename(fresh, final) < 0)
                r = -errno;
        if (r < 0) {
                int ignored _unused_ = remove_unfinished(fresh); /* the next start does it too */

                return r == -ENOSPC ? log_error_errno(r,
                                                      "No space left for the controller's keys in %s. Free "
                                                      "space on its file system and start again.",
                                                      final)
                                    : log_error_errno(r, "Failed to make the controller's keys in %s: %m",
                                                      final);
        }
        fd = open(s->state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0)
                return log_error_errno(-errno, "Failed to write the controller's keys to the disk: %m");
        log_notice("Made the keys and the certificate authority of a new controller in %s.", final);
        return 0;
}

/* Reading */

static int say_why(int error, const char *path) {
        if (error == -EPERM)
                return log_error_errno(
                                error,
                                "The key file %s can be reached by others, or belongs to somebody else. "
                                "Look who could have read it, then: chown it to the controller's user, "
                                "chmod 600 %s",
                                path, path);
        if (error == -ENOENT)
                return log_error_errno(
                                error,
                                "The key file %s is missing, but there is a database. Restore it from the "
                                "backup: with new keys no node would trust this controller.",
                                path);
        if (error == -EBADMSG)
                return log_error_errno(error, "The key file %s is damaged. Restore it from the backup.",
                                       path);
        return log_error_errno(error, "Failed to read the key file %s: %m", path);
}

static int read_text(const Settings *s, const char *name, char **ret) {
        _cleanup_free_ char *path = credential_path(s, "credentials", name);
        uint8_t *data = NULL;
        size_t len = 0;
        int r;

        if (!path)
                return log_oom();
        r = file_read_secret(path, CREDENTIAL_MAX, &data, &len);
        if (r >= 0 && memchr(data, 0, len)) {
                free(data);
                r = -EBADMSG;
        }
        if (r < 0)
                return say_why(r, path);
        *ret = (char *) data;
        return 0;
}

static int read_key(const Settings *s, const char *name, Secret **ret, PublicKey *ret_public) {
        _cleanup_(wipe_freep) char *text = NULL;
        _cleanup_free_ char *path = credential_path(s, "credentials", name);
        uint8_t bytes[KEY_SIZE];
        int r;

        r = read_text(s, name, &text);
        if (r < 0)
                return r;
        text[strcspn(text, "\n")] = 0;
        r = b64_decode_exact(text, bytes, sizeof(bytes));
        if (r < 0)
                return say_why(-EBADMSG, strempty(path));
        r = secret_new_take(bytes, ret);
        if (r >= 0)
                r = identity_public(*ret, ret_public);
        return r < 0 ? log_error_errno(r, "Failed to use the key file %s: %m", strempty(path)) : 0;
}

static int read_all(Credentials *c, const Settings *s) {
        _cleanup_free_ char *id = NULL, *path = NULL;
        uint8_t bytes[16];
        int r;

        r = read_text(s, "controller-id", &id);
        if (r < 0)
                return r;
        id[strcspn(id, "\n")] = 0;
        path = credential_path(s, "credentials", "controller-id");
        if (hex_decode(id, bytes, sizeof(bytes)) < 0)
                return say_why(-EBADMSG, strempty(path));
        memcpy(c->controller_id, id, sizeof(c->controller_id));
        r = read_key(s, "root.key", &c->root_key, &c->root_public);
        if (r >= 0)
                r = read_key(s, "signing.key", &c->signing_key, &c->signing_public);
        if (r >= 0)
                r = read_text(s, "ca.crt", &c->ca_cert_pem);
        if (r >= 0)
                r = read_text(s, "ca.key", &c->ca_key_pem);
        if (r < 0)
                return r;
        free(path);
        path = credential_path(s, "credentials", "ca.crt");
        r = x509_spki_pin(c->ca_cert_pem, &c->ca_pin);
        return r < 0 ? say_why(-EBADMSG, strempty(path)) : 0;
}

/* Certificate and key in one file, so that a crash cannot part them. */
static int split_leaf(const char *text, char **ret_cert, char **ret_key) {
        static const char begin[] = "-----BEGIN ";
        const char *key = strstr(text + 1, begin);
        _cleanup_free_ char *cert = NULL;

        if (strncmp(text, begin, strlen(begin)) != 0 || !key || !strstr(key, "PRIVATE KEY"))
                return -EBADMSG;
        cert = strndup(text, (size_t) (key - text));
        *ret_key = strdup(key);
        if (!cert || !*ret_key)
                return -ENOMEM;
        *ret_cert = TAKE(cert);
        return 0;
}

static int read_leaf(Credentials *c, const Settings *s) {
        _cleanup_free_ char *path = credential_path(s, "credentials", "leaf.pem");
        uint8_t *data = NULL;
        size_t len;
        int r;

        if (!path)
                return -ENOMEM;
        r = file_read_secret(path, CREDENTIAL_MAX, &data, &len);
        if (r == -ENOENT)
                return 0; /* it is made below: the CA is what agents trust */
        if (r < 0)
                return say_why(r, path);
        r = split_leaf((const char *) data, &c->leaf_cert_pem, &c->leaf_key_pem);
        crypto_wipe(data, len);
        free(data);
        return r == -EBADMSG ? 0 : r;
}

static bool leaf_is_good(const Credentials *c, const Settings *s) {
        uint64_t end = 0;

        if (!c->leaf_cert_pem || x509_not_after(c->leaf_cert_pem, &end) < 0)
                return false;
        return end > now_realtime_usec() / USEC_PER_SEC + LEAF_RENEW_SEC &&
               x509_leaf_covers(c->ca_cert_pem, c->leaf_cert_pem, s->names);
}

int credentials_renew_leaf(Credentials *c, const Settings *s) {
        _cleanup_free_ char *path = credential_path(s, "credentials", "leaf.pem"), *cert = NULL;
        _cleanup_(wipe_freep) char *key = NULL, *both = NULL;
        int r;

        if (leaf_is_good(c, s))
                return 0;
        r = x509_make_leaf(c->ca_cert_pem, c->ca_key_pem, s->names, now_realtime_usec() / USEC_PER_SEC,
                           LEAF_LIFE_SEC, &cert, &key);
        if (r < 0)
                return log_error_errno(r, "Failed to make the server's certificate: %m");
        both = str_printf("%s%s", cert, key);
        if (!path || !both)
                return log_oom();
        r = file_write_atomic(path, both, strlen(both), 0600);
        if (r < 0)
                return log_error_errno(r, "Failed to write %s: %m", path);
        free(c->leaf_cert_pem);
        wipe_free(c->leaf_key_pem);
        c->leaf_cert_pem = TAKE(cert);
        c->leaf_key_pem = TAKE(key);
        log_info("Made a new certificate for the server.");
        return 1;
}

int credentials_load(Credentials *c, const Settings *s, bool have_database) {
        _cleanup_free_ char *folder = str_printf("%s/credentials", s->state_directory);
        int r;

        if (!folder)
                return log_oom();
        if (access(folder, F_OK) < 0) {
                if (errno != ENOENT)
                        return say_why(-errno, folder);
                if (have_database)
                        return say_why(-ENOENT, folder);
                r = make_all(s);
                if (r < 0)
                        return r;
        }
        r = read_all(c, s);
        if (r >= 0)
                r = read_leaf(c, s);
        if (r >= 0)
                r = credentials_renew_leaf(c, s);
        if (r < 0)
                return r;
        (void) snprintf(c->signing_key_id, sizeof(c->signing_key_id), SIGNING_KEY_ID);
        r = secret_new_random(&c->challenge_key);
        return r < 0 ? log_error_errno(r, "Failed to make a key: %m") : 0;
}

#define DATABASE_NOTE "database-made"

bool credentials_have_database(const Settings *s) {
        _cleanup_free_ char *path = credential_path(s, "credentials", DATABASE_NOTE);

        return path && access(path, F_OK) >= 0;
}

int credentials_note_database(const Settings *s) {
        int r;

        if (credentials_have_database(s))
                return 0;
        r = write_text(s, "credentials", DATABASE_NOTE, "The database beside these keys was made.\n");
        return r == -EEXIST ? 0 : r;
}

/* Key document */

static int add_signing_keys(const Credentials *c, json_object *o) {
        json_object *list = json_object_new_array(), *key = json_object_new_object();
        int r;

        if (!list || !key) {
                json_object_put(list);
                json_object_put(key);
                return -ENOMEM;
        }
        r = json_add_string(key, "kid", c->signing_key_id);
        if (r >= 0)
                r = json_add_b64url(key, "pk", c->signing_public.bytes, KEY_SIZE);
        if (r >= 0)
                r = json_add_u64(key, "nbf", 0);
        if (r >= 0)
                r = json_add_u64(key, "exp", 0);
        if (r < 0) {
                json_object_put(list);
                json_object_put(key);
                return r;
        }
        r = json_append(list, key);
        if (r < 0) {
                json_object_put(list);
                return r;
        }
        return json_add(o, "signing_keys", list);
}

static int add_tls(const Credentials *c, json_object *o) {
        _cleanup_json_ json_object *tls = json_object_new_object();
        int r;

        if (!tls)
                return -ENOMEM;
        r = json_add_string(tls, "mode", "pin");
        if (r >= 0)
                r = json_add_strv(tls, "ca_pem", (char *[]) { c->ca_cert_pem, NULL });
        return r < 0 ? r : json_add(o, "tls", TAKE(tls));
}

static int keydoc_payload(const Credentials *c, char **ret, size_t *ret_len) {
        _cleanup_json_ json_object *o = json_object_new_object();
        _cleanup_free_ char *root = NULL;
        int r;

        if (!o)
                return -ENOMEM;
        r = b64url_encode(c->root_public.bytes, KEY_SIZE, &root);
        if (r >= 0)
                r = json_add_string(o, "type", "keydoc");
        if (r >= 0)
                r = json_add_string(o, "controller_id", c->controller_id);
        if (r >= 0)
                r = json_add_u64(o, "epoch", c->epoch);
        if (r >= 0)
                r = json_add_u64(o, "keys_serial", c->keys_serial);
        if (r >= 0)
                r = json_add_strv(o, "root_keys", (char *[]) { root, NULL });
        if (r >= 0)
                r = add_signing_keys(c, o);
        if (r >= 0)
                r = add_tls(c, o);
        if (r >= 0)
                r = json_add_string(o, "min_agent", "0.1.0");
        if (r >= 0)
                r = json_add_u64(o, "time", now_realtime_usec() / USEC_PER_SEC);
        if (r < 0)
                return r;
        *ret = json_format(o, ret_len);
        return *ret ? 0 : -ENOMEM;
}

int credentials_make_keydoc(Credentials *c) {
        _cleanup_free_ char *payload = NULL, *p = NULL, *k = NULL, *s = NULL;
        Signature signature;
        size_t len;
        int r;

        r = keydoc_payload(c, &payload, &len);
        if (r >= 0)
                r = envelope_sign(c->root_key, DOMAIN_KEYDOC, payload, len, &signature);
        if (r >= 0)
                r = b64url_encode(payload, len, &p);
        if (r >= 0)
                r = b64url_encode(c->root_public.bytes, KEY_SIZE, &k);
        if (r >= 0)
                r = b64url_encode(signature.bytes, SIGNATURE_SIZE, &s);
        if (r < 0)
                return r;
        free(c->keydoc);
        c->keydoc = str_printf("{\"p\":\"%s\",\"sigs\":[{\"k\":\"%s\",\"s\":\"%s\"}]}", p, k, s);
        if (!c->keydoc)
                return -ENOMEM;
        c->keydoc_len = strlen(c->keydoc);
        return 0;
}
