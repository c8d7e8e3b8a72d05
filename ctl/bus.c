/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/strutil.h"
#include "ctl/ctl.h"
#include "service/bus-open.h"

#define PASSWORD_AGENT "/usr/bin/pkttyagent"
#define PASSWORD_AGENT_READY_MS 5000

typedef struct BusErrorStatus {
        const char *name;
        ExitStatus status;
} BusErrorStatus;

static const BusErrorStatus bus_error_statuses[] = {
        { SD_BUS_ERROR_ACCESS_DENIED, STATUS_REFUSED },
        { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, STATUS_REFUSED },
        { SD_BUS_ERROR_SERVICE_UNKNOWN, STATUS_NOT_RUNNING },
        { SD_BUS_ERROR_NAME_HAS_NO_OWNER, STATUS_NOT_RUNNING },
        { "org.freedesktop.systemd1.NoSuchUnit", STATUS_NOT_RUNNING },
        { "org.freedesktop.systemd1.UnitMasked", STATUS_NOT_RUNNING },
        { "org.freedesktop.systemd1.LoadFailed", STATUS_NOT_RUNNING },
        { "org.freedesktop.DBus.Error.Spawn.ChildExited", STATUS_NOT_RUNNING },
        { "org.freedesktop.DBus.Error.Spawn.ServiceNotFound", STATUS_NOT_RUNNING },
        { "org.sdwan.Agent1.Error.NotJoined", STATUS_NOT_RUNNING },
        { "org.sdwan.Agent1.Error.TokenInvalid", STATUS_TOKEN_REFUSED },
        { "org.sdwan.Agent1.Error.TokenMalformed", STATUS_TOKEN_MISTYPED },
        { "org.sdwan.Agent1.Error.ControllerMismatch", STATUS_WRONG_CONTROLLER },
        { "org.sdwan.Agent1.Error.Unreachable", STATUS_UNREACHABLE },
};

ExitStatus status_from_bus_error(const char *name, int r) {
        for (size_t i = 0; name && i < ELEMENTSOF(bus_error_statuses); i++)
                if (streq(name, bus_error_statuses[i].name))
                        return bus_error_statuses[i].status;
        return STATUS_FAILURE;
}

static _noreturn_ void run_password_agent(int notify_fd, pid_t parent) {
        char process[32], fd[16];

        (void) snprintf(process, sizeof(process), "%d", (int) parent);
        (void) snprintf(fd, sizeof(fd), "%d", notify_fd);
        if (fcntl(notify_fd, F_SETFD, 0) >= 0)
                (void) execl(PASSWORD_AGENT, PASSWORD_AGENT, "--process", process, "--notify-fd", fd,
                             "--fallback", NULL);
        _exit(127);
}

/* Asks for passwords on this terminal when polkit wants one. Without it everything else still works. */
static void start_password_agent(Ctl *c) {
        struct pollfd p = { .events = POLLHUP };
        int fds[2];
        pid_t self = getpid(), pid;

        if (!c->ask_password || geteuid() == 0 || c->machine || !isatty(STDIN_FILENO) ||
            !isatty(STDERR_FILENO) || access(PASSWORD_AGENT, X_OK) < 0 || pipe2(fds, O_CLOEXEC) < 0)
                return;
        pid = fork();
        if (pid == 0)
                run_password_agent(fds[1], self);
        (void) close(fds[1]);
        if (pid > 0) {
                c->password_agent = pid;
                p.fd = fds[0];
                (void) poll(&p, 1, PASSWORD_AGENT_READY_MS); /* it closes its end when it is registered */
        }
        (void) close(fds[0]);
}

int bus_connect(Ctl *c) {
        int r;

        if (c->bus)
                return STATUS_OK;
        r = c->machine ? sd_bus_open_system_machine(&c->bus, c->machine) : bus_open("sdwanctl", &c->bus);
        if (r < 0)
                return fail(c, STATUS_FAILURE, _("Failed to connect to the system bus: %s"), strerror(-r));
        r = sd_bus_set_allow_interactive_authorization(c->bus, c->ask_password);
        if (r < 0)
                return fail(c, STATUS_FAILURE, _("Failed to set up the bus connection: %s"), strerror(-r));
        start_password_agent(c);
        return STATUS_OK;
}

void bus_disconnect(Ctl *c) {
        c->bus = sd_bus_flush_close_unref(c->bus);
        if (c->password_agent > 0) {
                (void) kill(c->password_agent, SIGTERM);
                (void) kill(c->password_agent, SIGCONT);
                (void) waitpid(c->password_agent, NULL, 0);
                c->password_agent = 0;
        }
}

/* What the bus says about a daemon that is not there is about units; people want to know what to do. */
static const char *not_running_hint(const sd_bus_error *error) {
        if (error->message && strstr(error->message, "Control1"))
                return _("the controller is not installed on this machine, disabled or stopped; "
                         "try \"systemctl enable --now sdwan-controld\"");
        if (error->message && strstr(error->message, "Agent1"))
                return _("the agent is not installed on this machine, disabled or stopped; "
                         "try \"systemctl enable --now sdwan-agentd\"");
        return NULL;
}

static const char *status_text(ExitStatus status, const sd_bus_error *error) {
        switch (status) {
        case STATUS_NOT_RUNNING:
                return not_running_hint(error);
        case STATUS_TOKEN_REFUSED:
                return _("the controller refused the token: it is unknown, expired, spent or revoked");
        case STATUS_TOKEN_MISTYPED:
                return _("this is not an enrolment token; was it mistyped or cut off?");
        default:
                return NULL;
        }
}

int fail_bus(const Ctl *c, const char *what, const sd_bus_error *error, int r) {
        static const sd_bus_error none = SD_BUS_ERROR_NULL;
        const sd_bus_error *e = error && sd_bus_error_is_set(error) ? error : &none;
        ExitStatus status = status_from_bus_error(e->name, r);
        const char *text = status_text(status, e);

        if (!text)
                text = e->message ?: strerror(-r);
        return fail(c, status, _("Failed to %s: %s"), what, text);
}
