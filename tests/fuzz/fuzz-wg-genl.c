/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "wg/genl.h"

#define MESSAGES_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(wg_device_done) WgDevice d = { 0 }, change = { 0 };

        /* The same message several times is a dump of several messages: peers are merged across them. */
        for (unsigned i = 0; i < MESSAGES_MAX; i++)
                if (wg_genl_parse(data, size, &d) < 0)
                        break;
        for (size_t i = 0; i < d.n_peers; i++)
                for (size_t k = 0; k < d.peers[i].n_allowed_ips; k++)
                        if (d.peers[i].allowed_ips[k].length >
                            address_bits(&d.peers[i].allowed_ips[k].address))
                                abort();
        (void) !wg_diff(&d, &d, true, &change);
        if (change.flags != 0)
                abort();
        return 0;
}
