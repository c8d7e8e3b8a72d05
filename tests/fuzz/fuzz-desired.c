/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "overlay/desired.h"

#define NODE "1111111111111111111111111111111111111111111111111111111111111111"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(Desired *d, Plan *p, const char *line, size_t len) {
        char item[ITEM_ID_MAX];
        PlanSteps steps = { 0 };
        const char *reason;
        Batch b;

        if (batch_from_json(line, len, &b, &reason) < 0)
                return;
        if (desired_apply(d, &b, item, &reason) == 0 && desired_compile(d) >= 0 &&
            plan_make(p, true, &steps) >= 0) {
                for (size_t i = 0; i < steps.n; i++)
                        if (plan_step_ready(p, &steps.steps[i]) && plan_step_done(p, &steps.steps[i]) < 0)
                                abort();
                if (plan_dirty(p) > 0)
                        abort(); /* everything that was wanted could be done, in this order */
                plan_steps_done(&steps);
        }
        batch_done(&b);
}

/* Batches, one on each line, to a node of network 0000000000000001. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(plan_freep) Plan *p = NULL;
        _cleanup_(desired_freep) Desired *d = NULL;
        PublicKey own = { { 9 } };
        const char *line = (const char *) data, *end = line + size;

        if (plan_new(&p) < 0 || desired_new(NODE, "0000000000000001", &own, p, &d) < 0)
                return 0;
        while (line < end) {
                const char *lf = memchr(line, '\n', (size_t) (end - line));
                size_t len = (size_t) ((lf ?: end) - line);

                take(d, p, line, len);
                line += len + 1;
        }
        return 0;
}
