/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

/* All of sdwanctl but the locale: options, verb, clean-up. An exit status. */
int ctl_run(int argc, char *argv[]);
