/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/manager.h"

/* Who may do what: one function, and everything that its table does not name is refused. */

typedef enum ActorType {
        ACTOR_NOBODY,      /* no or wrong credentials */
        ACTOR_AGENT,       /* has its own rules in controld/agents.c and is nobody here */
        ACTOR_USER,        /* API token */
        ACTOR_BUS_READER,  /* polkit allowed org.sdwan.control1.read */
        ACTOR_BUS_MANAGER, /* polkit allowed org.sdwan.control1.manage */
        _ACTOR_MAX,
} ActorType;

typedef enum Action {
        ACTION_HEALTH, /* whether we live and are ready */
        ACTION_READ,   /* resources, OpenAPI document, metrics */
        ACTION_MANAGE, /* anything that changes something */
        _ACTION_MAX,
} Action;

#define ACTOR_NAME_MAX 128

typedef struct Actor {
        ActorType type;
        char name[ACTOR_NAME_MAX]; /* for the audit record: "user:alice", "bus:uid 0" */
} Actor;

bool authz(const Actor *actor, Action action);

/* The actor of an HTTPS request, by its bearer token. -EACCES: none, or wrong - one answer for all, whose
 * time does not tell which; -EAGAIN: too many wrong ones from this address. */
int authn_bearer(Manager *m, const HttpRequest *r, Actor *ret) _nodiscard_;
