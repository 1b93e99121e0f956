/* SPDX-License-Identifier: MIT */
#include "soak/soak.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/clients/breaker.h"
#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"

enum { GONE_MS = 60000, REACHED_MS = 100, PAUSE_MS = 300, PIDS_MAX = SOAK_SIBLINGS * 3 };

struct soak_faults {
    const struct scene *scene;
    struct checked_load *load;
    pid_t web;
    struct stack_program *cache, *facebox;
    unsigned seed;
    unsigned ended;
    struct upheaval_window windows[SOAK_WINDOWS_MAX];
    size_t window_count;
    struct upheaval_times times[]; /* one a kind */
};

static unsigned random_below(struct soak_faults *faults, unsigned limit)
{
    faults->seed = faults->seed * 1103515245 + 12345;
    return faults->seed / 65536 % limit;
}

static void random_pause(struct soak_faults *faults, unsigned least_ms, unsigned most_ms)
{
    sleep_ms((long)least_ms + (long)random_below(faults, most_ms - least_ms));
}

/* --- The kinds ------------------------------------------------------------------------ */

/* Any sibling but `elder`; 0 when there is none. */
static pid_t pick_sibling(struct soak_faults *faults, pid_t elder)
{
    pid_t pids[PIDS_MAX];
    size_t count = upheaval_siblings(faults->web, pids, PIDS_MAX);
    for (int tries = 0; count > 0 && tries < 50; tries++) {
        pid_t pid = pids[random_below(faults, (unsigned)count)];
        if (pid != elder)
            return pid;
    }
    return 0;
}

static void end_sibling(struct soak_faults *faults, pid_t elder, int signal_number)
{
    pid_t pid = pick_sibling(faults, elder);
    if (pid == 0)
        return;
    faults->ended++;
    assert_int_equal(kill(pid, signal_number), 0);
    assert_true(process_wait_gone(pid, GONE_MS));
}

static void kill_sibling(struct soak_faults *faults, pid_t elder)
{
    end_sibling(faults, elder, SIGKILL);
}

static void stop_sibling(struct soak_faults *faults, pid_t elder)
{
    end_sibling(faults, elder, SIGTERM);
}

static void hold_up(struct soak_faults *faults, pid_t pid)
{
    if (pid == 0 || kill(pid, SIGSTOP) != 0)
        return;
    random_pause(faults, 200, 3000);
    (void)kill(pid, SIGCONT);
}

static void hold_up_sibling(struct soak_faults *faults, pid_t elder)
{
    (void)elder; /* it, too */
    hold_up(faults, pick_sibling(faults, 0));
}

static void end_upstream(struct soak_faults *faults, const char *name, int signal_number,
                         const struct stack_program *program)
{
    pid_t pid = stack_pid(&faults->scene->stack, name);
    assert_true(pid > 0);
    assert_int_equal(kill(pid, signal_number), 0);
    assert_true(process_wait_gone(pid, GONE_MS));
    random_pause(faults, 1, 1500);
    assert_true(stack_program_start(program));
}

static void kill_cache(struct soak_faults *faults, pid_t elder)
{
    (void)elder;
    end_upstream(faults, "cache", SIGKILL, faults->cache);
}

static void restart_cache(struct soak_faults *faults, pid_t elder)
{
    (void)elder;
    end_upstream(faults, "cache", SIGTERM, faults->cache);
}

static void hold_up_cache(struct soak_faults *faults, pid_t elder)
{
    (void)elder;
    hold_up(faults, stack_pid(&faults->scene->stack, "cache"));
}

static void kill_facebox(struct soak_faults *faults, pid_t elder)
{
    (void)elder;
    end_upstream(faults, "facebox", SIGKILL, faults->facebox);
    scene_wait_facebox(faults->scene);
}

static void restart_facebox(struct soak_faults *faults, pid_t elder)
{
    (void)elder;
    end_upstream(faults, "facebox", SIGTERM, faults->facebox);
    scene_wait_facebox(faults->scene);
}

static void hold_up_facebox(struct soak_faults *faults, pid_t elder)
{
    (void)elder;
    hold_up(faults, stack_pid(&faults->scene->stack, "facebox"));
}

static void restart_web(struct soak_faults *faults, pid_t elder)
{
    pid_t before[PIDS_MAX];
    size_t count = upheaval_siblings(faults->web, before, PIDS_MAX);
    (void)elder;
    faults->ended += (unsigned)count;
    assert_int_equal(kill(faults->web, SIGUSR1), 0);
    for (size_t i = 0; i < count; i++)
        assert_true(process_wait_gone(before[i], GONE_MS));
}

