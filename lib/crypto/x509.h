/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "crypto/crypto.h"

/* The controller's own certificate authority: ECDSA P-256 with SHA-256, through GnuTLS. All outputs are PEM
 * in new memory, the caller frees (private keys: crypto_wipe() first). -EIO: GnuTLS failed. */

int x509_make_ca(const char *common_name, uint64_t now_sec, char **ret_cert_pem,
                 char **ret_key_pem) _nodiscard_;

/* names: DNS names and numeric addresses, told apart by their form. Valid from an hour ago for lifetime_sec.
 * -EINVAL: no name, or one that is neither. */
int x509_make_leaf(const char *ca_cert_pem, const char *ca_key_pem, char *const *names, uint64_t now_sec,
                   uint64_t lifetime_sec, char **ret_cert_pem, char **ret_key_pem) _nodiscard_;

/* SHA-256 of the SubjectPublicKeyInfo. -EBADMSG: not a certificate. */
int x509_spki_pin(const char *cert_pem, Digest *ret) _nodiscard_;

/* Seconds since the epoch. -EBADMSG. */
int x509_not_after(const char *cert_pem, uint64_t *ret) _nodiscard_;

/* True when the leaf was signed by that CA and covers all the names. */
bool x509_leaf_covers(const char *ca_cert_pem, const char *leaf_cert_pem, char *const *names);
