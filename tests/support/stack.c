/* SPDX-License-Identifier: MIT */
/* Everything that stack.sh knows is asked of stack.sh, so there is one truth of what runs. */
#include "support/stack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/process.h"

#define SCRIPT "httpd-conf/stack.sh"

enum {
    ENVIRONMENT_MAX = 64,
    FIRST_PORT = 10000, /* below the ephemeral range, and below what stack.sh uses itself */
    PORT_COUNT = 9000,
    PIDS_MAX = 64
};

static const char *const web_names[] = {[STACK_LIGHTTPD] = "lighttpd",
                                        [STACK_APACHE_FCGID] = "apache-fcgid",
                                        [STACK_APACHE_PROXY] = "apache-proxy",
                                        [STACK_NGINX] = "nginx"};

enum stack_web stack_web(void)
{
    const char *name = getenv("WEB");
    for (int web = 0; name && web < (int)(sizeof(web_names) / sizeof(web_names[0])); web++)
        if (strcmp(name, web_names[web]) == 0)
            return (enum stack_web)web;
    return STACK_LIGHTTPD;
}

static bool port_is_free(uint16_t port)
{
    int one = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    bool is_free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return is_free;
}

/* Two test programs that run at the same time have different pids. */
static uint16_t choose_port(void)
{
    for (int offset = 0; offset < PORT_COUNT; offset++) {
        uint16_t port = (uint16_t)(FIRST_PORT + (getpid() + offset) % PORT_COUNT);
        if (port_is_free(port))
            return port;
    }
    return 0;
}

/* --- Running stack.sh --------------------------------------------------------- */

struct environment {
    const char *items[ENVIRONMENT_MAX + 1];
    size_t count;
    char port[16];
};

/* One of the same name is replaced. */
static void environment_add(struct environment *environment, const char *item)
{
    size_t name_len = strcspn(item, "=") + 1;
    size_t at = 0;
    while (at < environment->count && strncmp(environment->items[at], item, name_len) != 0)
        at++;
    if (at < ENVIRONMENT_MAX)
        environment->items[at] = item;
    if (at == environment->count && at < ENVIRONMENT_MAX)
        environment->count++;
}

static void environment_init(struct environment *environment, const struct stack *stack,
                             const char *const *settings)
{
    static const char *const kept[] = {
        "PATH=",         "HOME=",         "BUILD=",         "WEB=",
        "ASAN_OPTIONS=", "LSAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS="};
    *environment = (struct environment){.count = 0};
    for (char **item = environ; *item; item++) {
        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
            if (strncmp(*item, kept[i], strlen(kept[i])) == 0)
                environment_add(environment, *item);
        }
    }
    (void)snprintf(environment->port, sizeof(environment->port), "PORT=%d", stack->port);
    environment_add(environment, environment->port);
    for (size_t i = 0; settings && settings[i]; i++)
        environment_add(environment, settings[i]);
}

static bool succeeds(const char *const *arguments, const char *const *environment)
{
    struct process_options options = {
        .arguments = arguments, .environment = environment, .in = -1, .out = -1};
    return process_wait(process_start(&options)) == 0;
}

