/* SPDX-License-Identifier: MIT */
/* The states of jobs, as one process writes them and another reads them. */
#include "api/jobs/job.h"

#include <stdio.h>
#include <string.h>

#include "api/jobs/table_private.h"
#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/sibling.h"

static struct job add(struct table *table, const char *key, struct job_view *view)
{
    struct job job;
    assert_int_equal(job_add(table, key, &job, view, NULL), APP_OK);
    assert_ptr_equal(job.table, table);
    assert_int_equal(view->status, JOB_QUEUED);
    return job;
}

static struct job_view read_view(struct table *table, const char *key)
{
    struct job_view view;
    memset(&view, 0xff, sizeof(view));
    job_read(table, key, &view);
    return view;
}

static void a_job_goes_from_queued_over_its_steps_to_finished(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct job_view view;
    assert_int_equal(read_view(fixture->table, "a").status, JOB_UNKNOWN);
    struct job job = add(fixture->table, "a", &view);
    assert_int_equal(view.length, 1);
    assert_int_equal(view.position, 1);
    for (enum pipeline_step step = PIPELINE_FETCH; step < PIPELINE_STEP__MAX; step++) {
        job_step(&job, step);
        view = read_view(fixture->table, "a");
        assert_int_equal(view.status, JOB_PROCESSING);
        assert_int_equal(view.step, step);
        assert_int_equal(view.length, 0);
        assert_int_equal(view.position, 0);
    }
    assert_int_equal(read_view(fixture->table, "a").faces, -1);
    job_note_faces(&job, 3);
    job_end(&job, APP_OK, NULL);
    view = read_view(fixture->table, "a");
    assert_int_equal(view.status, JOB_FINISHED);
    assert_int_equal(view.faces, 3);
    assert_int_equal(view.err, APP_OK);
    assert_string_equal(view.error, "");
    assert_string_equal(job_status_name(view.status), "FINISHED");
}

static void a_failure_is_told_in_the_words_for_the_client(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct job_view view;
    struct job job = add(fixture->table, "a", &view);
    job_end(&job, APP_FETCH_FAILED, "the server answered 404");
    view = read_view(fixture->table, "a");
    assert_int_equal(view.status, JOB_FAILED);
    assert_string_equal(view.error, "the server answered 404");
    assert_int_equal(view.err, APP_FETCH_FAILED);
    assert_int_equal(view.faces, -1);
    job = add(fixture->table, "a", &view);
    assert_string_equal(view.error, "");
    job_end(&job, APP_NO_MEMORY, "");
    assert_string_equal(read_view(fixture->table, "a").error, app_strerror(APP_NO_MEMORY));
}

static void the_position_is_that_among_the_queued(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct job_view view;
    struct job jobs[3];
    const char *const keys[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) {
        jobs[i] = add(fixture->table, keys[i], &view);
        assert_int_equal(view.position, i + 1);
        assert_int_equal(view.length, i + 1);
    }
    job_step(&jobs[0], PIPELINE_FETCH);
    assert_int_equal(read_view(fixture->table, "c").position, 2);
    job_end(&jobs[1], APP_INTERNAL, NULL);
    view = read_view(fixture->table, "c");
    assert_int_equal(view.position, 1);
    assert_int_equal(view.length, 1);
}

static void a_picture_that_is_asked_for_again_is_the_same_job(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct job again;
    struct job_view view;
    struct job job = add(fixture->table, "a", &view);
    job_step(&job, PIPELINE_DRAW);
    assert_int_equal(job_add(fixture->table, "a", &again, &view, NULL), APP_OK);
    assert_null(again.table);
    assert_int_equal(view.status, JOB_PROCESSING);
    assert_int_equal(view.step, PIPELINE_DRAW);
    job_end(&again, APP_INTERNAL, "no effect");
    assert_int_equal(read_view(fixture->table, "a").status, JOB_PROCESSING);
}

