/* SPDX-License-Identifier: MIT */
/*
 * The environment is read by the libraries' constructors, before main and before
 * anything of ours could run (constructors with a priority and .preinit_array
 * were tried), so the only way is to start over.
 *
 * The process id stays the same over an execution, so a variable that holds it
 * says that this very process has started over already; a child that inherits
 * the variable has another id.
 */
#include "profiling/sampler.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include <gperftools/profiler.h>

#define UNWINDER_VARIABLE "TCMALLOC_STACKTRACE_METHOD"
#define HEAP_VARIABLE     "TCMALLOC_SAMPLE_PARAMETER"
#define AGAIN_VARIABLE    "SAMPLER_EXECUTED_AGAIN"

/* With these in the environment the libraries profile into files on their own account. */
static bool is_unwanted(const char *variable)
{
    static const char *const prefixes[] = {"CPUPROFILE", "HEAPPROFILE", "HEAPCHECK"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static bool has_unwanted(void)
{
    for (char **variable = environ; variable && *variable; variable++)
        if (is_unwanted(*variable))
            return true;
    return false;
}

/* unsetenv moves the variables up, so begin anew after each. */
static bool remove_unwanted(void)
{
    for (char **variable = environ; variable && *variable;) {
        const char *end = strchr(*variable, '=');
        char name[128];
        if (!is_unwanted(*variable) || !end || (size_t)(end - *variable) >= sizeof(name)) {
            variable++;
            continue;
        }
        memcpy(name, *variable, (size_t)(end - *variable));
        name[end - *variable] = '\0';
        if (unsetenv(name) != 0)
            return false;
        variable = environ;
    }
    return true;
}

/* `wanted` NULL: the variable is not to be there. */
static bool is_set_to(const char *name, const char *wanted)
{
    const char *value = getenv(name);
    return wanted ? value && strcmp(value, wanted) == 0 : !value;
}

static bool set_to(const char *name, const char *wanted)
{
    return (wanted ? setenv(name, wanted, 1) : unsetenv(name)) == 0;
}

static void unblock_sigprof(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPROF);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/*
 * A timer that CPUPROFILE started goes on over the execution, and its next signal
 * would end the new image, which has no handler yet. Ignoring the signal is
 * inherited, drops one that is pending, and gperftools replaces it. ProfilerStop
 * closes the file, which would be left open otherwise.
 */
static void silence_profiler(void)
{
    if (!ProfilingIsEnabledForAllThreads())
        return;
    static const struct itimerval off = {.it_value = {.tv_sec = 0}};
    setitimer(ITIMER_PROF, &off, NULL);
    setitimer(ITIMER_REAL, &off, NULL);
    ProfilerStop();
    (void)signal(SIGPROF, SIG_IGN);
}

enum app_err sampler_prepare(bool enabled, int64_t heap_sample_bytes, char **argv,
                             struct err_buf *why)
{
    char pid[24], heap[24];
    (void)snprintf(pid, sizeof(pid), "%lld", (long long)getpid());
    (void)snprintf(heap, sizeof(heap), "%" PRId64, heap_sample_bytes);
    const char *heap_wanted = heap_sample_bytes > 0 ? heap : NULL;

    unblock_sigprof();
    bool again = is_set_to(AGAIN_VARIABLE, pid);
    bool ready = !has_unwanted() && (!enabled || (is_set_to(UNWINDER_VARIABLE, "libgcc") &&
                                                  is_set_to(HEAP_VARIABLE, heap_wanted)));
    if (again) {
        unsetenv(AGAIN_VARIABLE);
        /* The kernel named the process after the file it was given: "exe". */
        prctl(PR_SET_NAME, program_invocation_short_name);
    }
    if (ready)
        return APP_OK;
    if (again)
        return err_set(why, APP_INTERNAL, "profiling: the environment cannot be set");

    silence_profiler();
    bool set = remove_unwanted() && setenv(AGAIN_VARIABLE, pid, 1) == 0;
    if (set && enabled)
        set = set_to(UNWINDER_VARIABLE, "libgcc") && set_to(HEAP_VARIABLE, heap_wanted);
    if (!set)
        return APP_NO_MEMORY;
    execv("/proc/self/exe", argv);
    err_detail(why, "execv /proc/self/exe: %s", strerror(errno));
    return err_set(why, APP_INTERNAL, "profiling: cannot start the program again");
}
