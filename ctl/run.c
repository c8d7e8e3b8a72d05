/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/strutil.h"
#include "crypto/crypto.h"
#include "ctl/ctl.h"
#include "ctl/fields.h"
#include "ctl/run.h"
#include "kinds/kinds.h"

typedef struct Verb {
        const char *name, *arguments;
        size_t min_args, max_args; /* SIZE_MAX: any number */
        int (*run)(Ctl *c);
        const char *help;
} Verb;

static const Verb verbs[] = {
        { "status", "", 0, 0, verb_status, N_("Show the state of this machine (the default)") },
        { "join", "[FILE|-]", 0, 1, verb_join, N_("Join a network with an enrolment token") },
        { "leave", "", 0, 0, verb_leave, N_("Leave the network") },
        { "tunnels", "", 0, 0, verb_tunnels, N_("List the tunnels of this machine") },
        { "sync", "", 0, 0, verb_sync, N_("Repair what differs from the desired state") },
        { "list", "[KIND]", 0, 1, verb_list, N_("List the kinds, or the objects of one") },
        { "show", "KIND NAME…", 2, SIZE_MAX, verb_show, N_("Show objects with all their fields") },
        { "add", "KIND [FIELD=VALUE…]", 1, SIZE_MAX, verb_add, N_("Add an object") },
        { "set", "KIND NAME FIELD=VALUE…", 3, SIZE_MAX, verb_set, N_("Change fields; += and -= for lists") },
        { "remove", "KIND NAME…", 2, SIZE_MAX, verb_remove, N_("Remove objects") },
        { "token", "create", 1, 1, verb_token, N_("Make an enrolment token") },
        { "admin", "create NAME", 2, 2, verb_admin, N_("Make an administrator for the API") },
};

enum {
        ARG_VERSION = 256,
        ARG_NO_PAGER,
        ARG_NO_LEGEND,
        ARG_NO_ASK_PASSWORD,
        ARG_JSON,
        ARG_CONTROLLER,
        ARG_TOKEN_FILE,
        ARG_CA_FILE,
        ARG_VALUE, /* of the verb's own options */
};

static const struct option global_options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, ARG_VERSION },
        { "quiet", no_argument, NULL, 'q' },
        { "full", no_argument, NULL, 'l' },
        { "no-pager", no_argument, NULL, ARG_NO_PAGER },
        { "no-legend", no_argument, NULL, ARG_NO_LEGEND },
        { "no-ask-password", no_argument, NULL, ARG_NO_ASK_PASSWORD },
        { "json", required_argument, NULL, ARG_JSON },
        { "controller", required_argument, NULL, ARG_CONTROLLER },
        { "token-file", required_argument, NULL, ARG_TOKEN_FILE },
        { "ca-file", required_argument, NULL, ARG_CA_FILE },
        { "machine", required_argument, NULL, 'M' },
};

/* Options of verbs that are no fields of a kind. */
static const struct option verb_options[] = {
        { "force", no_argument, NULL, ARG_VALUE },
        { "uses", required_argument, NULL, ARG_VALUE },
        { "expires", required_argument, NULL, ARG_VALUE },
        { "allow-prefix", required_argument, NULL, ARG_VALUE },
};

static const struct {
        const char *option, *help;
} option_helps[] = {
        { "-h --help", N_("Show this help") },
        { "   --version", N_("Show the version") },
        { "-q --quiet", N_("Say nothing but errors") },
        { "-l --full", N_("Do not cut columns to fit the terminal") },
        { "   --no-pager", N_("Do not pipe output into a pager") },
        { "   --no-legend", N_("Show neither header nor count") },
        { "   --no-ask-password", N_("Do not ask for passwords") },
        { "   --json=short|pretty|off", N_("Show JSON") },
        { "-j", N_("As --json=pretty on a terminal, else --json=short") },
        { "-M --machine=CONTAINER", N_("Talk to a local container") },
        { "   --controller=URL", N_("Talk to the controller at URL over HTTPS") },
        { "   --token-file=FILE", N_("The API token for --controller=") },
        { "   --ca-file=FILE", N_("The CA that the controller's certificate is of") },
};

