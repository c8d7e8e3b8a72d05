/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "ctl/ctl.h"
#include "schema/schema.h"

/* Between the command line, the field tables of lib/kinds and the API's JSON. Functions return exit
 * statuses, said. */

bool fields_chinese(void); /* which help texts to show */

/* Names of the objects that a kind's references point at, for showing them instead of ids. */
typedef struct Names Names;
Names *names_free(Names *n);
DEFINE_CLEANUP(Names *, names_free);
/* Of the fields that have all of these flags. */
int names_load(Ctl *c, const Kind *kind, FieldFlags flags, Names **ret);

int fields_table(Ctl *c, const Kind *kind, json_object *objects, const Names *names, Table **ret);
int fields_show(Ctl *c, const Kind *kind, json_object *object, const Names *names, Buffer *b);

const char *fields_id(json_object *object);   /* NULL: none */
const char *fields_name(json_object *object); /* its name, or its id, or "" */

/* Sets a member of body from text. */
int fields_set(Ctl *c, const Kind *kind, const char *name, const char *text, json_object *body);
/* From the options that were given; repeated ones of lists add up. */
int fields_from_values(Ctl *c, const Kind *kind, json_object *body);
/* "field=value"; "field+=value" and "field-=value" for lists, on top of what body or before (may be NULL)
 * has. */
int fields_assign(Ctl *c, const Kind *kind, const char *assignment, json_object *before, json_object *body);
/* Only whether it could be one. */
int fields_check_assignment(Ctl *c, const Kind *kind, const char *assignment);
/* Whether all required fields are there. */
int fields_require(Ctl *c, const Kind *kind, json_object *body);
