/* SPDX-License-Identifier: MIT */
/* Marks and records of sources, against a cache that answers as it is told to. */
#include "api/clients/takedown.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/wire/cache_item.h"
#include "support/cmocka.h"
#include "support/rig.h"

#define KEY   "0123456789abcdef0123456789abcdef"
#define BYTES "fedcba9876543210fedcba9876543210"

enum { GRPC_FAILED_PRECONDITION = 9 };

struct fixture {
    struct rig *rig;
    struct rig_thread thread;
    struct cache_call call;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture.rig = rig_new();
    rig_thread_init(fixture.rig, &fixture.thread);
    fixture.call = (struct cache_call){.deadline_ns = deadline_in_ms(RIG_PATIENCE_MS),
                                       .timeout_ms = RIG_PATIENCE_MS};
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

static void script(struct fixture *fixture, const char *method, int status, const void *message,
                   size_t len)
{
    const struct fake_cache_answer answer = {.status = status, .message = message, .len = len};
    fake_cache_script(fixture->rig->cache, method, &answer, 1);
}

static enum app_err check(struct fixture *fixture, const char *mark)
{
    return takedown_check(fixture->thread.worker.cache, &fixture->call, mark, &fixture->thread.why);
}

static void spellings_of_a_url_have_one_mark_and_others_another(void **state)
{
    (void)state;
    char one[TAKEDOWN_URL_MARK_LEN + 1], same[TAKEDOWN_URL_MARK_LEN + 1];
    char other[TAKEDOWN_URL_MARK_LEN + 1];
    assert_int_equal(takedown_mark_of_url("http://h.example/a", one), APP_OK);
    assert_int_equal(takedown_mark_of_url("http://H.example:080/%61?", same), APP_OK);
    assert_int_equal(takedown_mark_of_url("http://h.example/b", other), APP_OK);
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), TAKEDOWN_URL_MARK_LEN);
    assert_memory_equal(one, "url:", 4); /* which no client can ask for */
}

static void a_mark_is_seen_and_none_is_none(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(check(fixture, "url:" KEY), APP_OK);
    script(fixture, "Exists", GRPC_FAILED_PRECONDITION, NULL, 0);
    assert_int_equal(check(fixture, "url:" KEY), APP_GONE);
    assert_string_equal(fixture->thread.why.text, "this picture was taken down");
    assert_int_equal(check(fixture, BYTES), APP_GONE);
}

/* The Go service's cache says that an empty entry exists. */
static void a_cache_without_marks_tells_those_of_urls_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    script(fixture, "Exists", 0, "\x08\x01", 2);
    assert_int_equal(check(fixture, "url:" KEY), APP_GONE);
    assert_int_equal(check(fixture, BYTES), APP_OK); /* where a result may be */
}

static void run_with(struct fixture *fixture, const char *record, struct takedown_marks *marks)
{
    char message[WIRE_CACHE_ITEM_HEAD_MAX + 256];
    static const char id[] = "source:" KEY;
    size_t len = wire_cache_item_head(id, strlen(id), strlen(record), message);
    memcpy(message + len, record, strlen(record));
    script(fixture, "Get", 0, message, len + strlen(record));
    assert_int_equal(takedown_run(fixture->thread.worker.cache, &fixture->call, KEY, marks,
                                  &fixture->thread.why),
                     APP_OK);
}

static void what_is_taken_down_is_the_key_and_what_the_record_names(void **state)
{
    struct fixture *fixture = *state;
    struct takedown_marks marks;
    char last[256];
    run_with(fixture, "url:" KEY "\n" BYTES "\n", &marks);
    assert_string_equal(marks.url, "url:" KEY);
    assert_string_equal(marks.bytes, BYTES);
    assert_int_equal(fake_cache_calls(fixture->rig->cache, "Put"), 3);
    size_t len = fake_cache_request(fixture->rig->cache, last, sizeof(last));
    assert_non_null(memmem(last, len, BYTES, strlen(BYTES)));
}

/* Others may write into the cache. */
static void a_record_that_is_none_is_not_believed(void **state)
{
    struct fixture *fixture = *state;
    static const char *const records[] = {
        "x",
        "url:" KEY "\n" BYTES "\n\n",
        "url:" KEY " " BYTES "\n",
        "URL:" KEY "\n" BYTES "\n",
        "url:0123456789abcdef0123456789abcdeF\n" BYTES "\n",
        "url:" KEY "\n"
        "fedcba9876543210fedcba98765432:0"
        "\n",
    };
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        struct takedown_marks marks;
        run_with(fixture, records[i], &marks);
        if (marks.url[0] || marks.bytes[0])
            fail_msg("%s", records[i]);
    }
}

static void what_is_noted_is_what_is_read(void **state)
{
    struct fixture *fixture = *state;
    const struct takedown_marks marks = {"url:" KEY, BYTES};
    char request[256];
    assert_int_equal(takedown_note(fixture->thread.worker.cache, &fixture->call, KEY, &marks,
                                   &fixture->thread.why),
                     APP_OK);
    size_t len = fake_cache_request(fixture->rig->cache, request, sizeof(request));
    static const char record[] = "url:" KEY "\n" BYTES "\n";
    assert_non_null(memmem(request, len, "source:" KEY, strlen("source:" KEY)));
    assert_non_null(memmem(request, len, record, strlen(record)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_of_a_url_have_one_mark_and_others_another),
        TEST(a_mark_is_seen_and_none_is_none),
        TEST(a_cache_without_marks_tells_those_of_urls_all_the_same),
        TEST(what_is_taken_down_is_the_key_and_what_the_record_names),
        TEST(a_record_that_is_none_is_not_believed),
        TEST(what_is_noted_is_what_is_read),
    };
    return cmocka_run_group_tests(tests, rig_start_library, rig_stop_library);
}