static bool start_watchdog(struct stack *stack, const struct environment *environment)
{
    static const char *const arguments[] = {
        "sh", "-c", "cat >/dev/null; exec " SCRIPT " down >/dev/null", NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    struct process_options options = {.arguments = arguments,
                                      .environment = environment->items,
                                      .in = ends[0],
                                      .out = -1,
                                      .new_session = true};
    stack->watchdog = process_start(&options);
    stack->watchdog_pipe = ends[1];
    close(ends[0]);
    return stack->watchdog > 0;
}

static bool end_watchdog(struct stack *stack)
{
    close(stack->watchdog_pipe);
    return process_wait(stack->watchdog) == 0;
}

bool stack_start(struct stack *stack, const char *const *settings)
{
    static const char *const arguments[] = {SCRIPT, "up", NULL};
    struct environment environment;
    char directory[PATH_MAX - 32];

    *stack = (struct stack){.port = choose_port()};
    if (!stack->port || !getcwd(directory, sizeof(directory)))
        return false;
    (void)snprintf(stack->base, sizeof(stack->base), "http://127.0.0.1:%d", stack->port);
    (void)snprintf(stack->state, sizeof(stack->state), "%s/build/run/%d", directory, stack->port);
    environment_init(&environment, stack, settings);
    if (!start_watchdog(stack, &environment))
        return false;
    if (succeeds(arguments, environment.items))
        return true;
    (void)end_watchdog(stack);
    return false;
}

/* The logs are kept for whoever reads about a failed test; nothing else is. */
static void keep_logs(const struct stack *stack)
{
    static const char script[] = "rm -rf \"$2\" && mkdir -p \"$2\" && "
                                 "mv \"$1\"/*.log \"$2\"; rm -rf \"$1\"";
    char kept[PATH_MAX];
    (void)snprintf(kept, sizeof(kept), "build/test-logs/%s-%s.stack", web_names[stack_web()],
                   program_invocation_short_name);
    const char *const arguments[] = {"sh", "-c", script, "sh", stack->state, kept, NULL};
    (void)succeeds(arguments, NULL);
}

bool stack_stop(struct stack *stack)
{
    pid_t pids[PIDS_MAX];
    bool stopped = end_watchdog(stack) && stack_pids(stack, "", pids, PIDS_MAX) == 0;
    keep_logs(stack);
    return stopped;
}

/* --- Its processes ------------------------------------------------------------ */

size_t stack_pids(const struct stack *stack, const char *name, pid_t *pids, size_t max)
{
    static const char *const arguments[] = {SCRIPT, "pids", NULL};
    struct environment environment;
    char text[4096];
    size_t count = 0;
    environment_init(&environment, stack, NULL);
    if (process_run(arguments, environment.items, false, text, sizeof(text)) != 0)
        return 0;
    for (char *line = text; *line && count < max; line += strcspn(line, "\n") + 1) {
        char *equals = strchr(line, '=');
        if (!equals)
            break;
        if (*name == '\0' ||
            ((size_t)(equals - line) == strlen(name) && strncmp(line, name, strlen(name)) == 0))
            pids[count++] = (pid_t)strtol(equals + 1, NULL, 10);
        if (!strchr(line, '\n'))
            break;
    }
    return count;
}

pid_t stack_pid(const struct stack *stack, const char *name)
{
    pid_t pids[2];
    return stack_pids(stack, name, pids, 2) == 1 ? pids[0] : 0;
}

bool stack_setting(const struct stack *stack, const char *name, const char *setting, char *value,
                   size_t size)
{
    pid_t pid;
    struct process_strings environment = {NULL, NULL};
    size_t len = strlen(setting);
    bool found = false;
    if (stack_pids(stack, name, &pid, 1) == 1 &&
        process_strings_read(pid, "environ", &environment)) {
        for (char **item = environment.items; *item && !found; item++) {
            found = strncmp(*item, setting, len) == 0 && (*item)[len] == '=';
            if (found)
                (void)snprintf(value, size, "%s", *item + len + 1);
        }
    }
    process_strings_release(&environment);
    return found;
}

/* --- Starting one again ------------------------------------------------------- */

struct stack_program {
    mode_t umask; /* that of its socket */
    struct process_strings arguments;
    struct process_strings environment;
    char log[PATH_MAX];
};

struct stack_program *stack_program_of(const struct stack *stack, const char *name)
{
    pid_t pid = stack_pid(stack, name);
    struct stack_program *program = calloc(1, sizeof(*program));
    if (!program)
        return NULL;
    (void)snprintf(program->log, sizeof(program->log), "%.4000s/%s.log", stack->state, name);
    program->umask = process_umask(pid);
    if (!process_strings_read(pid, "cmdline", &program->arguments) ||
        !process_strings_read(pid, "environ", &program->environment))
        stack_program_free(&program);
    return program;
}

void stack_program_free(struct stack_program **program)
{
    if (!*program)
        return;
    process_strings_release(&(*program)->arguments);
    process_strings_release(&(*program)->environment);
    free(*program);
    *program = NULL;
}

bool stack_program_start(const struct stack_program *program)
{
    int log = open(program->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    struct process_options options = {
        .arguments = (const char *const *)program->arguments.items,
        .environment = (const char *const *)program->environment.items,
        .in = -1,
        .out = log,
        .errors_too = true,
        .new_session = true,
    };
    mode_t ours = umask(program->umask);
    bool started = log >= 0 && process_start(&options) > 0;
    (void)umask(ours);
    if (log >= 0)
        close(log);
    return started;
}
