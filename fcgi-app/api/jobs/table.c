/* SPDX-License-Identifier: MIT */
#include "api/jobs/table_private.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "api/jobs/job.h"
#include "lib/base/clock.h"

enum { LOCK_TICKS = 10, BOOT_ID_LEN = 36, LAYOUT_TEXT_MAX = 256 };

/* --- The lock -------------------------------------------------------------------- */

static bool init_lock(struct table_memory *memory)
{
    pthread_mutexattr_t attributes;
    errno = pthread_mutexattr_init(&attributes);
    if (errno != 0)
        return false;
    (void)pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    (void)pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    errno = pthread_mutex_init(&memory->lock, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
    return errno == 0;
}

static bool prepare(void *map)
{
    return init_lock(map);
}

#ifdef __SANITIZE_THREAD__
/* It does not know pthread_mutex_clocklock, and a dead owner only when trylock tells it. */
static int lock_in_a_tick(pthread_mutex_t *lock)
{
    int status = pthread_mutex_trylock(lock);
    for (int i = 0; status == EBUSY && i < TABLE_TICK_MS; i++) {
        deadline_sleep(deadline_in_ms(1));
        status = pthread_mutex_trylock(lock);
    }
    return status == EBUSY ? ETIMEDOUT : status;
}
#else
/* By the monotonic clock: when somebody sets the other one, nobody shall seem to hang. */
static int lock_in_a_tick(pthread_mutex_t *lock)
{
    int64_t until_ns = deadline_in_ms(TABLE_TICK_MS);
    const struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};
    return pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &until);
}
#endif

/*
 * Only ticks in which nobody came to have the lock count: it goes to whoever asks first and
 * not to who waits longest, so on a machine with too much to do a wait may take longer than
 * any holder. Each tick asks again, for whoever was to wake us may be dead.
 */
static int lock_unless_stuck(struct table_memory *memory)
{
    int status;
    int stuck = 0;
    uint32_t seen = atomic_load(&memory->holders);
    do {
        status = lock_in_a_tick(&memory->lock);
        uint32_t holders = atomic_load(&memory->holders);
        stuck = holders == seen ? stuck + 1 : 0;
        seen = holders;
    } while (status == ETIMEDOUT && stuck < LOCK_TICKS);
    return status;
}

bool table_lock_again(struct table *table, struct table_memory *memory)
{
    int status = lock_unless_stuck(memory);
    if (status != 0 && status != EOWNERDEAD)
        return false;
    atomic_fetch_add(&memory->holders, 1);
    if (status == EOWNERDEAD) {
        (void)pthread_mutex_consistent(&memory->lock);
        table_sweep(table, memory);
    }
    return true;
}

/* Whoever holds the lock for a second (LOCK_TICKS) is stopped in a debugger, or worse. */
static void leave_shared(struct table *table)
{
    struct table_memory *shared = table->shared.map;
    if (atomic_compare_exchange_strong(&table->memory, &shared, table->local.map))
        log_warn(&table->log, "Limits and jobs are of this process only",
                 LOG_FIELDS(LOG_STR("reason", "the pool's table cannot be locked")));
}

struct table_memory *table_lock(struct table *table)
{
    struct table_memory *memory = atomic_load(&table->memory);
    while (!table_lock_again(table, memory)) {
        if (memory == table->shared.map)
            leave_shared(table);
        memory = atomic_load(&table->memory);
    }
    return memory;
}

void table_unlock(struct table_memory *memory)
{
    (void)pthread_mutex_unlock(&memory->lock);
}

/* --- Waiting --------------------------------------------------------------------- */

