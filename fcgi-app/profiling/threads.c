/* SPDX-License-Identifier: MIT */
/*
 * A handler has no context, so the dump under way is global. A handler may come
 * late, when its dump is over or even freed: it says that it is in (`handlers`)
 * before it looks for the dump, and a dump is taken away first and then waited
 * for until nobody is in, so that a late handler finds nothing.
 */
#include "profiling/threads.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "profiling/unwind.h"

#define POLL_NS           NS_PER_MS
#define HANDLERS_OUT_MS   1000
#define SIGNAL_FROM_RTMIN 8 /* the first are what other libraries reach for */
#define NO_ANSWER_NAMES   8 /* in the comment */

struct entry {
    pid_t tid;
    char name[THREADS_NAME_SIZE];
    bool gone;             /* ended before it could be asked */
    _Atomic bool answered; /* set after depth and pcs */
    size_t depth;
    uintptr_t pcs[THREADS_MAX_DEPTH];
};

struct threads_dump {
    const struct threads *threads;
    unsigned number; /* of this dump, part of its signals' values */
    size_t count;
    size_t capacity;
    struct entry *entries;
};

struct threads {
    const struct route_table *routes;
    int signal_number;
    pthread_mutex_t lock; /* one dump at a time */
    unsigned dumps;
};

static struct threads_dump *_Atomic current;
static _Atomic unsigned handlers;

/* A signal's value: which dump and which entry. */
static int pack(unsigned number, size_t index)
{
    return (int)(((number & 0x7ffff) << 12) | (unsigned)index);
}
_Static_assert(THREADS_MAX <= 1 << 12, "an index fits its part of a signal's value");

static void answer(const siginfo_t *info)
{
    struct threads_dump *dump = atomic_load(&current);
    int value = info->si_value.sival_int;
    size_t index = (unsigned)value & 0xfff;
    if (!dump || pack(dump->number, index) != value || index >= dump->count)
        return;
    struct entry *entry = &dump->entries[index];
    entry->depth = unwind_interrupted(entry->pcs, THREADS_MAX_DEPTH);
    atomic_store(&entry->answered, true);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    int saved_errno = errno;
    atomic_fetch_add(&handlers, 1);
    if (info->si_code == SI_QUEUE && info->si_pid == getpid())
        answer(info);
    atomic_fetch_sub(&handlers, 1);
    errno = saved_errno;
}

/* A signal that nobody else handles. */
static int free_signal(void)
{
    for (int number = SIGRTMIN + SIGNAL_FROM_RTMIN; number <= SIGRTMAX; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 &&
            (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN))
            return number;
    }
    return 0;
}

enum app_err threads_new(const struct route_table *routes, struct threads **threads,
                         struct err_buf *why)
{
    int number = free_signal();
    if (number == 0)
        return err_set(why, APP_UNAVAILABLE, "threads: no real-time signal is free");
    struct threads *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->routes = routes;
    made->signal_number = number;
    pthread_mutex_init(&made->lock, NULL);
    unwind_warm_up();

    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
    *threads = made;
    return APP_OK;
}

void threads_free(struct threads **threads)
{
    if (!*threads)
        return;
    /* Ignored and not default: a signal that is still on its way must end nothing. */
    (void)signal((*threads)->signal_number, SIG_IGN);
    pthread_mutex_destroy(&(*threads)->lock);
    free(*threads);
    *threads = NULL;
}

static void read_name(struct entry *entry)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/comm", (int)entry->tid);
    FILE *file = fopen(path, "re");
    if (!file)
        return; /* the thread has just ended */
    if (fgets(entry->name, sizeof(entry->name), file))
        entry->name[strcspn(entry->name, "\n")] = '\0';
    fclose(file);
}

static bool add_entry(struct threads_dump *dump, pid_t tid)
{
    if (dump->count == dump->capacity) {
        size_t capacity = dump->capacity ? dump->capacity * 2 : 64;
        struct entry *entries = realloc(dump->entries, capacity * sizeof(*entries));
        if (!entries)
            return false;
        dump->entries = entries;
        dump->capacity = capacity;
    }
    struct entry *entry = &dump->entries[dump->count++];
    memset(entry, 0, sizeof(*entry));
    entry->tid = tid;
    read_name(entry);
    return true;
}

static int by_tid(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    return (left->tid > right->tid) - (left->tid < right->tid);
}

static enum app_err list_threads(struct threads_dump *dump, struct err_buf *why)
{
    DIR *directory = opendir("/proc/self/task");
    if (!directory) {
        err_detail(why, "opendir /proc/self/task: %s", strerror(errno));
        return err_set(why, APP_UNAVAILABLE, "threads: /proc cannot be read");
    }
    enum app_err err = APP_OK;
    const struct dirent *found;
    while (!err && dump->count < THREADS_MAX && (found = readdir(directory))) {
        long tid = strtol(found->d_name, NULL, 10);
        if (tid > 0 && !add_entry(dump, (pid_t)tid))
            err = APP_NO_MEMORY;
    }
    closedir(directory);
    if (!err && dump->count > 0)
        qsort(dump->entries, dump->count, sizeof(*dump->entries), by_tid);
    return err;
}

static void ask(const struct threads *threads, struct threads_dump *dump, size_t index)
{
    siginfo_t info = {.si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = pack(dump->number, index);
    struct entry *entry = &dump->entries[index];
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), entry->tid, threads->signal_number, &info) != 0)
        entry->gone = errno == ESRCH; /* else too many signals wait already: no answer */
}

