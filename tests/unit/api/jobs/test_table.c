/* SPDX-License-Identifier: MIT */
/* The table that siblings share: nobody's death and no bad directory may stop the others. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/jobs/job.h"
#include "api/jobs/table_private.h"
#include "api/jobs/turn.h"
#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/sibling.h"
#include "support/temp_dir.h"

struct fixture {
    struct temp_dir dir;
    char path[PATH_MAX]; /* of the table's directory */
    struct table *table;
    int log_fd;
    struct log_sink sink;
    struct log log;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof(fixture));
    temp_dir_init(&fixture.dir);
    temp_dir_path(&fixture.dir, "run", fixture.path);
    fixture.log_fd = memfd_create("log", MFD_CLOEXEC);
    fixture.sink = (struct log_sink){.fd = fixture.log_fd, .level = LOG_WARN};
    fixture.log = (struct log){.sink = &fixture.sink, .module = "test"};
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    table_free(&fixture->table);
    (void)close(fixture->log_fd);
    temp_dir_release(&fixture->dir);
    return 0;
}

static void open_table(struct fixture *fixture, const char *directory)
{
    const struct table_options options = {
        .directory = directory, .workers = 16, .log = &fixture->log};
    assert_int_equal(table_new(&options, &fixture->table), APP_OK);
}

/* How often the log has that text. */
static unsigned times_logged(const struct fixture *fixture, const char *text)
{
    char log[4096];
    unsigned times = 0;
    ssize_t len = pread(fixture->log_fd, log, sizeof(log) - 1, 0);
    assert_true(len >= 0);
    log[len] = '\0';
    for (const char *at = log; (at = strstr(at, text)); at++)
        times++;
    return times;
}

static int64_t ms_since(int64_t start_ns)
{
    return (clock_now_ns() - start_ns) / NS_PER_MS;
}

static void hold_lock(struct table *table)
{
    (void)table_lock(table);
}

static void do_nothing(struct table *table)
{
    (void)table;
}

/* --- The lock -------------------------------------------------------------------- */

/* Each hold is shorter than what counts as stuck, all together are longer. */
enum { HOLDS = 5, HOLD_MS = 400 };

static void a_lock_whose_holder_was_killed_is_taken_over_at_once(void **state)
{
    struct fixture *fixture = *state;
    open_table(fixture, fixture->path);
    for (int i = 0; i < 3; i++) {
        pid_t sibling = sibling_start(fixture->path, fixture->table, hold_lock);
        sibling_kill(sibling);
        int64_t start_ns = clock_now_ns();
        struct table_memory *memory = table_lock(fixture->table);
        table_unlock(memory);
        assert_in_range(ms_since(start_ns), 0, 500);
        assert_true(table_is_shared(fixture->table));
    }
    assert_int_equal(times_logged(fixture, "WARN"), 0);
}

static void a_holder_that_hangs_leaves_us_a_table_of_our_own_and_one_warning(void **state)
{
    struct fixture *fixture = *state;
    open_table(fixture, fixture->path);
    pid_t sibling = sibling_start(fixture->path, fixture->table, hold_lock);
    int64_t start_ns = clock_now_ns();
    for (int i = 0; i < 3; i++)
        table_unlock(table_lock(fixture->table));
    assert_in_range(ms_since(start_ns), 500, 5000);
    assert_false(table_is_shared(fixture->table));
    assert_int_equal(times_logged(fixture, "of this process only"), 1);
    sibling_kill(sibling);
}

/* Whoever lets go and locks at once has the lock again before those who waited are awake. */
static void *hog_lock(void *table)
{
    for (int i = 0; i < HOLDS; i++) {
        struct table_memory *memory = table_lock(table);
        sleep_ms(HOLD_MS);
        table_unlock(memory);
    }
    return NULL;
}

static void start_hog(struct table *table)
{
    static pthread_t thread;
    uint32_t holders = atomic_load(&table->memory)->holders;
    assert_int_equal(pthread_create(&thread, NULL, hog_lock, table), 0);
    while (atomic_load(&atomic_load(&table->memory)->holders) == holders)
        sleep_ms(1);
}

