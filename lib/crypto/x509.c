/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/addr.h"
#include "crypto/x509.h"

#define CA_LIFETIME_SEC (UINT64_C(10) * 365 * 86400)
#define CLOCK_SKEW_SEC 3600
#define SERIAL_SIZE 16
#define KEY_ID_SIZE 64
#define COMMON_NAME_MAX 64
#define DNS_NAME_MAX 253
#define DNS_LABEL_MAX 63

static void crt_deinitp(gnutls_x509_crt_t *crt) {
        if (*crt)
                gnutls_x509_crt_deinit(*crt);
}

static void privkey_deinitp(gnutls_x509_privkey_t *key) {
        if (*key)
                gnutls_x509_privkey_deinit(*key); /* wipes */
}

static void datum_donep(gnutls_datum_t *d) {
        if (d->data) {
                crypto_wipe(d->data, d->size);
                gnutls_free(d->data);
        }
}

static int from_gnutls(int r) {
        return r >= 0 ? 0 : r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EIO;
}

/* Labels of letters, digits and hyphens; the last one is not a number, which would be a mistyped address. */
static bool dns_name_is_valid(const char *s) {
        size_t len = strlen(s);
        const char *label = s;

        if (len == 0 || len > DNS_NAME_MAX)
                return false;
        for (;;) {
                size_t n = strcspn(label, ".");

                if (n == 0 || n > DNS_LABEL_MAX || label[0] == '-' || label[n - 1] == '-')
                        return false;
                if (strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != n)
                        return false;
                if (label[n] == '\0')
                        return strspn(label, "0123456789") != n;
                label += n + 1;
        }
}

static int key_generate(gnutls_x509_privkey_t *ret) {
        _cleanup_(privkey_deinitp) gnutls_x509_privkey_t key = NULL;
        int r;

        r = gnutls_x509_privkey_init(&key);
        if (r < 0)
                return from_gnutls(r);
        r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
        if (r < 0)
                return from_gnutls(r);
        *ret = TAKE(key);
        return 0;
}

/* Version, serial number, times, subject, key and its identifier: what CA and leaf have in common. */
static int crt_fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *common_name,
                    uint64_t now_sec, uint64_t lifetime_sec) {
        uint64_t from_sec = now_sec > CLOCK_SKEW_SEC ? now_sec - CLOCK_SKEW_SEC : 0;
        uint8_t serial[SERIAL_SIZE], id[KEY_ID_SIZE];
        size_t id_size = sizeof(id);
        int r;

        crypto_random(serial, sizeof(serial));
        serial[0] = (uint8_t) ((serial[0] & 0x7f) | 0x40); /* positive, and never shorter */

        r = gnutls_x509_crt_set_version(crt, 3);
        if (r >= 0)
                r = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
        if (r >= 0)
                r = gnutls_x509_crt_set_activation_time(crt, (time_t) from_sec);
        if (r >= 0)
                r = gnutls_x509_crt_set_expiration_time(crt, (time_t) (now_sec + lifetime_sec));
        if (r >= 0 && common_name)
                r = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, common_name,
                                                  (unsigned) strlen(common_name));
        if (r >= 0)
                r = gnutls_x509_crt_set_key(crt, key);
        if (r >= 0)
                r = gnutls_x509_crt_get_key_id(crt, 0, id, &id_size);
        if (r >= 0)
                r = gnutls_x509_crt_set_subject_key_id(crt, id, id_size);
        return from_gnutls(r);
}

static int datum_to_string(const gnutls_datum_t *d, char **ret) {
        char *s = malloc((size_t) d->size + 1);

        if (!s)
                return -ENOMEM;
        memcpy(s, d->data, d->size);
        s[d->size] = '\0';
        *ret = s;
        return 0;
}

static int export_pem(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, char **ret_cert_pem,
                      char **ret_key_pem) {
        _cleanup_(datum_donep) gnutls_datum_t cert_pem = { 0 }, key_pem = { 0 };
        _cleanup_free_ char *cert_text = NULL;
        int r;

        r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &cert_pem);
        if (r >= 0)
                r = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
                                                      &key_pem);
        if (r < 0)
                return from_gnutls(r);
        r = datum_to_string(&cert_pem, &cert_text);
        if (r < 0)
                return r;
        r = datum_to_string(&key_pem, ret_key_pem);
        if (r < 0)
                return r;
        *ret_cert_pem = TAKE(cert_text);
        return 0;
}

