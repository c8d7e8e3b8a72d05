/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/strutil.h"
#include "ctl/ctl.h"

static bool on_terminal(void) {
        const char *term = getenv("TERM");

        return isatty(STDOUT_FILENO) && !streq_ptr(term, "dumb");
}

bool show_colors(void) {
        const char *wanted = getenv("SDWAN_COLORS"), *never = getenv("NO_COLOR");

        if (wanted && *wanted)
                return !streq(wanted, "0") && !streq(wanted, "no") && !streq(wanted, "false");
        return on_terminal() && !(never && *never);
}

static size_t terminal_width(void) {
        const char *columns = getenv("COLUMNS");
        struct winsize ws;
        uint64_t n;

        if (!on_terminal())
                return 0;
        if (columns && parse_u64(columns, 10000, &n) >= 0 && n > 0)
                return (size_t) n;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) >= 0 && ws.ws_col > 0)
                return ws.ws_col;
        return 80;
}

JsonMode show_json_mode(const Ctl *c) {
        if (c->json_auto)
                return isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT;
        return c->json;
}

static int write_all(int fd, const Buffer *b) {
        for (size_t done = 0; done < b->len;) {
                ssize_t n = write(fd, b->data + done, b->len - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                done += (size_t) n;
        }
        return 0;
}

/* Split at spaces; no shell. */
static _noreturn_ void run_pager(int fd) {
        const char *text = getenv("SDWAN_PAGER") ?: getenv("PAGER") ?: "less";
        char **argv = NULL;

        if (dup2(fd, STDIN_FILENO) < 0)
                _exit(EXIT_FAILURE);
        (void) setenv("LESS", "FRSXMK", 1);
        (void) setenv("LESSCHARSET", "utf-8", 0);
        (void) setenv("LESSSECURE", "1", 1); /* it may run as root: no shell out of it */
        (void) signal(SIGPIPE, SIG_DFL);
        if (strv_split(text, " ", &argv) >= 0 && argv)
                (void) execvp(argv[0], argv);
        _exit(127);
}

static bool pager_wanted(const Ctl *c) {
        const char *text = getenv("SDWAN_PAGER") ?: getenv("PAGER");

        return c->pager && on_terminal() && !(text && (*text == '\0' || streq(text, "cat")));
}

/* false: there is none, nothing was shown. */
static bool show_in_pager(const Buffer *b) {
        int fds[2], status;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return false;
        pid = fork();
        if (pid == 0)
                run_pager(fds[0]);
        (void) close(fds[0]);
        if (pid < 0) {
                (void) close(fds[1]);
                return false;
        }
        (void) signal(SIGPIPE, SIG_IGN); /* who quits the pager early has seen enough */
        (void) write_all(fds[1], b);
        (void) close(fds[1]);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return !(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

int show_text(Ctl *c, const Buffer *b) {
        int r;

        if (b->len == 0)
                return STATUS_OK;
        if (pager_wanted(c) && show_in_pager(b))
                return STATUS_OK;
        r = write_all(STDOUT_FILENO, b);
        if (r == -EPIPE)
                return STATUS_OK;
        return r < 0 ? fail(c, STATUS_FAILURE, _("Failed to write to standard output: %s"), strerror(-r))
                     : STATUS_OK;
}

int show_json(Ctl *c, json_object *o) {
        _cleanup_buffer_ Buffer b = { 0 };

        if (json_output(o, show_json_mode(c), &b) < 0)
                return fail_oom(c);
        return show_text(c, &b);
}

int show_table(Ctl *c, const Table *t, const char *count_text) {
        _cleanup_buffer_ Buffer b = { 0 };
        TableStyle style = {
                .legend = c->legend && table_rows(t) > 1,
                .color = show_colors(),
                .width = c->full ? 0 : terminal_width(),
        };

        if (table_format(t, &style, &b) < 0)
                return fail_oom(c);
        if (c->legend && count_text &&
            buffer_appendf(&b, "%s%s\n", table_rows(t) > 1 ? "\n" : "", count_text) < 0)
                return fail_oom(c);
        return show_text(c, &b);
}