static void a_lock_that_changes_hands_is_waited_for_longer_than_one_that_is_stuck(void **state)
{
    struct fixture *fixture = *state;
    open_table(fixture, fixture->path);
    pid_t sibling = sibling_start(fixture->path, fixture->table, start_hog);
    table_unlock(table_lock(fixture->table));
    assert_true(table_is_shared(fixture->table));
    assert_int_equal(times_logged(fixture, "WARN"), 0);
    sibling_kill(sibling);
}

static void a_new_process_does_not_wait_for_a_holder_that_hangs(void **state)
{
    struct fixture *fixture = *state;
    pid_t sibling = sibling_start(fixture->path, NULL, hold_lock);
    open_table(fixture, fixture->path);
    assert_false(table_is_shared(fixture->table));
    assert_int_equal(times_logged(fixture, "of this process only"), 1);
    sibling_kill(sibling);
}

/* --- Owners ---------------------------------------------------------------------- */

static void the_workers_of_living_processes_are_counted(void **state)
{
    struct fixture *fixture = *state;
    open_table(fixture, fixture->path);
    pid_t one = sibling_start(fixture->path, fixture->table, do_nothing);
    pid_t other = sibling_start(fixture->path, fixture->table, do_nothing);
    struct table_memory *memory = table_lock(fixture->table);
    assert_int_equal(table_workers(fixture->table, memory), 48);
    table_unlock(memory);
    sibling_kill(one);
    memory = table_lock(fixture->table);
    assert_int_equal(table_workers(fixture->table, memory), 32);
    table_unlock(memory);
    sibling_kill(other);
}

static const char job_key[] = "0123456789abcdef0123456789abcdef";

static void begin_job(struct table *table)
{
    struct job job;
    struct job_view view;
    assert_int_equal(job_add(table, job_key, &job, &view, NULL), APP_OK);
    job_step(&job, PIPELINE_DETECT);
}

static void a_process_in_the_slot_of_a_dead_one_is_not_taken_for_it(void **state)
{
    struct fixture *fixture = *state;
    struct job_view view;
    sibling_kill(sibling_start(fixture->path, NULL, begin_job));
    open_table(fixture, fixture->path); /* has the slot now */
    job_read(fixture->table, job_key, &view);
    assert_int_equal(view.status, JOB_FAILED);
    assert_string_equal(view.error, "the process that did it has ended");
}

/* --- Chaos ----------------------------------------------------------------------- */

enum { WORKING = 3, DEATHS = 100, MIN_MS = 3 };

static void work_once(struct table *table)
{
    const struct turn_call taking = {
        .kind = TURN_REQUEST, .running = 2, .waiting = 8, .deadline_ns = deadline_in_ms(20000)};
    const struct flight_call flying = {.kind = FLIGHT_PIPELINE,
                                       .key = job_key,
                                       .since_ns = INT64_MAX,
                                       .deadline_ns = taking.deadline_ns};
    const struct flight_outcome success = {.payload = "x"};
    struct flight_outcome outcome;
    struct flight flight;
    struct turn turn = {.memory = NULL};
    struct job job;
    struct job_view view;
    if (flight_begin(table, &flying, &flight, &outcome) == FLIGHT_OWNER) {
        if (turn_take(table, &taking, &turn, NULL) == APP_OK &&
            job_add(table, job_key, &job, &view, NULL) == APP_OK) {
            job_step(&job, PIPELINE_DRAW);
            job_end(&job, APP_OK, NULL);
        }
        turn_end(&turn);
        flight_end(&flight, &success);
    }
}

static void *repeat_work(void *table)
{
    for (;;)
        work_once(table);
    return NULL;
}

/* Until it is killed; the process that started it goes on when the first round is done. */
static void work_for_ever(struct table *table)
{
    static pthread_t thread;
    work_once(table);
    assert_int_equal(pthread_create(&thread, NULL, repeat_work, table), 0);
}

