/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <locale.h>

#include "ctl/run.h"

int main(int argc, char *argv[]) {
        (void) setlocale(LC_ALL, "");
        return ctl_run(argc, argv);
}
