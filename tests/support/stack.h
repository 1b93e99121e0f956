/* SPDX-License-Identifier: MIT */
/*
 * The whole stack for a test: httpd-conf/stack.sh, on a port of the test's own,
 * with its processes at hand to be killed, stopped and started again.
 *
 * A watchdog process takes the stack down when stack_stop says so, and also
 * when the test's process ends in any other way, so that none is left behind.
 *
 * Must run in the project's directory. BUILD and WEB are as for stack.sh;
 * nothing else of the caller's environment reaches the programs
 * but PATH, HOME and the sanitizers' options. One thread at a time.
 */
#ifndef TESTS_SUPPORT_STACK_H
#define TESTS_SUPPORT_STACK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The web server of the test's stacks: WEB in the environment, as for stack.sh. */
enum stack_web {
    STACK_LIGHTTPD,
    STACK_APACHE_FCGID, /* a process handles one request at a time */
    STACK_APACHE_PROXY,
    STACK_NGINX
};
enum stack_web stack_web(void);

struct stack {
    uint16_t port;
    char base[40];        /* "http://127.0.0.1:18123" */
    char state[PATH_MAX]; /* its directory, build/run/PORT, absolute */
    pid_t watchdog;
    int watchdog_pipe; /* the watchdog acts when it is closed */
};

/*
 * Start it with further settings ("NAME=value", ended by NULL). False when it
 * does not become healthy; stack.sh has told why on standard error. It need not
 * be stopped then.
 */
bool stack_start(struct stack *stack, const char *const *settings);

/*
 * Stop it; false when a process of it is left. Its logs go to
 * build/test-logs/<web server>-<the test program's name>.stack/.
 */
bool stack_stop(struct stack *stack);

/* What runs now under a name: web, api, cache, facebox. Returns how many. */
size_t stack_pids(const struct stack *stack, const char *name, pid_t *pids, size_t max);

/* The only process of that name; 0 when there is none or more than one. */
pid_t stack_pid(const struct stack *stack, const char *name);

/* A setting in the environment of the first process of that name. False when it is not set. */
bool stack_setting(const struct stack *stack, const char *name, const char *setting, char *value,
                   size_t size);

/* The program of a running process: what is needed to start it again. */
struct stack_program;

/* NULL when there is no such process. stack_program_free NULLs the caller's pointer. */
struct stack_program *stack_program_of(const struct stack *stack, const char *name);
void stack_program_free(struct stack_program **program);

/* Start it again, as it was. False when it cannot be started. */
bool stack_program_start(const struct stack_program *program);

#endif
