/* SPDX-License-Identifier: MIT */
/* posix_spawn, because a test program has threads, and fork would take their locks along. */
#include "support/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { STRINGS_MAX = 256 * 1024, POLL_MS = 10, ENVIRONMENT_MAX = 64 };

mode_t process_umask(pid_t pid)
{
    char path[64], line[128];
    unsigned mask = 077;
    (void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, "Umask:", 6) == 0)
            mask = (unsigned)strtoul(line + 6, NULL, 8);
    if (file)
        (void)fclose(file);
    return (mode_t)mask;
}

/* Root of a container may not change the limits of another user's process. */
bool process_limit_files(pid_t pid, rlim_t bytes)
{
    char path[64];
    struct stat owner;
    (void)snprintf(path, sizeof(path), "/proc/%ld", (long)pid);
    if (stat(path, &owner) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit;
        bool ok = setresgid(owner.st_gid, owner.st_gid, owner.st_gid) == 0 &&
                  setresuid(owner.st_uid, owner.st_uid, owner.st_uid) == 0 &&
                  prlimit(pid, RLIMIT_FSIZE, NULL, &limit) == 0;
        limit.rlim_cur = bytes;
        _exit(ok && prlimit(pid, RLIMIT_FSIZE, &limit, NULL) == 0 ? 0 : 1);
    }
    return child > 0 && process_wait(child) == 0;
}

void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * NS_PER_MS}, NULL);
}

/* posix_spawn's type for strings that it does not write to. */
union strings {
    const char *const *given;
    char *const *taken;
};

/* Another environment, but what a sanitizer is told, which holds for every program of a run. */
static void fill_environment(const char *const *given, const char *all[ENVIRONMENT_MAX])
{
    size_t count = 0;
    for (; given[count] && count < ENVIRONMENT_MAX - 2; count++)
        all[count] = given[count];
    for (char **ours = environ; *ours; ours++) {
        if (strncmp(*ours, "TSAN_OPTIONS=", strlen("TSAN_OPTIONS=")) == 0)
            all[count++] = *ours;
    }
    all[count] = NULL;
}

pid_t process_start(const struct process_options *options)
{
    const char *replaced[ENVIRONMENT_MAX];
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    union strings arguments = {options->arguments};
    union strings environment = {options->environment ? replaced : NULL};
    if (options->environment)
        fill_environment(options->environment, replaced);

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (options->in >= 0)
        posix_spawn_file_actions_adddup2(&actions, options->in, STDIN_FILENO);
    else
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (options->out >= 0)
        posix_spawn_file_actions_adddup2(&actions, options->out, STDOUT_FILENO);
    if (options->errors_too)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    if (options->new_session)
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    int error = posix_spawnp(&pid, options->arguments[0], &actions, &attributes, arguments.taken,
                             options->environment ? environment.taken : environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error ? 0 : pid;
}

int process_wait(pid_t pid)
{
    int status;
    if (pid <= 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

int process_run(const char *const *arguments, const char *const *environment, bool errors_too,
                char *output, size_t size)
{
    int ends[2];
    size_t len = 0;
    ssize_t got = 0;
    output[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    struct process_options options = {.arguments = arguments,
                                      .environment = environment,
                                      .in = -1,
                                      .out = ends[1],
                                      .errors_too = errors_too};
    pid_t pid = process_start(&options);
    close(ends[1]);
    while (len < size - 1 && (got = read(ends[0], output + len, size - 1 - len)) > 0)
        len += (size_t)got;
    output[len] = '\0';
    close(ends[0]);
    return process_wait(pid);
}

bool process_wait_gone(pid_t pid, int timeout_ms)
{
    char path[64];
    char target[8];
    int64_t deadline_ns = deadline_in_ms(timeout_ms);
    (void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    /* One that has ended and was not waited for yet has no program any more. */
    while (readlink(path, target, sizeof(target)) >= 0) {
        if (deadline_left_ms(deadline_ns) == 0)
            return false;
        sleep_ms(POLL_MS);
    }
    return true;
}

/* --- /proc ------------------------------------------------------------------------ */

/* All of it, with a NUL at the end; NULL when it cannot be read or is too large. */
static char *read_proc(pid_t pid, const char *file, size_t *len)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = calloc(1, STRINGS_MAX + 1);
    ssize_t got = -1;
    *len = 0;
    while (fd >= 0 && text && (got = read(fd, text + *len, STRINGS_MAX - *len)) > 0)
        *len += (size_t)got;
    if (fd >= 0)
        close(fd);
    if (got != 0 || *len == STRINGS_MAX) {
        free(text);
        return NULL;
    }
    return text;
}

bool process_strings_read(pid_t pid, const char *file, struct process_strings *strings)
{
    size_t len;
    size_t count = 0;
    *strings = (struct process_strings){read_proc(pid, file, &len), NULL};
    if (!strings->text || len == 0)
        return false;
    for (size_t at = 0; at < len; at += strlen(strings->text + at) + 1)
        count++;
    strings->items = calloc(count + 1, sizeof(*strings->items));
    char *at = strings->text;
    for (size_t i = 0; strings->items && i < count; i++, at += strlen(at) + 1)
        strings->items[i] = at;
    return strings->items != NULL;
}

void process_strings_release(struct process_strings *strings)
{
    free(strings->text);
    free(strings->items);
    *strings = (struct process_strings){NULL, NULL};
}

long process_memory_kb(pid_t pid, const char *name)
{
    size_t len;
    long kb = -1;
    size_t name_len = strlen(name);
    char *text = read_proc(pid, "smaps_rollup", &len);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, name_len) == 0 && line[name_len] == ':') {
            kb = strtol(line + name_len + 1, NULL, 10);
            break;
        }
    }
    free(text);
    return kb;
}
