/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "overlay/plan.h"

struct Plan {
        PlanObject *objects; /* by key */
        PlanObject *dirty;
        size_t n_dirty;
        void (*on_route)(PlanOwner *lost, PlanOwner *won, void *userdata);
        void *on_route_userdata;
};

PlanValue *plan_value_ref(PlanValue *v);
PlanObject *plan_find_id(Plan *p, PlanType type, uint32_t id);
PlanObject *plan_find_device(Plan *p, const char *name);
PlanValue *plan_object_wanted(const PlanObject *o);
/* May free o. */
void plan_object_update(Plan *p, PlanObject *o);
