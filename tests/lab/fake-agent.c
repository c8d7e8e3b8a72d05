/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "base/strutil.h"
#include "fake-agent.h"

static int usage(FILE *f) {
        fprintf(f, "fake-agent MODE --state DIR [OPTION…]\n"
                   "  join --token-file FILE [--count N] [--parallel P] [--name NAME] [--prefix PREFIX]… "
                   "[--endpoint HOST]\n"
                   "                    N new agents join; exit status 0 when all did\n"
                   "       --twice      and each sends its request again, as if the answer had been lost\n"
                   "  stream [--agent A] [--count N] [--seconds S]\n"
                   "                    follow the streams of agents A … A + N - 1\n"
                   "  report, leave [--agent A]\n"
                   "  replay [--agent A]\n"
                   "                    requests that must be refused, and some that must not\n"
                   "  record, replay-recorded [--agent A]\n"
                   "                    accepted requests, sent again by the second mode, after a restart "
                   "of the controller\n");
        return f == stderr ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int send_one(const FakeArguments *args, const char *path, const char *body) {
        _cleanup_(fake_agent_freep) FakeAgent *a = NULL;
        FakeRequest q = { .method = "POST" };
        char code[64] = "";
        unsigned status = 0;
        uint64_t min = 0;
        int r;

        (void) snprintf(q.path, sizeof(q.path), "%s", path);
        (void) snprintf(q.body, sizeof(q.body), "%s", body);
        r = fake_agent_load(args->state, args->agent, &a);
        if (r >= 0)
                r = fake_request_sign(a, &q, 0, 0);
        if (r >= 0)
                r = fake_request_send(a, &q, &status, code, &min);
        printf("status=%u code=%s min=%llu\n", status, code, (unsigned long long) min);
        return r >= 0 && status == 204 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int fake_report_once(const FakeArguments *args) {
        return send_one(args, API "report", "{\"applied\":{},\"state\":\"in-sync\",\"version\":\"fake\"}");
}

static int fake_leave(const FakeArguments *args) {
        return send_one(args, API "leave", "{}");
}

static int parse_number(const char *s, uint64_t max, unsigned *ret) {
        uint64_t n;
        int r;

        r = parse_u64(s, max, &n);
        if (r < 0)
                return log_error_errno(r, "Not a number, or too large: %s", s);
        *ret = (unsigned) n;
        return 0;
}

static int parse_option(int option, FakeArguments *args) {
        switch (option) {
        case 's':
                args->state = optarg;
                return 0;
        case 't':
                args->token_file = optarg;
                return 0;
        case 'n':
                args->name = optarg;
                return 0;
        case 'c':
                return parse_number(optarg, 100000, &args->count);
        case 'p':
                return parse_number(optarg, 100000, &args->parallel);
        case 'S':
                return parse_number(optarg, 86400, &args->seconds);
        case 'a':
                return parse_number(optarg, 1000000, &args->agent);
        case 'P':
                return strv_append(&args->prefixes, optarg);
        case 'e':
                args->endpoint = optarg;
                return 0;
        case 'v':
                args->verbose = true;
                return 0;
        case '2':
                args->twice = true;
                return 0;
        default:
                return -EINVAL;
        }
}

static int parse_arguments(int argc, char **argv, FakeArguments *ret) {
        static const struct option options[] = {
                { "state", required_argument, NULL, 's' },   { "token-file", required_argument, NULL, 't' },
                { "count", required_argument, NULL, 'c' },   { "parallel", required_argument, NULL, 'p' },
                { "seconds", required_argument, NULL, 'S' }, { "agent", required_argument, NULL, 'a' },
                { "prefix", required_argument, NULL, 'P' },  { "endpoint", required_argument, NULL, 'e' },
                { "name", required_argument, NULL, 'n' },    { "verbose", no_argument, NULL, 'v' },
                { "twice", no_argument, NULL, '2' },         { 0 },
        };
        int option, r;

        while ((option = getopt_long(argc, argv, "v", options, NULL)) >= 0) {
                r = parse_option(option, ret);
                if (r < 0)
                        return r;
        }
        return ret->state && ret->count > 0 && ret->parallel > 0 ? 0 : -EINVAL;
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                int (*run)(const FakeArguments *args);
        } modes[] = {
                { "join", fake_join },
                { "stream", fake_stream },
                { "report", fake_report_once },
                { "leave", fake_leave },
                { "replay", fake_replay },
                { "record", fake_record },
                { "replay-recorded", fake_replay_recorded },
        };
        FakeArguments args = { .count = 1, .parallel = 1, .seconds = 10, .name = "fake" };
        int status = EXIT_FAILURE, r;

        r = parse_arguments(argc, argv, &args);
        if (r < 0 || optind != argc - 1)
                return usage(stderr);
        r = crypto_setup();
        if (r < 0)
                return log_error_errno(r, "Failed to set up cryptography: %m"), EXIT_FAILURE;
        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (streq(modes[i].name, argv[optind])) {
                        status = streq(argv[optind], "join") && !args.token_file ? usage(stderr)
                                                                                 : modes[i].run(&args);
                        strv_free(args.prefixes);
                        return status;
                }
        return usage(stderr);
}
