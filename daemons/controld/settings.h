/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/manager.h"

#define SETTINGS_PATH "/etc/sdwan/controld.conf"
#define STATE_DIRECTORY_DEFAULT "/var/lib/sdwan/controller"

/* The file and its drop-ins (path NULL: SETTINGS_PATH; it may be missing), and the defaults for what they do
 * not say. The state directory is that of program_state_directory().
 * Says what is wrong itself. */
int settings_load(const char *path, Settings *ret) _nodiscard_;
void settings_done(Settings *s);