int x509_make_ca(const char *common_name, uint64_t now_sec, char **ret_cert_pem, char **ret_key_pem) {
        _cleanup_(privkey_deinitp) gnutls_x509_privkey_t key = NULL;
        _cleanup_(crt_deinitp) gnutls_x509_crt_t crt = NULL;
        int r;

        assert(common_name && ret_cert_pem && ret_key_pem);

        if (common_name[0] == '\0' || strlen(common_name) > COMMON_NAME_MAX)
                return -EINVAL;
        r = key_generate(&key);
        if (r < 0)
                return r;
        r = gnutls_x509_crt_init(&crt);
        if (r < 0)
                return from_gnutls(r);
        r = crt_fill(crt, key, common_name, now_sec, CA_LIFETIME_SEC);
        if (r < 0)
                return r;
        r = gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
        if (r >= 0)
                r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
        if (r >= 0)
                r = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
        if (r < 0)
                return from_gnutls(r);
        return export_pem(crt, key, ret_cert_pem, ret_key_pem);
}

static int crt_import(const char *pem, gnutls_x509_crt_t *ret) {
        _cleanup_(crt_deinitp) gnutls_x509_crt_t crt = NULL;
        gnutls_datum_t d = { .data = (uint8_t *) pem, .size = (unsigned) strlen(pem) };
        int r;

        r = gnutls_x509_crt_init(&crt);
        if (r < 0)
                return from_gnutls(r);
        r = gnutls_x509_crt_import(crt, &d, GNUTLS_X509_FMT_PEM);
        if (r < 0)
                return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EBADMSG;
        *ret = TAKE(crt);
        return 0;
}

static int key_import(const char *pem, gnutls_x509_privkey_t *ret) {
        _cleanup_(privkey_deinitp) gnutls_x509_privkey_t key = NULL;
        gnutls_datum_t d = { .data = (uint8_t *) pem, .size = (unsigned) strlen(pem) };
        int r;

        r = gnutls_x509_privkey_init(&key);
        if (r < 0)
                return from_gnutls(r);
        r = gnutls_x509_privkey_import2(key, &d, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN);
        if (r < 0)
                return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EBADMSG;
        *ret = TAKE(key);
        return 0;
}

static int crt_add_name(gnutls_x509_crt_t crt, const char *name) {
        Address address;
        int r;

        if (address_parse(name, &address) == 0)
                r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address.bytes,
                                                         (unsigned) address_size(&address),
                                                         GNUTLS_FSAN_APPEND);
        else
                r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
                                                         (unsigned) strlen(name), GNUTLS_FSAN_APPEND);
        return from_gnutls(r);
}

static bool names_are_valid(char *const *names) {
        Address address;

        if (!names || !names[0])
                return false;
        for (char *const *name = names; *name; name++)
                if (address_parse(*name, &address) < 0 && !dns_name_is_valid(*name))
                        return false;
        return true;
}

/* The leaf names its issuer by the CA's own key identifier, so that a chain is found whatever the names are.
 */
static int crt_set_issuer_id(gnutls_x509_crt_t crt, gnutls_x509_crt_t ca) {
        size_t id_size = KEY_ID_SIZE;
        uint8_t id[KEY_ID_SIZE];
        int r;

        r = gnutls_x509_crt_get_subject_key_id(ca, id, &id_size, NULL);
        if (r >= 0)
                r = gnutls_x509_crt_set_authority_key_id(crt, id, id_size);
        return from_gnutls(r);
}

static int leaf_sign(gnutls_x509_crt_t crt, const char *ca_cert_pem, const char *ca_key_pem) {
        _cleanup_(privkey_deinitp) gnutls_x509_privkey_t ca_key = NULL;
        _cleanup_(crt_deinitp) gnutls_x509_crt_t ca = NULL;
        int r;

        r = crt_import(ca_cert_pem, &ca);
        if (r < 0)
                return r;
        r = key_import(ca_key_pem, &ca_key);
        if (r < 0)
                return r;
        r = crt_set_issuer_id(crt, ca);
        if (r < 0)
                return r;
        return from_gnutls(gnutls_x509_crt_sign2(crt, ca, ca_key, GNUTLS_DIG_SHA256, 0));
}

