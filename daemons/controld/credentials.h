/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/manager.h"

/* The controller's keys, in <state>/credentials (0700, files 0600): root key, signing key, CA, leaf,
 * controller id. */

/* Reads them; where there are none and there is no database either, makes them, all at once or none. A leaf
 * that ends soon, or does not cover the names, is made anew. Says what is wrong itself; -EPERM, -ENOENT,
 * -EBADMSG and others: EXIT_CREDENTIAL. */
int credentials_load(Credentials *c, const Settings *s, bool have_database) _nodiscard_;

/* Whether a database was ever made beside these keys, so that a lost one is not taken for a first start. */
bool credentials_have_database(const Settings *s);
int credentials_note_database(const Settings *s) _nodiscard_;

/* Signs the key document, the answer to M0; needs epoch and keys_serial. */
int credentials_make_keydoc(Credentials *c) _nodiscard_;

/* 1: the leaf was made anew; 0: it is good for longer. */
int credentials_renew_leaf(Credentials *c, const Settings *s) _nodiscard_;

void credentials_done(Credentials *c);