int fail(const Ctl *c, ExitStatus status, const char *format, ...) {
        _cleanup_free_ char *text = NULL, *escaped = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                text = NULL;
        else
                escaped = str_escape(text);
        (void) fprintf(stderr, "%s\n", escaped ?: "Out of memory.");
        return (int) status;
}

int fail_oom(const Ctl *c) {
        return fail(c, STATUS_FAILURE, _("Out of memory."));
}

Value *value_next(Ctl *c, const char *name, Value *after) {
        for (Value *v = after ? after + 1 : c->values; v && v < c->values + c->n_values; v++)
                if (streq(v->name, name)) {
                        v->used = true;
                        return v;
                }
        return NULL;
}

const char *value_get(Ctl *c, const char *name) {
        const char *text = NULL;

        for (Value *v = value_next(c, name, NULL); v; v = value_next(c, name, v))
                text = v->text; /* as everywhere: the last one counts */
        return text;
}

int values_check(Ctl *c) {
        for (size_t i = 0; i < c->n_values; i++)
                if (!c->values[i].used) {
                        _cleanup_free_ char *name = strdup(c->values[i].name);

                        if (!name)
                                return fail_oom(c);
                        for (char *p = name; *p; p++)
                                *p = *p == '_' ? '-' : *p;
                        return fail(c, STATUS_USAGE, _("--%s means nothing here."), name);
                }
        return STATUS_OK;
}

static int add_value(Ctl *c, const char *name, const char *text) {
        Value *grown = reallocarray(c->values, c->n_values + 1, sizeof(Value));

        if (!grown)
                return -ENOMEM;
        c->values = grown;
        c->values[c->n_values++] = (Value) { .name = name, .text = text ?: "" };
        return 0;
}

/* Every option there is: ours, the verbs', and one per field that a request may name. Field names have '_'
 * where options have
 * '-'. names: what must be freed. */
typedef struct Options {
        struct option *items;
        size_t n;
        char **names;
} Options;

static bool options_have(const Options *o, const char *name) {
        for (size_t i = 0; i < o->n; i++)
                if (streq(o->items[i].name, name))
                        return true;
        return false;
}

static void options_done(Options *o) {
        strv_free(o->names);
        free(o->items);
}

static int options_add_field(Options *o, const Field *f) {
        _cleanup_free_ char *name = strdup(f->name);
        int r;

        if (!name)
                return -ENOMEM;
        for (char *p = name; *p; p++)
                *p = *p == '_' ? '-' : *p;
        if (options_have(o, name))
                return 0;
        r = strv_append(&o->names, name);
        if (r < 0)
                return r;
        o->items[o->n++] = (struct option) { o->names[strv_length(o->names) - 1], required_argument, NULL,
                                             ARG_VALUE };
        return 0;
}

static int options_new(Options *ret) {
        size_t n = ELEMENTSOF(global_options) + ELEMENTSOF(verb_options) + 1;
        int r;

        for (size_t i = 0; i < n_kinds; i++)
                n += kinds[i]->n_fields;
        *ret = (Options) { .items = new0(struct option, n) };
        if (!ret->items)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(global_options); i++)
                ret->items[ret->n++] = global_options[i];
        for (size_t i = 0; i < ELEMENTSOF(verb_options); i++)
                ret->items[ret->n++] = verb_options[i];
        for (size_t i = 0; i < n_kinds; i++)
                for (size_t j = 0; j < kinds[i]->n_fields; j++) {
                        const Field *f = kinds[i]->fields + j;

                        if (f->flags & (FIELD_READ_ONLY | FIELD_HIDDEN))
                                continue;
                        r = options_add_field(ret, f);
                        if (r < 0)
                                return r;
                }
        return 0;
}