static void whoever_is_killed_at_whatever_moment_the_others_go_on(void **state)
{
    struct fixture *fixture = *state;
    pid_t working[WORKING];
    open_table(fixture, fixture->path);
    for (size_t i = 0; i < WORKING; i++)
        working[i] = sibling_start(fixture->path, fixture->table, work_for_ever);
    for (size_t i = 0; i < DEATHS; i++) {
        sleep_ms(MIN_MS + (long)(i * 7 % 5)); /* some other moment each time */
        sibling_kill(working[i % WORKING]);
        int64_t start_ns = clock_now_ns();
        work_once(fixture->table);
        assert_in_range(ms_since(start_ns), 0, 5000);
        working[i % WORKING] = sibling_start(fixture->path, fixture->table, work_for_ever);
    }
    for (size_t i = 0; i < WORKING; i++)
        sibling_kill(working[i]);
    work_once(fixture->table);
    assert_true(table_is_shared(fixture->table));
    struct table_memory *memory = table_lock(fixture->table);
    table_sweep(fixture->table, memory);
    for (size_t i = 0; i < TABLE_TURNS; i++)
        assert_int_equal(memory->turns[i].state, TURN_FREE);
    for (size_t i = 0; i < TABLE_FLIGHTS; i++)
        assert_int_not_equal(memory->flights[i].state, FLIGHT_RUNNING);
    for (size_t i = 0; i < TABLE_JOBS; i++)
        assert_true(memory->jobs[i].status != JOB_QUEUED &&
                    memory->jobs[i].status != JOB_PROCESSING);
    table_unlock(memory);
    assert_int_equal(times_logged(fixture, "WARN"), 0);
}

/* --- Directories ----------------------------------------------------------------- */

static void assert_local(struct fixture *fixture, const char *directory, const char *reason)
{
    open_table(fixture, directory);
    assert_false(table_is_shared(fixture->table));
    assert_int_equal(times_logged(fixture, reason), 1);
    assert_int_equal(times_logged(fixture, "WARN"), 1);
    struct table_memory *memory = table_lock(fixture->table);
    assert_int_equal(table_workers(fixture->table, memory), 16);
    table_unlock(memory);
}

static void a_directory_that_cannot_be_made_leaves_a_table_of_our_own(void **state)
{
    assert_local(*state, "/proc/self/nothing", "cannot be made");
}

static void a_directory_that_others_can_write_to_is_not_used(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    assert_int_equal(chmod(fixture->path, 0777), 0);
    assert_local(fixture, fixture->path, "others can write");
}

static void a_directory_that_is_deleted_under_us_stops_nobody(void **state)
{
    struct fixture *fixture = *state;
    char command[PATH_MAX + 16];
    open_table(fixture, fixture->path);
    (void)snprintf(command, sizeof(command), "rm -rf %s", fixture->path);
    assert_int_equal(system(command), 0);
    begin_job(fixture->table);
    struct job_view view;
    job_read(fixture->table, job_key, &view);
    assert_int_equal(view.status, JOB_PROCESSING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lock_whose_holder_was_killed_is_taken_over_at_once),
        TEST(a_holder_that_hangs_leaves_us_a_table_of_our_own_and_one_warning),
        TEST(a_lock_that_changes_hands_is_waited_for_longer_than_one_that_is_stuck),
        TEST(a_new_process_does_not_wait_for_a_holder_that_hangs),
        TEST(the_workers_of_living_processes_are_counted),
        TEST(a_process_in_the_slot_of_a_dead_one_is_not_taken_for_it),
        TEST(whoever_is_killed_at_whatever_moment_the_others_go_on),
        TEST(a_directory_that_cannot_be_made_leaves_a_table_of_our_own),
        TEST(a_directory_that_others_can_write_to_is_not_used),
        TEST(a_directory_that_is_deleted_under_us_stops_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
