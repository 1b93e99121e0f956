/* SPDX-License-Identifier: MIT */
#include "profiling/place.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/temp_dir.h"

static struct log_sink sink = {.fd = 2, .level = LOG_OFF};
static const struct log quiet = {.sink = &sink, .module = "test"};

struct fixture {
    struct temp_dir dir;
    char run_dir[PATH_MAX];
    struct pool *pool;
};

static struct pool *join_pool(const char *run_dir)
{
    const struct pool_options options = {.run_dir = run_dir, .log = &quiet};
    struct err_buf why = {.text = ""};
    struct pool *pool = NULL;
    assert_int_equal(pool_new(&options, &pool, &why), APP_OK);
    return pool;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    temp_dir_init(&fixture->dir);
    temp_dir_path(&fixture->dir, "run", fixture->run_dir);
    fixture->pool = join_pool(fixture->run_dir);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pool_free(&fixture->pool);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

static struct place take(const struct fixture *fixture, int64_t deadline_ns)
{
    struct place place;
    struct err_buf why = {.text = ""};
    memset(&place, 'x', sizeof(place));
    if (place_take(fixture->pool, deadline_ns, &place, &why))
        fail_msg("place_take: %s", why.text);
    assert_true(place.fd >= 0);
    return place;
}

static void assert_full(const struct fixture *fixture)
{
    struct place place;
    struct err_buf why = {.text = ""};
    memset(&place, 'x', sizeof(place));
    assert_int_equal(place_take(fixture->pool, INT64_MAX, &place, &why), APP_BUSY);
    assert_string_equal(why.text, "4 profiles are being taken already");
    place_leave(&place);
}

static void there_are_so_many_and_each_that_is_left_can_be_taken(void **state)
{
    const struct fixture *fixture = *state;
    struct place places[PLACE_MAX];
    for (size_t i = 0; i < PLACE_MAX; i++)
        places[i] = take(fixture, INT64_MAX);
    assert_full(fixture);
    for (size_t i = 0; i < PLACE_MAX; i++) {
        place_leave(&places[i]);
        place_leave(&places[i]);
        places[i] = take(fixture, INT64_MAX);
        assert_full(fixture);
    }
    for (size_t i = 0; i < PLACE_MAX; i++)
        place_leave(&places[i]);
}

/* A sibling that holds two places; returns when it does. */
static pid_t start_sibling(const struct fixture *fixture, int64_t deadline_ns)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct place places[2];
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        struct pool *pool = join_pool(fixture->run_dir);
        if (place_take(pool, deadline_ns, &places[0], NULL) == APP_OK &&
            place_take(pool, deadline_ns, &places[1], NULL) == APP_OK &&
            write(ready[1], "x", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void kill_sibling(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void another_processes_places_count_until_it_is_killed(void **state)
{
    const struct fixture *fixture = *state;
    struct place places[PLACE_MAX];
    pid_t sibling = start_sibling(fixture, INT64_MAX / 2);
    for (size_t i = 0; i < PLACE_MAX - 2; i++)
        places[i] = take(fixture, INT64_MAX / 2);
    assert_full(fixture);
    kill_sibling(sibling);
    for (size_t i = PLACE_MAX - 2; i < PLACE_MAX; i++)
        places[i] = take(fixture, INT64_MAX / 2);
    assert_full(fixture);
    for (size_t i = 0; i < PLACE_MAX; i++)
        place_leave(&places[i]);
}

static void a_place_that_is_long_overdue_counts_no_longer(void **state)
{
    const struct fixture *fixture = *state;
    struct place places[PLACE_MAX];
    pid_t sibling = start_sibling(fixture, deadline_in_ms(-PLACE_OVERDUE_MS));
    for (size_t i = 0; i < PLACE_MAX; i++)
        places[i] = take(fixture, deadline_in_ms(-PLACE_OVERDUE_MS + 2000));
    assert_full(fixture);
    kill_sibling(sibling);
    for (size_t i = 0; i < PLACE_MAX; i++)
        place_leave(&places[i]);
}

static void a_process_alone_always_has_a_place(void **state)
{
    struct fixture *fixture = *state;
    struct place places[PLACE_MAX + 1];
    pool_free(&fixture->pool);
    fixture->pool = join_pool("/proc/no-such");
    for (size_t i = 0; i <= PLACE_MAX; i++)
        assert_int_equal(place_take(fixture->pool, INT64_MAX, &places[i], NULL), APP_OK);
    for (size_t i = 0; i <= PLACE_MAX; i++) {
        assert_int_equal(places[i].fd, -1);
        place_leave(&places[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(there_are_so_many_and_each_that_is_left_can_be_taken),
        TEST(another_processes_places_count_until_it_is_killed),
        TEST(a_place_that_is_long_overdue_counts_no_longer),
        TEST(a_process_alone_always_has_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