int x509_make_leaf(const char *ca_cert_pem, const char *ca_key_pem, char *const *names, uint64_t now_sec,
                   uint64_t lifetime_sec, char **ret_cert_pem, char **ret_key_pem) {
        _cleanup_(privkey_deinitp) gnutls_x509_privkey_t key = NULL;
        _cleanup_(crt_deinitp) gnutls_x509_crt_t crt = NULL;
        int r;

        assert(ca_cert_pem && ca_key_pem && ret_cert_pem && ret_key_pem);

        if (!names_are_valid(names))
                return -EINVAL;
        r = key_generate(&key);
        if (r < 0)
                return r;
        r = gnutls_x509_crt_init(&crt);
        if (r < 0)
                return from_gnutls(r);
        r = crt_fill(crt, key, strlen(names[0]) <= COMMON_NAME_MAX ? names[0] : NULL, now_sec, lifetime_sec);
        if (r < 0)
                return r;
        for (char *const *name = names; *name; name++) {
                r = crt_add_name(crt, *name);
                if (r < 0)
                        return r;
        }
        r = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
        if (r >= 0)
                r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
        if (r >= 0)
                r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
        if (r < 0)
                return from_gnutls(r);
        r = leaf_sign(crt, ca_cert_pem, ca_key_pem);
        if (r < 0)
                return r;
        return export_pem(crt, key, ret_cert_pem, ret_key_pem);
}

static void pubkey_deinitp(gnutls_pubkey_t *key) {
        if (*key)
                gnutls_pubkey_deinit(*key);
}

int x509_spki_pin(const char *cert_pem, Digest *ret) {
        _cleanup_(pubkey_deinitp) gnutls_pubkey_t key = NULL;
        _cleanup_(crt_deinitp) gnutls_x509_crt_t crt = NULL;
        _cleanup_(datum_donep) gnutls_datum_t der = { 0 };
        int r;

        assert(cert_pem && ret);

        r = crt_import(cert_pem, &crt);
        if (r < 0)
                return r;
        r = gnutls_pubkey_init(&key);
        if (r < 0)
                return from_gnutls(r);
        r = gnutls_pubkey_import_x509(key, crt, 0);
        if (r >= 0)
                r = gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der);
        if (r < 0)
                return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EBADMSG;
        digest_sha256(der.data, der.size, ret);
        return 0;
}

int x509_not_after(const char *cert_pem, uint64_t *ret) {
        _cleanup_(crt_deinitp) gnutls_x509_crt_t crt = NULL;
        time_t t;
        int r;

        assert(cert_pem && ret);

        r = crt_import(cert_pem, &crt);
        if (r < 0)
                return r;
        t = gnutls_x509_crt_get_expiration_time(crt);
        if (t < 0)
                return -EBADMSG;
        *ret = (uint64_t) t;
        return 0;
}

static bool crt_covers(gnutls_x509_crt_t crt, const char *name) {
        Address address;

        if (address_parse(name, &address) == 0)
                return gnutls_x509_crt_check_ip(crt, address.bytes, (unsigned) address_size(&address), 0) !=
                       0;
        return gnutls_x509_crt_check_hostname2(crt, name,
                                               GNUTLS_VERIFY_DO_NOT_ALLOW_WILDCARDS |
                                                               GNUTLS_VERIFY_DO_NOT_ALLOW_IP_MATCHES) != 0;
}

bool x509_leaf_covers(const char *ca_cert_pem, const char *leaf_cert_pem, char *const *names) {
        _cleanup_(crt_deinitp) gnutls_x509_crt_t ca = NULL, leaf = NULL;
        unsigned status = 0;
        int r;

        assert(ca_cert_pem && leaf_cert_pem);

        if (crt_import(ca_cert_pem, &ca) < 0 || crt_import(leaf_cert_pem, &leaf) < 0)
                return false;
        /* What is in the list of authorities is trusted as such by GnuTLS, whether it is an authority or
         * not. */
        if (gnutls_x509_crt_get_ca_status(ca, NULL) <= 0)
                return false;
        r = gnutls_x509_crt_verify(leaf, &ca, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status);
        if (r < 0 || status != 0)
                return false;
        for (char *const *name = names; name && *name; name++)
                if (!crt_covers(leaf, *name))
                        return false;
        return true;
}