static const struct {
    const char *name;
    enum soak_phase until; /* the last phase in which it is done */
    void (*run)(struct soak_faults *faults, pid_t elder);
    bool opens_breakers; /* of each sibling, which learn of the end one by one */
} kinds[] = {
    {"a sibling: kill -9", SOAK_STEADY, kill_sibling, false},
    {"a sibling: SIGTERM", SOAK_STEADY, stop_sibling, false},
    {"a sibling: SIGSTOP, SIGCONT", SOAK_STEADY, hold_up_sibling, false},
    {"cache: kill -9, started again", SOAK_ELDER, kill_cache, true},
    {"cache: SIGTERM, started again", SOAK_ELDER, restart_cache, true},
    {"cache: SIGSTOP, SIGCONT", SOAK_STEADY, hold_up_cache, true},
    {"facebox: kill -9, started again", SOAK_ELDER, kill_facebox, true},
    {"facebox: SIGTERM, started again", SOAK_ELDER, restart_facebox, true},
    {"facebox: SIGSTOP, SIGCONT", SOAK_STEADY, hold_up_facebox, true},
    {"web server: graceful restart", SOAK_EVERYTHING, restart_web, false},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* --- One fault ------------------------------------------------------------------------- */

struct soak_faults *soak_faults_new(const struct scene *scene, struct checked_load *load,
                                    unsigned seed)
{
    struct soak_faults *faults = calloc(1, sizeof(*faults) + KINDS * sizeof(faults->times[0]));
    assert_non_null(faults);
    faults->scene = scene;
    faults->load = load;
    faults->seed = seed;
    faults->web = stack_pid(&scene->stack, "web");
    faults->cache = stack_program_of(&scene->stack, "cache");
    faults->facebox = stack_program_of(&scene->stack, "facebox");
    assert_true(faults->web > 0 && faults->cache && faults->facebox);
    for (size_t i = 0; i < KINDS; i++)
        faults->times[i].name = kinds[i].name;
    return faults;
}

void soak_faults_free(struct soak_faults **faults)
{
    stack_program_free(&(*faults)->cache);
    stack_program_free(&(*faults)->facebox);
    free(*faults);
    *faults = NULL;
}

/* Until a new picture is made and served, and no sibling is missing. */
static int64_t await_recovery(struct soak_faults *faults)
{
    int64_t begun_ns = clock_now_ns();
    while (!checked_load_post_once(faults->load)) {
        if (clock_now_ns() - begun_ns > SOAK_RECOVERY_MS * NS_PER_MS)
            fail_msg("no new picture %d ms after the fault", SOAK_RECOVERY_MS);
        sleep_ms(20);
    }
    (void)upheaval_await_pool(faults->scene, SOAK_SIBLINGS, 0, SOAK_RECOVERY_MS);
    return (clock_now_ns() - begun_ns) / NS_PER_MS;
}

void soak_faults_one(struct soak_faults *faults, enum soak_phase phase, pid_t elder)
{
    unsigned kind;
    do
        kind = random_below(faults, KINDS);
    while (kinds[kind].until < phase);
    if (faults->window_count == SOAK_WINDOWS_MAX)
        fail_msg("more than %d faults", SOAK_WINDOWS_MAX);

    struct upheaval_window *window = &faults->windows[faults->window_count++];
    window->begin_ns = clock_now_ns();
    kinds[kind].run(faults, elder);
    int64_t ms = await_recovery(faults);
    if (kinds[kind].opens_breakers)
        sleep_ms(BREAKER_STALE_MS); /* after which one that nobody asked refuses nobody either */
    window->end_ns = clock_now_ns() + REACHED_MS * NS_PER_MS;
    upheaval_add(&faults->times[kind], ms);
    random_pause(faults, PAUSE_MS, 5 * PAUSE_MS);
}

const struct upheaval_window *soak_faults_windows(const struct soak_faults *faults, size_t *count)
{
    *count = faults->window_count;
    return faults->windows;
}

unsigned soak_faults_ended(const struct soak_faults *faults)
{
    return faults->ended;
}

void soak_faults_report(struct soak_faults *faults)
{
    for (size_t i = 0; i < KINDS; i++)
        upheaval_print(&faults->times[i]);
}