void table_changed(struct table_memory *memory)
{
    atomic_fetch_add(&memory->changes, 1);
    (void)syscall(SYS_futex, &memory->changes, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void table_wait(struct table_memory *memory, int64_t deadline_ns)
{
    uint32_t seen = atomic_load(&memory->changes);
    table_unlock(memory);
    int64_t left_ns = deadline_min(deadline_ns, deadline_in_ms(TABLE_TICK_MS)) - clock_now_ns();
    if (left_ns <= 0)
        return;
    const struct timespec left = {left_ns / NS_PER_S, left_ns % NS_PER_S};
    (void)syscall(SYS_futex, &memory->changes, FUTEX_WAIT, seen, &left, NULL, 0);
}

/* --- Owners ---------------------------------------------------------------------- */

struct table_owner table_us(const struct table *table, const struct table_memory *memory)
{
    return memory == table->shared.map ? table->us : (struct table_owner){0, 0};
}

uint64_t table_next(struct table_memory *memory)
{
    return ++memory->sequences;
}

bool table_is_alive(const struct table *table, const struct table_memory *memory,
                    struct table_owner owner)
{
    if (memory != table->shared.map)
        return true;
    if (owner.process >= TABLE_PROCESSES ||
        memory->processes[owner.process].incarnation != owner.incarnation)
        return false;
    return owner.process == table->us.process || shared_file_is_held(&table->shared, owner.process);
}

unsigned table_workers(const struct table *table, const struct table_memory *memory)
{
    unsigned workers = 0;
    if (memory != table->shared.map)
        return table->workers;
    for (uint32_t i = 0; i < TABLE_PROCESSES; i++) {
        const struct table_process *process = &memory->processes[i];
        if (process->workers > 0 &&
            table_is_alive(table, memory, (struct table_owner){i, process->incarnation}))
            workers += process->workers;
    }
    return workers;
}

/* --- Sweeping -------------------------------------------------------------------- */

/* Asking the kernel once for each process is enough. */
struct living {
    const struct table *table;
    const struct table_memory *memory;
    enum { LIVING_UNKNOWN, LIVING_YES, LIVING_NO } processes[TABLE_PROCESSES];
};

static bool has_died(struct living *living, struct table_owner owner)
{
    if (owner.process >= TABLE_PROCESSES ||
        (living->memory == living->table->shared.map &&
         living->memory->processes[owner.process].incarnation != owner.incarnation))
        return true;
    if (living->processes[owner.process] == LIVING_UNKNOWN)
        living->processes[owner.process] =
            table_is_alive(living->table, living->memory, owner) ? LIVING_YES : LIVING_NO;
    return living->processes[owner.process] == LIVING_NO;
}

static bool sweep_turns(struct living *living, struct table_memory *memory, int64_t overdue_ns)
{
    bool changed = false;
    for (size_t i = 0; i < TABLE_TURNS; i++) {
        struct table_turn *turn = &memory->turns[i];
        if (turn->state == TURN_FREE ||
            (turn->deadline_ns >= overdue_ns && !has_died(living, turn->owner)))
            continue;
        turn->state = TURN_FREE;
        changed = true;
    }
    return changed;
}

static bool sweep_flights(struct living *living, struct table_memory *memory, int64_t overdue_ns)
{
    bool changed = false;
    for (size_t i = 0; i < TABLE_FLIGHTS; i++) {
        struct table_flight *flight = &memory->flights[i];
        if (flight->state != FLIGHT_RUNNING ||
            (flight->deadline_ns >= overdue_ns && !has_died(living, flight->owner)))
            continue;
        flight->ended_ns = clock_now_ns();
        flight->state = FLIGHT_ABANDONED;
        changed = true;
    }
    return changed;
}

static bool sweep_jobs(struct living *living, struct table_memory *memory)
{
    bool changed = false;
    for (size_t i = 0; i < TABLE_JOBS; i++) {
        struct table_job *job = &memory->jobs[i];
        if ((job->status != JOB_QUEUED && job->status != JOB_PROCESSING) ||
            !has_died(living, job->owner))
            continue;
        job->err = APP_UNAVAILABLE;
        (void)snprintf(job->error, sizeof(job->error), "the process that did it has ended");
        job->ended_ns = clock_now_ns();
        job->status = JOB_FAILED;
        changed = true;
    }
    return changed;
}

void table_sweep(struct table *table, struct table_memory *memory)
{
    struct living living = {.table = table, .memory = memory};
    int64_t overdue_ns = clock_now_ns() - TABLE_OVERDUE_MS * NS_PER_MS;
    bool turns = sweep_turns(&living, memory, overdue_ns);
    bool flights = sweep_flights(&living, memory, overdue_ns);
    bool jobs = sweep_jobs(&living, memory);
    if (turns || flights || jobs)
        table_changed(memory);
}

/* --- Life ------------------------------------------------------------------------ */

/*
 * What decides where things lie, and what they mean: times and thread numbers of
 * before the last boot mean nothing, and a mutex is the C library's own.
 */
static enum app_err digest_layout(char layout[MD5_HEX_LEN + 1])
{
    char text[LAYOUT_TEXT_MAX];
    char boot[BOOT_ID_LEN + 1] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file) {
        if (!fgets(boot, sizeof(boot), file))
            boot[0] = '\0';
        (void)fclose(file);
    }
    int len =
        snprintf(text, sizeof(text), "jobs 2 %zu %zu %zu %zu %s %s", sizeof(struct table_memory),
                 sizeof(struct table_turn), sizeof(struct table_flight), sizeof(struct table_job),
                 gnu_get_libc_version(), boot);
    return md5_hex(text, (size_t)len, layout);
}

/* Take a slot, and what its last holder has left behind away. */
static enum app_err enter(struct table *table, struct err_buf *why)
{
    size_t slot = 0;
    struct table_memory *memory = table->shared.map;
    enum app_err err = shared_file_take_slot(&table->shared, TABLE_PROCESSES, &slot, why);
    if (err)
        return err;
    table->us.process = (uint32_t)slot;
    if (!table_lock_again(table, memory)) {
        err_detail(why, "the pool's table cannot be locked");
        return APP_CONFIG;
    }
    table->us.incarnation = ++memory->incarnations;
    memory->processes[slot] = (struct table_process){table->us.incarnation, table->workers};
    table_sweep(table, memory);
    table_unlock(memory);
    return APP_OK;
}

static enum app_err share(struct table *table, const char *directory, struct err_buf *why)
{
    struct shared_file_options options = {
        .directory = directory,
        .name = "jobs",
        .size = sizeof(struct table_memory),
        .prepare = prepare,
    };
    enum app_err err = digest_layout(options.layout);
    if (!err)
        err = shared_file_open(&table->shared, &options, why);
    if (!err)
        err = enter(table, why);
    if (err)
        shared_file_release(&table->shared);
    return err;
}

enum app_err table_new(const struct table_options *options, struct table **table)
{
    struct err_buf why = {.detail = ""};
    struct table *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->shared = SHARED_FILE_NONE;
    made->log = *options->log;
    made->workers = options->workers;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    made->cores = cores > 0 ? (unsigned)cores : 1;
    enum app_err err = shared_file_private(&made->local, sizeof(struct table_memory));
    if (!err && !init_lock(made->local.map)) {
        shared_file_release(&made->local);
        err = APP_NO_MEMORY;
    }
    if (err) {
        free(made);
        return err;
    }
    if (share(made, options->directory, &why)) {
        log_warn(
            &made->log, "Limits and jobs are of this process only",
            LOG_FIELDS(LOG_STR("directory", options->directory), LOG_STR("reason", why.detail)));
        made->memory = made->local.map;
    } else {
        made->memory = made->shared.map;
    }
    *table = made;
    return APP_OK;
}

void table_free(struct table **table)
{
    struct table *freed = *table;
    if (!freed)
        return;
    *table = NULL;
    shared_file_release(&freed->shared);
    shared_file_release(&freed->local);
    free(freed);
}

bool table_is_shared(const struct table *table)
{
    return atomic_load(&table->memory) == table->shared.map;
}
