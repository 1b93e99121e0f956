/* SPDX-License-Identifier: MIT */
/*
 * The soak: ten minutes (SOAK_SECONDS) of pictures asked for and made while processes are killed,
 * held up and restarted at random, the web server is restarted and profiles are taken. Each of the
 * tests below is one of the things that must hold at its end; docs/faults.md has a result.
 *
 * SOAK_SEED repeats the order of the faults.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "soak/soak.h"
#include "support/cmocka.h"
#include "support/process.h"

enum {
    GETTERS = 6,
    POSTERS = 2,
    PAUSE_MS = 20,
    SETTLE_MS = 4000, /* after the load: what waits for a time limit is over */
    RSS_GROWTH = 5,   /* per cent */
    SLACK = 4,        /* connections that a quiet process has now and not then, or the reverse */
    /*
     * Each thread of the application keeps the connection over which it asked the face
     * detection last, and some threads do so for the first time late in the run.
     */
    API_WORKERS = 16,
    SAMPLES_MAX = 8192,
    WATCHED = 3
};

/* Shares of the time, in per cent. */
enum { ELDER_FROM = 25, STEADY_FROM = 45, EARLY_FROM = 55, EARLY_UNTIL = 70, LATE_FROM = 85 };

struct watched {
    const char *name;
    pid_t pid;
    int descriptors; /* when all was quiet */
    int slack;       /* that many more are none that leaked */
    long early[SAMPLES_MAX], late[SAMPLES_MAX];
    size_t early_count, late_count;
};

struct soak {
    struct scene *scene;
    int seconds;
    struct checked_load *load;
    struct soak_faults *faults;
    struct soak_watch_result watched_result;
    struct checked_load_result result;
    struct watched watched[WATCHED];
};

static struct soak soak;

static int start(void **state)
{
    void *scene = NULL;
    if (scene_start(&scene, (const char *const[]){"WEB=lighttpd", "API_PROCESSES=4",
                                                  "LOCAL_CACHE_TTL=1s", "FACEBOX_TIMEOUT=10s",
                                                  "PROFILE=on", "PROFILE_TOKEN=" SOAK_TOKEN,
                                                  "PROFILE_HEAP=512K", NULL}) != 0)
        return -1;
    soak.scene = scene;
    *state = &soak;
    return 0;
}

static int stop(void **state)
{
    void *scene = soak.scene;
    (void)state;
    if (soak.faults)
        soak_faults_free(&soak.faults);
    checked_load_result_release(&soak.result);
    free(soak.watched_result.failures);
    return scene_stop(&scene);
}

/* --- Memory and descriptors ------------------------------------------------------------- */

static double requests_counted(void)
{
    return soak_metric_sum(soak.scene, "emojify_requests_total", "route=\"cache\"") +
           soak_metric_sum(soak.scene, "emojify_requests_total", "route=\"emojify\"");
}

/* The elder, and the two services: from now on none of them is ended. */
static void choose_watched(void)
{
    pid_t elder;
    assert_int_equal(upheaval_siblings(stack_pid(&soak.scene->stack, "web"), &elder, 1), 1);
    soak.watched[0] =
        (struct watched){.name = "emojify-api", .pid = elder, .slack = SLACK + API_WORKERS};
}

static void watch_services(void)
{
    static const char *const names[] = {"cache", "facebox"};
    for (size_t i = 0; i < 2; i++) {
        soak.watched[1 + i].name = i == 0 ? "emojify-cache" : "emojify-facebox";
        soak.watched[1 + i].slack = i == 0 ? SLACK : SLACK + SOAK_SIBLINGS * API_WORKERS;
        soak.watched[1 + i].pid = stack_pid(&soak.scene->stack, names[i]);
        assert_true(soak.watched[1 + i].pid > 0);
    }
    /* In a quiet moment, for connections that are in use say nothing. */
    checked_load_pause(soak.load);
    sleep_ms(SETTLE_MS);
    for (size_t i = 0; i < WATCHED; i++)
        soak.watched[i].descriptors = soak_descriptors(soak.watched[i].pid);
    checked_load_resume(soak.load);
}