/* The field of that option; the verb's own options have no field and keep their name. */
static const char *value_name(const char *option) {
        for (size_t i = 0; i < n_kinds; i++)
                for (size_t j = 0; j < kinds[i]->n_fields; j++) {
                        const char *a = kinds[i]->fields[j].name, *b = option;

                        while (*a && (*a == *b || (*a == '_' && *b == '-'))) {
                                a++;
                                b++;
                        }
                        if (!*a && !*b)
                                return kinds[i]->fields[j].name;
                }
        for (size_t i = 0; i < ELEMENTSOF(verb_options); i++)
                if (streq(verb_options[i].name, option))
                        return verb_options[i].name;
        return option;
}

static int parse_json_mode(Ctl *c, const char *text) {
        c->json_auto = false;
        if (streq(text, "off"))
                c->json = JSON_OFF;
        else if (streq(text, "short"))
                c->json = JSON_SHORT;
        else if (streq(text, "pretty"))
                c->json = JSON_PRETTY;
        else
                return fail(c, STATUS_USAGE, _("--json= takes short, pretty or off."));
        return STATUS_OK;
}

static int parse_option(Ctl *c, int option, const char *name) {
        switch (option) {
        case 'q':
                c->quiet = true;
                break;
        case 'l':
                c->full = true;
                break;
        case 'j':
                c->json = JSON_SHORT;
                c->json_auto = true;
                break;
        case 'M':
                c->machine = optarg;
                break;
        case ARG_NO_PAGER:
                c->pager = false;
                break;
        case ARG_NO_LEGEND:
                c->legend = false;
                break;
        case ARG_NO_ASK_PASSWORD:
                c->ask_password = false;
                break;
        case ARG_JSON:
                return parse_json_mode(c, optarg);
        case ARG_CONTROLLER:
                c->controller = optarg;
                break;
        case ARG_TOKEN_FILE:
                c->token_file = optarg;
                break;
        case ARG_CA_FILE:
                c->ca_file = optarg;
                break;
        case ARG_VALUE:
                if (add_value(c, value_name(name), optarg) < 0)
                        return fail_oom(c);
                break;
        default:
                return STATUS_USAGE; /* getopt has said why */
        }
        return STATUS_OK;
}

static int help(Ctl *c) {
        _cleanup_buffer_ Buffer b = { 0 };
        bool color = show_colors();
        int r;

        r = buffer_appendf(&b,
                           _("%s [OPTIONS…] {VERB} [ARGUMENTS…]\n\nManage this machine's part in an SD-WAN, "
                             "and its controller.\n"),
                           program_invocation_short_name);
        if (r >= 0)
                r = buffer_appendf(&b, "\n%s%s%s\n", color_begin(color, COLOR_BOLD), _("Verbs:"),
                                   color_end(color, COLOR_BOLD));
        for (size_t i = 0; i < ELEMENTSOF(verbs) && r >= 0; i++) {
                char left[64];

                (void) snprintf(left, sizeof(left), "%s %s", verbs[i].name, verbs[i].arguments);
                r = buffer_appendf(&b, "  %s%*s %s\n", left, (int) (30 - MIN(text_width(left), (size_t) 30)),
                                   "", _(verbs[i].help));
        }
        if (r >= 0)
                r = buffer_appendf(&b, "\n%s%s%s\n", color_begin(color, COLOR_BOLD), _("Options:"),
                                   color_end(color, COLOR_BOLD));
        for (size_t i = 0; i < ELEMENTSOF(option_helps) && r >= 0; i++)
                r = buffer_appendf(&b, "  %-30s %s\n", option_helps[i].option, _(option_helps[i].help));
        if (r >= 0)
                r = buffer_append_str(&b, _("\n\"add KIND --help\" lists the fields of a kind. See the "
                                            "sdwanctl(1) man page for details.\n"));
        return r < 0 ? fail_oom(c) : show_text(c, &b);
}

