/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-event.h>

#include "base/macro.h"

/* sd-event's timers are absolute and armed when they are made; ours are neither: monotonic clock, one shot.
 */

int event_timer_new(sd_event *event, uint64_t accuracy_usec, sd_event_time_handler_t handler, void *userdata,
                    sd_event_source **ret) _nodiscard_;
/* From now on; one that is armed starts again. Failing is not possible for a timer of event_timer_new(). */
void event_timer_arm(sd_event_source *timer, uint64_t usec);