static void sample(int percent)
{
    for (size_t i = 0; i < WATCHED; i++) {
        struct watched *watched = &soak.watched[i];
        long kb = watched->pid ? soak_rss_kb(watched->pid) : -1;
        if (kb > 0 && percent >= EARLY_FROM && percent < EARLY_UNTIL &&
            watched->early_count < SAMPLES_MAX)
            watched->early[watched->early_count++] = kb;
        if (kb > 0 && percent >= LATE_FROM && watched->late_count < SAMPLES_MAX)
            watched->late[watched->late_count++] = kb;
    }
}

static int by_size(const void *a, const void *b)
{
    long left = *(const long *)a, right = *(const long *)b;
    return (left > right) - (left < right);
}

static long median(long *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_size);
    return count ? values[count / 2] : 0;
}

/* --- The run ------------------------------------------------------------------------------ */

static enum soak_phase phase_at(int percent)
{
    return percent < ELDER_FROM    ? SOAK_EVERYTHING
           : percent < STEADY_FROM ? SOAK_ELDER
                                   : SOAK_STEADY;
}

/* Memory is read after each fault, when all is well again. */
static void upset(void)
{
    int64_t begun_ns = clock_now_ns();
    int64_t all_ns = soak.seconds * NS_PER_S;
    int64_t said_ns = begun_ns;
    enum soak_phase phase = SOAK_EVERYTHING;
    for (int64_t now_ns; (now_ns = clock_now_ns()) - begun_ns < all_ns;) {
        int percent = (int)((now_ns - begun_ns) * 100 / all_ns);
        if (phase_at(percent) != phase) {
            phase = phase_at(percent);
            if (phase == SOAK_ELDER)
                choose_watched();
            if (phase == SOAK_STEADY)
                watch_services();
        }
        soak_faults_one(soak.faults, phase, soak.watched[0].pid);
        sample(percent);
        if (clock_now_ns() - said_ns > 30 * NS_PER_S) {
            size_t count;
            said_ns = clock_now_ns();
            (void)soak_faults_windows(soak.faults, &count);
            printf("%3d %%: %zu faults so far\n", percent, count);
            (void)fflush(stdout);
        }
    }
}

static void everything_goes_wrong_for_a_while(void **state)
{
    const char *text = getenv("SOAK_SEED");
    unsigned seed = text && *text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)time(NULL);
    (void)state;
    text = getenv("SOAK_SECONDS");
    soak.seconds = text && *text ? (int)strtol(text, NULL, 10) : 600;
    printf("soak: %d s, SOAK_SEED=%u\n", soak.seconds, seed);
    (void)fflush(stdout);
    soak.load = checked_load_start(
        soak.scene, &(struct checked_load_options){
                        .getters = GETTERS, .posters = POSTERS, .pause_ms = PAUSE_MS});
    soak.faults = soak_faults_new(soak.scene, soak.load, seed);
    struct soak_watch *watch = soak_watch_start(soak.scene);
    upset();
    checked_load_stop(&soak.load, &soak.result);
    soak_watch_stop(&watch, &soak.watched_result);
    sleep_ms(SETTLE_MS);
    soak_faults_report(soak.faults);
    assert_true(soak.result.good_gets > 0 && soak.result.good_posts > 0);
}

/* --- What must hold ---------------------------------------------------------------------- */

static void no_answer_is_wrong(void **state)
{
    (void)state;
    upheaval_assert_right(&soak.result);
}

