/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "service/event-timer.h"

int event_timer_new(sd_event *event, uint64_t accuracy_usec, sd_event_time_handler_t handler, void *userdata,
                    sd_event_source **ret) {
        _cleanup_(sd_event_source_unrefp) sd_event_source *timer = NULL;
        int r;

        assert(event && handler && ret);

        r = sd_event_add_time(event, &timer, CLOCK_MONOTONIC, UINT64_MAX, accuracy_usec, handler, userdata);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE(timer);
        return 0;
}

void event_timer_arm(sd_event_source *timer, uint64_t usec) {
        if (sd_event_source_set_time_relative(timer, usec) >= 0)
                (void) sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}
