/* SPDX-License-Identifier: MIT */
/* From a URL or a picture to what is stored, and where it stops when a step fails. */
#include "api/jobs/pipeline.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/picture/picture.h"
#include "support/cmocka.h"
#include "support/rig.h"

#define KEY "0123456789abcdef0123456789abcdef"

enum { GRPC_FAILED_PRECONDITION = 9, GRPC_UNAVAILABLE = 14 };

struct fixture {
    struct rig *rig;
    struct rig_thread thread;
    char steps[128]; /* their names as they were told, with a blank behind each */
};

static void note_step(void *context, enum pipeline_step step)
{
    struct fixture *fixture = context;
    size_t len = strlen(fixture->steps);
    (void)snprintf(fixture->steps + len, sizeof(fixture->steps) - len, "%s ",
                   pipeline_step_name(step));
}

static int set_up(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof(fixture));
    fixture.rig = rig_new();
    rig_thread_init(fixture.rig, &fixture.thread);
    fixture.thread.pipeline.progress = note_step;
    fixture.thread.pipeline.progress_context = &fixture;
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    rig_thread_release(&fixture->thread);
    rig_free(&fixture->rig);
    return 0;
}

static enum app_err run_url(struct fixture *fixture, const char *path,
                            struct pipeline_result *result)
{
    struct rig_url url = rig_url(fixture->rig, path);
    struct pipeline_source source = {.key = KEY, .url = url.text};
    struct buf fetched;
    buf_init(&fetched, LIMIT_PICTURE_BYTES);
    enum app_err err = pipeline_fetch(&fixture->thread.pipeline, &source, &fetched);
    if (!err)
        err = pipeline_run(&fixture->thread.pipeline, &source, result);
    buf_release(&fetched);
    return err;
}

static void assert_fails(struct fixture *fixture, const char *path, enum app_err err,
                         const char *text, const char *steps)
{
    struct pipeline_result result;
    assert_int_equal(run_url(fixture, path, &result), err);
    if (text)
        assert_string_equal(fixture->thread.why.text, text);
    assert_string_equal(fixture->steps, steps);
}

static void the_picture_of_a_url_is_stored_under_its_key(void **state)
{
    struct fixture *fixture = *state;
    static char stored[LIMIT_RESULT_BYTES];
    struct pipeline_result result;
    assert_int_equal(run_url(fixture, "/a.jpg", &result), APP_OK);
    assert_int_equal(result.faces, 0);
    assert_int_equal(result.width, RIG_WIDTH);
    assert_int_equal(result.height, RIG_HEIGHT);
    assert_string_equal(result.content_type, "image/jpeg");
    assert_string_equal(fixture->steps, "fetch detect draw store ");
    assert_int_equal(fake_cache_calls(fixture->rig->cache, "Put"), 2);
    size_t len = fake_cache_request(fixture->rig->cache, stored, sizeof(stored));
    assert_non_null(memmem(stored, len, KEY, strlen(KEY)));
    assert_non_null(memmem(stored, len, "\xff\xd8\xff", 3));
    char id[16];
    origin_last_header(fixture->rig->origin, "/facebox/check", "X-Request-Id", id, sizeof(id));
    assert_string_equal(id, "test");
}

static void what_was_taken_down_is_not_even_fetched(void **state)
{
    struct fixture *fixture = *state;
    const struct fake_cache_answer gone = {.status = GRPC_FAILED_PRECONDITION};
    fake_cache_script(fixture->rig->cache, "Exists", &gone, 1);
    assert_fails(fixture, "/a.jpg", APP_GONE, "this picture was taken down", "fetch ");
    assert_int_equal(origin_requests(fixture->rig->origin, NULL), 0);
}

/* The first question is about the URL, the second one about the bytes. */
static void bytes_that_were_taken_down_are_not_shown_to_the_face_detection(void **state)
{
    struct fixture *fixture = *state;
    const struct fake_cache_answer answers[] = {{.ending = FAKE_CACHE_ECHO},
                                                {.status = GRPC_FAILED_PRECONDITION}};
    fake_cache_script(fixture->rig->cache, "Exists", answers, 2);
    assert_fails(fixture, "/a.jpg", APP_GONE, "this picture was taken down", "fetch ");
    assert_int_equal(origin_requests(fixture->rig->origin, "/facebox/check"), 0);
}

static void bytes_that_are_given_are_not_fetched(void **state)
{
    struct fixture *fixture = *state;
    struct pipeline_result result;
    const struct pipeline_source source = {
        .key = KEY, .bytes = fixture->rig->picture.data, .len = fixture->rig->picture.len};
    assert_int_equal(pipeline_run(&fixture->thread.pipeline, &source, &result), APP_OK);
    assert_string_equal(fixture->steps, "detect draw store ");
    assert_int_equal(origin_requests(fixture->rig->origin, NULL), 1); /* FaceBox's */
}

static void a_url_that_is_not_there_ends_it_before_anybody_is_asked(void **state)
{
    struct fixture *fixture = *state;
    assert_fails(fixture, "/nothing", APP_FETCH_FAILED, NULL, "fetch ");
    assert_non_null(strstr(fixture->thread.why.text, "404"));
    assert_int_equal(origin_requests(fixture->rig->origin, "/facebox/check"), 0);
}

static void what_is_no_picture_is_not_shown_to_the_face_detection(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->rig->origin, "/text", "200 OK", "Content-Type: image/jpeg\r\n", "text");
    assert_fails(fixture, "/text", APP_NOT_A_PICTURE, NULL, "fetch detect ");
    assert_int_equal(origin_requests(fixture->rig->origin, "/facebox/check"), 0);
}

static void a_face_detection_that_fails_is_named(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->rig->origin, "/facebox/check", "500 No", "", "its own words");
    assert_fails(fixture, "/a.jpg", APP_UPSTREAM_FAILED, "the face detection failed",
                 "fetch detect ");
    assert_int_equal(fake_cache_calls(fixture->rig->cache, "Put"), 0);
}

static void a_cache_that_does_not_store_is_named(void **state)
{
    struct fixture *fixture = *state;
    const struct fake_cache_answer down = {.status = GRPC_UNAVAILABLE, .words = "down"};
    fake_cache_script(fixture->rig->cache, "Put", &down, 1);
    assert_fails(fixture, "/a.jpg", APP_UPSTREAM_FAILED, "the cache failed",
                 "fetch detect draw store ");
}

static void the_deadline_ends_the_step_that_is_under_way(void **state)
{
    struct fixture *fixture = *state;
    rig_delay_faces(fixture->rig, RIG_PATIENCE_MS);
    fixture->thread.pipeline.deadline_ns = deadline_in_ms(500);
    int64_t start_ns = clock_now_ns();
    assert_fails(fixture, "/a.jpg", APP_UPSTREAM_TIMEOUT,
                 "the face detection did not answer in time", "fetch detect ");
    assert_in_range(clock_now_ns() - start_ns, 0, 10 * NS_PER_S);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_picture_of_a_url_is_stored_under_its_key),
        TEST(what_was_taken_down_is_not_even_fetched),
        TEST(bytes_that_were_taken_down_are_not_shown_to_the_face_detection),
        TEST(bytes_that_are_given_are_not_fetched),
        TEST(a_url_that_is_not_there_ends_it_before_anybody_is_asked),
        TEST(what_is_no_picture_is_not_shown_to_the_face_detection),
        TEST(a_face_detection_that_fails_is_named),
        TEST(a_cache_that_does_not_store_is_named),
        TEST(the_deadline_ends_the_step_that_is_under_way),
    };
    return cmocka_run_group_tests(tests, rig_start_library, rig_stop_library);
}