static void requests_fail_only_between_a_fault_and_its_end(void **state)
{
    size_t count;
    const struct upheaval_window *windows = soak_faults_windows(soak.faults, &count);
    const struct checked_load_result profiles = {.failures = soak.watched_result.failures,
                                                 .failure_count =
                                                     soak.watched_result.failure_count};
    (void)state;
    printf("%u profiles, %zu failed\n", soak.watched_result.profiles, profiles.failure_count);
    const struct checked_failure *outside = upheaval_outside(&soak.result, windows, count);
    if (!outside)
        outside = upheaval_outside(&profiles, windows, count);
    if (outside)
        fail_msg("%s: %d after %lld ms while all was well: %s", outside->id, outside->status,
                 (long long)((outside->ended_ns - outside->begun_ns) / NS_PER_MS), outside->words);
}

static void memory_is_flat(void **state)
{
    bool flat = true;
    (void)state;
    for (size_t i = 0; i < WATCHED; i++) {
        struct watched *watched = &soak.watched[i];
        long early = median(watched->early, watched->early_count);
        long late = median(watched->late, watched->late_count);
        assert_true(early > 0 && late > 0);
        printf("%s: %ld kB then %ld kB: %+.1f %%\n", watched->name, early, late,
               (double)(late - early) * 100 / (double)early);
        flat = flat && late * 100 <= early * (100 + RSS_GROWTH);
    }
    assert_true(flat);
}

static void no_descriptor_is_leaked(void **state)
{
    bool kept = true;
    (void)state;
    for (size_t i = 0; i < WATCHED; i++) {
        const struct watched *watched = &soak.watched[i];
        int now = soak_descriptors(watched->pid);
        printf("%s: %d descriptors then %d\n", watched->name, watched->descriptors, now);
        kept = kept && now > 0 && now <= watched->descriptors + watched->slack;
    }
    assert_true(kept);
}

static void no_counter_ever_fell(void **state)
{
    (void)state;
    printf("%u scrapes\n", soak.watched_result.scrapes);
    assert_true(soak.watched_result.scrapes > 0);
    if (soak.watched_result.fallen[0])
        fail_msg("%s", soak.watched_result.fallen);
}

/*
 * What clients were answered by the application was counted, but for what was in the hands of a
 * process that ended; and nothing was counted that nobody asked.
 */
static void counters_agree_with_the_clients(void **state)
{
    const struct checked_load_result *result = &soak.result;
    double slack = (double)soak_faults_ended(soak.faults) * (GETTERS + POSTERS + 1);
    double counted = requests_counted() - CHECKED_LOAD_LEARNS;
    double timed =
        soak_metric_sum(soak.scene, "emojify_request_duration_seconds_count", "route=\"cache\"") +
        soak_metric_sum(soak.scene, "emojify_request_duration_seconds_count", "route=\"emojify\"") -
        CHECKED_LOAD_LEARNS;
    (void)state;
    printf("%u requests sent, %u answered by the application, %.0f counted, %.0f timed\n",
           result->gets + result->posts, result->by_application, counted, timed);
    assert_true(counted <= result->gets + result->posts);
    assert_true(counted >= result->by_application - slack);
    assert_true(timed <= counted + slack && timed >= counted - slack);
}

static void nothing_is_left_in_hand(void **state)
{
    (void)state;
    scene_wait_metric(soak.scene, "emojify_requests_in_flight", 1); /* the scrape itself */
    scene_wait_metric(soak.scene, "emojify_queue_length", 0);
    scene_wait_metric(soak.scene, "emojify_jobs_running", 0);
    scene_wait_metric(soak.scene, "emojify_pool_processes", SOAK_SIBLINGS);
    assert_true(soak_metric_sum(soak.scene, "emojify_breaker_open", NULL) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_goes_wrong_for_a_while),
        cmocka_unit_test(no_answer_is_wrong),
        cmocka_unit_test(requests_fail_only_between_a_fault_and_its_end),
        cmocka_unit_test(memory_is_flat),
        cmocka_unit_test(no_descriptor_is_leaked),
        cmocka_unit_test(no_counter_ever_fell),
        cmocka_unit_test(counters_agree_with_the_clients),
        cmocka_unit_test(nothing_is_left_in_hand),
    };
    return cmocka_run_group_tests_name("soak", tests, start, stop);
}