static void a_picture_that_was_there_already_is_finished(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct job_view view;
    job_note_finished(fixture->table, "a", &view);
    assert_int_equal(view.status, JOB_FINISHED);
    assert_int_equal(view.faces, -1);
    assert_int_equal(read_view(fixture->table, "a").status, JOB_FINISHED);
}

static void the_queue_is_bounded(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    struct job_view view;
    struct job job;
    char key[16];
    for (size_t i = 0; i < LIMIT_JOBS_QUEUED; i++) {
        (void)snprintf(key, sizeof(key), "%zu", i);
        job = add(fixture->table, key, &view);
    }
    struct job other;
    assert_int_equal(job_add(fixture->table, "x", &other, &view, &why), APP_BUSY);
    assert_non_null(strstr(why.text, "in the queue already"));
    job_step(&job, PIPELINE_FETCH);
    (void)add(fixture->table, "x", &view);
}

static void the_oldest_that_ended_is_forgotten_when_room_is_needed(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct job_view view;
    char key[16];
    struct job alive = add(fixture->table, "alive", &view);
    for (size_t i = 0; i < TABLE_JOBS; i++) {
        (void)snprintf(key, sizeof(key), "%zu", i);
        struct job job = add(fixture->table, key, &view);
        job_end(&job, APP_OK, NULL);
    }
    assert_int_equal(read_view(fixture->table, "0").status, JOB_UNKNOWN);
    assert_int_equal(read_view(fixture->table, "1").status, JOB_FINISHED);
    assert_int_equal(read_view(fixture->table, "alive").status, JOB_QUEUED);
    job_end(&alive, APP_OK, NULL);
}

static void what_ended_long_ago_is_unknown(void **state)
{
    struct sibling_fixture *fixture = *state;
    struct job_view view;
    struct job job = add(fixture->table, "a", &view);
    job_end(&job, APP_OK, NULL);
    struct table_memory *memory = table_lock(fixture->table);
    memory->jobs[job.index].ended_ns -= (JOB_KEPT_MS + 1) * NS_PER_MS;
    table_unlock(memory);
    assert_int_equal(read_view(fixture->table, "a").status, JOB_UNKNOWN);
}

/* --- Siblings -------------------------------------------------------------------- */

static void add_jobs(struct table *table)
{
    struct job_view view;
    struct job ended = add(table, "ended", &view);
    struct job running = add(table, "running", &view);
    (void)add(table, "queued", &view);
    job_step(&running, PIPELINE_DETECT);
    job_end(&ended, APP_OK, NULL);
}

static void jobs_of_another_process_are_seen_and_fail_when_it_is_killed(void **state)
{
    struct sibling_fixture *fixture = *state;
    pid_t sibling = sibling_start(fixture->dir.path, fixture->table, add_jobs);
    assert_int_equal(read_view(fixture->table, "queued").status, JOB_QUEUED);
    assert_int_equal(read_view(fixture->table, "running").step, PIPELINE_DETECT);
    sibling_kill(sibling);
    assert_int_equal(read_view(fixture->table, "ended").status, JOB_FINISHED);
    const char *const keys[] = {"queued", "running"};
    for (size_t i = 0; i < 2; i++) {
        struct job_view view = read_view(fixture->table, keys[i]);
        assert_int_equal(view.status, JOB_FAILED);
        assert_string_equal(view.error, "the process that did it has ended");
        assert_int_equal(view.length, 0);
    }
    struct job_view view;
    (void)add(fixture->table, "running", &view);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sibling_set_up, sibling_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_job_goes_from_queued_over_its_steps_to_finished),
        TEST(a_failure_is_told_in_the_words_for_the_client),
        TEST(the_position_is_that_among_the_queued),
        TEST(a_picture_that_is_asked_for_again_is_the_same_job),
        TEST(a_picture_that_was_there_already_is_finished),
        TEST(the_queue_is_bounded),
        TEST(the_oldest_that_ended_is_forgotten_when_room_is_needed),
        TEST(what_ended_long_ago_is_unknown),
        TEST(jobs_of_another_process_are_seen_and_fail_when_it_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
