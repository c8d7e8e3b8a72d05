/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "wg/uapi.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        return crypto_setup();
}

/* The first byte says in parts of what size the rest comes in, and whether it answers "get" or "set". */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(wg_device_done) WgDevice d = { 0 };
        WgUapiParser p = { 0 };
        size_t step;
        int r = 0;

        if (size == 0)
                return 0;
        if (data[0] & 0x80)
                p.device = &d;
        step = (data[0] & 0x7f) + 1U;
        for (size_t i = 1; r == 0 && i < size; i += step)
                r = wg_uapi_parse(&p, data + i, MIN(step, size - i));
        if (r > 0 && (!p.done || p.error < 0 || p.error > 4095))
                abort();
        wg_uapi_parser_done(&p);
        return 0;
}