/* Fields of one kind, for "add KIND --help". */
static int help_kind(Ctl *c, const Kind *kind) {
        _cleanup_(table_freep) Table *t = NULL;

        if (table_new(3, &t) < 0 || table_add(t, _("OPTION"), COLOR_NONE) < 0 ||
            table_add(t, _("DEFAULT"), COLOR_NONE) < 0 || table_add(t, _("MEANING"), COLOR_NONE) < 0)
                return fail_oom(c);
        for (size_t i = 0; i < kind->n_fields; i++) {
                const Field *f = kind->fields + i;
                _cleanup_free_ char *option = NULL;

                if (f->flags & (FIELD_READ_ONLY | FIELD_HIDDEN))
                        continue;
                option = str_printf("--%s", f->name);
                if (!option)
                        return fail_oom(c);
                for (char *p = option; *p; p++)
                        *p = *p == '_' ? '-' : *p;
                if (table_add(t, option, COLOR_NONE) < 0 ||
                    table_add(t, f->flags & FIELD_REQUIRED ? _("(required)") : f->default_text, COLOR_NONE) <
                                    0 ||
                    table_add(t, fields_chinese() ? f->help_zh : f->help_en, COLOR_NONE) < 0)
                        return fail_oom(c);
        }
        return show_table(c, t, NULL);
}

/* -1: go on with the verb; else an exit status. */
static int parse_arguments(Ctl *c, int argc, char *argv[]) {
        _cleanup_(options_done) Options options = { 0 };
        bool wants_help = false;
        int option, index = 0, r;

        if (options_new(&options) < 0)
                return fail_oom(c);
        optind = 1;
        while ((option = getopt_long(argc, argv, "hqljM:", options.items, &index)) >= 0) {
                if (option == 'h') {
                        wants_help = true;
                        continue;
                }
                if (option == ARG_VERSION) {
                        (void) printf("sdwan %s\n", SDWAN_VERSION);
                        return fflush(stdout) == EOF ? STATUS_FAILURE : STATUS_OK;
                }
                r = parse_option(c, option, options.items[index].name);
                if (r != STATUS_OK)
                        return r;
        }
        c->args = argv + optind;
        c->n_args = (size_t) (argc - optind);
        if (wants_help) {
                const Kind *kind = c->n_args == 2 ? kind_find(c->args[1]) : NULL;

                return kind ? help_kind(c, kind) : help(c);
        }
        return -1;
}

static int run_verb(Ctl *c) {
        const char *name = c->n_args > 0 ? c->args[0] : "status";

        if (c->n_args > 0) {
                c->args++;
                c->n_args--;
        }
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                const Verb *v = verbs + i;

                if (!streq(v->name, name))
                        continue;
                if (c->n_args < v->min_args || c->n_args > v->max_args)
                        return fail(c, STATUS_USAGE, _("Usage: %s %s %s"), program_invocation_short_name,
                                    v->name, v->arguments);
                return v->run(c);
        }
        return fail(c, STATUS_USAGE, _("There is no verb \"%s\"; \"%s --help\" lists them."), name,
                    program_invocation_short_name);
}

static void ctl_done(Ctl *c) {
        bus_disconnect(c);
        if (c->token) {
                crypto_wipe(c->token, strlen(c->token));
                free(c->token);
        }
        free(c->ca_pem);
        free(c->values);
}

int ctl_run(int argc, char *argv[]) {
        Ctl c = { .legend = true, .pager = true, .ask_password = true };
        int r;

        /* Widths and texts are counted in UTF-8 whatever the terminal was told. */
        if (!streq(nl_langinfo(CODESET), "UTF-8"))
                (void) setlocale(LC_CTYPE, "C.UTF-8");
        (void) bindtextdomain("sdwan", SDWAN_LOCALEDIR);
        (void) bind_textdomain_codeset("sdwan", "UTF-8");
        (void) textdomain("sdwan");

        r = crypto_setup();
        if (r < 0)
                return fail(&c, STATUS_FAILURE, _("Failed to set up cryptography: %s"), strerror(-r));
        r = parse_arguments(&c, argc, argv);
        if (r < 0)
                r = run_verb(&c);
        ctl_done(&c);
        return r;
}