static void drop_gone(struct threads_dump *dump)
{
    size_t kept = 0;
    for (size_t i = 0; i < dump->count; i++)
        if (!dump->entries[i].gone)
            memmove(&dump->entries[kept++], &dump->entries[i], sizeof(*dump->entries));
    dump->count = kept;
}

static void sleep_ns(int64_t duration_ns)
{
    struct timespec duration = {0, duration_ns};
    (void)nanosleep(&duration, NULL); /* in a loop that looks at the clock */
}

static bool all_answered(const struct threads_dump *dump)
{
    for (size_t i = 0; i < dump->count; i++)
        if (!dump->entries[i].gone && !atomic_load(&dump->entries[i].answered))
            return false;
    return true;
}

/* Take the dump away from the handlers. False: one is still inside. */
static bool withdraw(void)
{
    int64_t end_ns = deadline_in_ms(HANDLERS_OUT_MS);
    atomic_store(&current, NULL);
    while (atomic_load(&handlers) > 0 && clock_now_ns() < end_ns)
        sleep_ns(POLL_NS);
    return atomic_load(&handlers) == 0;
}

/* False when a handler is stuck: then the dump must not be touched or freed. */
static bool ask_all(struct threads *threads, struct threads_dump *dump)
{
    int64_t end_ns = deadline_in_ms(THREADS_WAIT_MS);
    pid_t self = gettid();
    atomic_store(&current, dump);
    for (size_t i = 0; i < dump->count; i++) {
        struct entry *entry = &dump->entries[i];
        if (entry->tid == self) {
            entry->depth = unwind_here(NULL, entry->pcs, THREADS_MAX_DEPTH);
            atomic_store(&entry->answered, true);
        } else {
            ask(threads, dump, i);
        }
    }
    while (!all_answered(dump) && clock_now_ns() < end_ns)
        sleep_ns(POLL_NS);
    return withdraw();
}

enum app_err threads_dump(struct threads *threads, struct threads_dump **dump, struct err_buf *why)
{
    struct threads_dump *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->threads = threads;
    pthread_mutex_lock(&threads->lock);
    made->number = ++threads->dumps;
    enum app_err err = list_threads(made, why);
    bool stuck = !err && !ask_all(threads, made);
    pthread_mutex_unlock(&threads->lock);
    if (stuck) /* the dump is left to the handler that still writes to it */
        return err_set(why, APP_UNAVAILABLE, "threads: a thread hangs in the signal handler");
    if (err) {
        threads_dump_free(&made);
        return err;
    }
    drop_gone(made);
    *dump = made;
    return APP_OK;
}

void threads_dump_free(struct threads_dump **dump)
{
    if (!*dump)
        return;
    free((*dump)->entries);
    free(*dump);
    *dump = NULL;
}

size_t threads_dump_count(const struct threads_dump *dump)
{
    return dump->count;
}

void threads_dump_at(const struct threads_dump *dump, size_t index, struct threads_entry *entry)
{
    const struct entry *from = &dump->entries[index];
    *entry = (struct threads_entry){
        .tid = from->tid, .answered = atomic_load(&from->answered), .depth = from->depth};
    memcpy(entry->name, from->name, sizeof(entry->name));
}

static enum app_err add_silent(struct profile *profile, const struct threads_dump *dump,
                               size_t first, size_t count)
{
    char text[256];
    enum app_err err = APP_OK;
    for (size_t i = first, listed = 0; !err && i < first + count; i++) {
        const struct entry *entry = &dump->entries[i];
        if (atomic_load(&entry->answered) || ++listed > NO_ANSWER_NAMES)
            continue;
        (void)snprintf(text, sizeof(text), "thread %d (%s) gave no stack", (int)entry->tid,
                       entry->name);
        err = profile_add_comment(profile, text);
    }
    return err;
}

static enum app_err add_thread(struct stack_profile *builder, const struct entry *entry, bool named)
{
    char label[THREADS_NAME_SIZE + 16];
    (void)snprintf(label, sizeof(label), "%d %s", (int)entry->tid, entry->name);
    return stack_profile_add_one(builder, entry->pcs, entry->depth, 1, named ? label : NULL);
}

static enum app_err make_profile(const struct threads_dump *dump, const struct profile_kind *kind,
                                 size_t first, size_t count, bool named, struct profile **profile)
{
    struct stack_profile *builder = NULL;
    enum app_err err = stack_profile_new(kind, dump->threads->routes, &builder);
    for (size_t i = first; !err && i < first + count; i++)
        err = add_thread(builder, &dump->entries[i], named);
    if (!err)
        err = add_silent(stack_profile_get(builder), dump, first, count);
    if (!err) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        profile_set_time(stack_profile_get(builder), now.tv_sec * NS_PER_S + now.tv_nsec, 0, 1);
        *profile = stack_profile_take(builder);
    }
    stack_profile_free(&builder);
    return err;
}

enum app_err threads_dump_profile(const struct threads_dump *dump, const struct profile_kind *kind,
                                  size_t first, size_t count, struct profile **profile)
{
    return make_profile(dump, kind, first, count, false, profile);
}

enum app_err threads_dump_each(const struct threads_dump *dump, struct profile **profile)
{
    return make_profile(dump, &profile_kind_goroutine, 0, dump->count, true, profile);
}
