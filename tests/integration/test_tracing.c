/* SPDX-License-Identifier: MIT */
/* run: web=all seconds=20 */
/*
 * One request through all programs: what each is sent, and that their logs can be
 * put together by its ids.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"
#include "support/fake_cache.h"
#include "support/process.h"
#include "support/scene.h"

#define TRACE_ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN_ID  "00f067aa0ba902b7"
#define PARENT   "traceparent: 00-" TRACE_ID "-" SPAN_ID "-01"

/* --- What the upstreams are sent ---------------------------------------------------- */

struct played {
    struct scene *scene;
    struct fake_cache *cache;
    struct origin *facebox;
};

static struct played played; /* cmocka wants it to outlive the set-up */

static int start_between_fakes(void **state)
{
    char cache[128];
    char facebox[128];
    void *scene = NULL;
    played.cache = fake_cache_start("127.0.0.1:0");
    played.facebox = origin_start();
    origin_answer(played.facebox, "/info", "200 OK", "", "{\"success\":true,\"version\":14}");
    origin_answer(played.facebox, "/facebox/check", "200 OK", "",
                  "{\"success\":true,\"facesCount\":0,\"faces\":[]}");
    (void)snprintf(cache, sizeof(cache), "CACHE_ADDRESS=%s", fake_cache_address(played.cache));
    (void)snprintf(facebox, sizeof(facebox), "FACEBOX=http://127.0.0.1:%d",
                   origin_port(played.facebox));
    if (scene_start(&scene, (const char *const[]){cache, facebox, NULL}) != 0)
        return -1;
    played.scene = scene;
    *state = &played;
    return 0;
}

static int stop_between_fakes(void **state)
{
    struct played *stopped = *state;
    void *scene = stopped->scene;
    int result = scene_stop(&scene);
    origin_stop(&stopped->facebox);
    fake_cache_stop(&stopped->cache);
    return result;
}

static void post_picture(const struct played *at, const char *path, const char *const *headers)
{
    struct http_reply reply;
    struct buf picture;
    scene_picture("camera.png", &picture);
    scene_serve(at->scene, path, "image/png", picture.data, picture.len);
    buf_release(&picture);
    scene_post(at->scene, scene_url(at->scene, path).text, headers, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

static void facebox_header(const struct played *at, const char *name, char *out, size_t size)
{
    origin_last_header(at->facebox, "/facebox/check", name, out, size);
}

/* A traceparent of the trace that goes on, with a span that is not the client's. */
static void assert_goes_on(const char *parent, const char *flags)
{
    assert_int_equal(strlen(parent), 55);
    assert_int_equal(strncmp(parent, "00-" TRACE_ID "-", 36), 0);
    assert_int_not_equal(strncmp(parent + 36, SPAN_ID, 16), 0);
    assert_string_equal(parent + 53, flags);
}

static void a_w3c_trace_goes_on_to_face_detection_and_cache(void **state)
{
    static const char *const headers[] = {PARENT, "tracestate: a=1,b=2", "X-Request-Id: id-1",
                                          NULL};
    const struct played *at = *state;
    char sent[200];
    char also[200];
    post_picture(at, "/w3c.png", headers);
    facebox_header(at, "traceparent", sent, sizeof(sent));
    assert_goes_on(sent, "01");
    fake_cache_metadata(at->cache, "traceparent", also, sizeof(also));
    assert_string_equal(also, sent); /* one span of ours for the whole request */
    facebox_header(at, "tracestate", sent, sizeof(sent));
    assert_string_equal(sent, "a=1,b=2");
    fake_cache_metadata(at->cache, "tracestate", sent, sizeof(sent));
    assert_string_equal(sent, "a=1,b=2");
    facebox_header(at, "X-Request-Id", sent, sizeof(sent));
    assert_string_equal(sent, "id-1");
    fake_cache_metadata(at->cache, "x-request-id", sent, sizeof(sent));
    assert_string_equal(sent, "id-1");
    facebox_header(at, "b3", sent, sizeof(sent));
    assert_string_equal(sent, "");
}

static void the_pictures_own_server_is_told_the_request_id_only(void **state)
{
    static const char *const headers[] = {
        PARENT, "tracestate: a=1", "b3: " TRACE_ID "-" SPAN_ID "-1", "X-Request-Id: id-2", NULL};
    static const char *const withheld[] = {"traceparent", "tracestate", "b3", "X-B3-TraceId"};
    const struct played *at = *state;
    char sent[200];
    post_picture(at, "/own.png", headers);
    origin_last_header(at->scene->origin, "/own.png", "X-Request-Id", sent, sizeof(sent));
    assert_string_equal(sent, "id-2");
    for (size_t i = 0; i < sizeof(withheld) / sizeof(withheld[0]); i++) {
        origin_last_header(at->scene->origin, "/own.png", withheld[i], sent, sizeof(sent));
        assert_string_equal(sent, "");
    }
}

static void b3_goes_on_in_the_form_that_it_came_in(void **state)
{
    static const char *const single[] = {"b3: " TRACE_ID "-" SPAN_ID "-0", NULL};
    static const char *const several[] = {"X-B3-TraceId: " TRACE_ID, "X-B3-SpanId: " SPAN_ID,
                                          "X-B3-Sampled: 1", NULL};
    const struct played *at = *state;
    char sent[200];
    post_picture(at, "/b3.png", single);
    fake_cache_metadata(at->cache, "traceparent", sent, sizeof(sent));
    assert_goes_on(sent, "00");
    facebox_header(at, "b3", sent, sizeof(sent));
    assert_int_equal(strncmp(sent, TRACE_ID "-", 33), 0);
    assert_string_equal(sent + 49, "-0-" SPAN_ID);
    fake_cache_metadata(at->cache, "x-b3-traceid", sent, sizeof(sent));
    assert_string_equal(sent, "");

    post_picture(at, "/b3-several.png", several);
    fake_cache_metadata(at->cache, "x-b3-traceid", sent, sizeof(sent));
    assert_string_equal(sent, TRACE_ID);
    fake_cache_metadata(at->cache, "x-b3-parentspanid", sent, sizeof(sent));
    assert_string_equal(sent, SPAN_ID);
    facebox_header(at, "X-B3-Sampled", sent, sizeof(sent));
    assert_string_equal(sent, "1");
    facebox_header(at, "b3", sent, sizeof(sent));
    assert_string_equal(sent, "");
}

static void a_request_without_a_trace_begins_one_that_is_not_sampled(void **state)
{
    const struct played *at = *state;
    char sent[200];
    char also[200];
    post_picture(at, "/new.png", NULL);
    facebox_header(at, "traceparent", sent, sizeof(sent));
    fake_cache_metadata(at->cache, "traceparent", also, sizeof(also));
    assert_int_equal(strlen(sent), 55);
    assert_string_equal(sent + 52, "-00");
    assert_string_equal(sent, also);
}

static void health_goes_on_as_well(void **state)
{
    static const char *const headers[] = {PARENT, NULL};
    const struct played *at = *state;
    char sent[200];
    struct http_reply reply;
    sleep_ms(1100); /* an answer is kept for a second */
    scene_get(at->scene, "/api/health", headers, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
    origin_last_header(at->facebox, "/info", "traceparent", sent, sizeof(sent));
    assert_goes_on(sent, "01");
    fake_cache_metadata(at->cache, "traceparent", sent, sizeof(sent));
    assert_goes_on(sent, "01");
}

/* --- What the logs say -------------------------------------------------------------- */

static int start_quiet(void **state)
{
    return scene_start(state, NULL);
}

static int start_talkative(void **state)
{
    return scene_start(state, (const char *const[]){"LOG_LEVEL=debug", NULL});
}

static int start_json(void **state)
{
    return scene_start(state, (const char *const[]){"LOG_LEVEL=debug", "LOG_FORMAT=json", NULL});
}

static void assert_not_logged(const struct scene *scene, const char *name, const char *text)
{
    struct buf log;
    scene_log(scene, name, &log);
    if (strstr(log.data, text))
        fail_msg("%s.log has \"%s\"", name, text);
    buf_release(&log);
}

static void a_post_can_be_followed_through_all_logs(void **state)
{
    static const char *const headers[] = {PARENT, "X-Request-Id: follow-me", NULL};
    static const char ids[] = "request_id=follow-me trace_id=" TRACE_ID " ";
    const struct scene *scene = *state;
    struct http_reply reply;
    scene_post(scene, scene_url(scene, "/pictures/grace_hopper.jpg").text, headers, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
    scene_wait_logged(scene, "api", "Request handled", ids);
    scene_wait_logged(scene, "facebox", "Check", ids);
    scene_wait_logged(scene, "cache", "method=/Cache/Put", ids);
    scene_wait_logged(scene, "access", "POST", "id=follow-me");
}

static void a_get_is_not_in_the_caches_log_at_the_default_level(void **state)
{
    static const char *const headers[] = {"X-Request-Id: quiet-get", NULL};
    const struct scene *scene = *state;
    struct http_reply reply;
    scene_get(scene, "/api/cache/nothing", headers, &reply);
    http_reply_release(&reply);
    scene_wait_logged(scene, "api", "Request handled", "request_id=quiet-get");
    assert_not_logged(scene, "cache", "quiet-get");
}

static void at_debug_everything_can_be_followed(void **state)
{
    static const char *const headers[] = {PARENT, "X-Request-Id: loud", NULL};
    static const char ids[] = "request_id=loud trace_id=" TRACE_ID " ";
    const struct scene *scene = *state;
    struct http_reply reply;
    scene_get(scene, "/api/cache/nothing", headers, &reply);
    http_reply_release(&reply);
    scene_wait_logged(scene, "api", "Request handled", ids);
    scene_wait_logged(scene, "cache", "method=/Cache/Get", ids);
    scene_post(scene, scene_url(scene, "/pictures/camera.png").text, headers, &reply);
    http_reply_release(&reply);
    scene_wait_logged(scene, "cache", "method=/Cache/Exists", ids);
}

/* A new picture and then a picture that is there, both of one trace, with the ids one and two. */
static void ask_twice(const struct scene *scene, const char *path)
{
    static const char *const one[] = {PARENT, "X-Request-Id: one", NULL};
    static const char *const two[] = {PARENT, "X-Request-Id: two", NULL};
    struct http_reply reply;
    char address[64];
    scene_post(scene, scene_url(scene, path).text, one, &reply);
    assert_int_equal(reply.status, 200);
    (void)snprintf(address, sizeof(address), "/api/cache/%.32s", http_reply_text(&reply));
    http_reply_release(&reply);
    scene_get(scene, address, two, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

/* What each of the two leaves in which log. */
static const struct {
    const char *log;
    const char *text;
    bool is_second;
} traces_left[] = {
    {"api", "Request handled", false}, {"api", "Request handled", true},
    {"api", "Request begun", true},    {"facebox", "Check", false},
    {"cache", "/Cache/Exists", false}, {"cache", "/Cache/Put", false},
    {"cache", "/Cache/Get", true},
};

static void two_requests_of_a_trace_can_be_followed_through_all_logs(void **state)
{
    const struct scene *scene = *state;
    ask_twice(scene, "/pictures/grace_hopper.jpg");
    for (size_t i = 0; i < sizeof(traces_left) / sizeof(traces_left[0]); i++)
        scene_wait_logged(scene, traces_left[i].log, traces_left[i].text,
                          traces_left[i].is_second ? "request_id=two trace_id=" TRACE_ID " "
                                                   : "request_id=one trace_id=" TRACE_ID " ");
    assert_not_logged(scene, "facebox", "request_id=two");
}

static void the_same_holds_in_json(void **state)
{
    const struct scene *scene = *state;
    ask_twice(scene, "/pictures/grace_hopper.jpg");
    for (size_t i = 0; i < sizeof(traces_left) / sizeof(traces_left[0]); i++)
        scene_wait_logged(scene, traces_left[i].log, traces_left[i].text,
                          traces_left[i].is_second
                              ? "\"request_id\":\"two\",\"trace_id\":\"" TRACE_ID "\","
                              : "\"request_id\":\"one\",\"trace_id\":\"" TRACE_ID "\",");
}

static void assert_record(const char *name, const char *line, size_t len)
{
    static const char *const members[] = {"@timestamp", "@level", "@module", "@message"};
    json_error_t error;
    json_t *record = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(record))
        fail_msg("%s.log: %s: %.*s", name, error.text, (int)len, line);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        assert_true(json_is_string(json_object_get(record, members[i])));
    assert_string_equal(json_string_value(json_object_get(record, "@module")), name);
    json_decref(record);
}

static void whatever_comes_in_every_line_is_one_json_object(void **state)
{
    static const char *const names[] = {"api", "cache", "facebox"};
    static const char *const odd[] = {"User-Agent: \"}\xff{\\", "X-Request-Id: a\"b", PARENT, NULL};
    const struct scene *scene = *state;
    struct http_reply reply;
    scene_get(scene, "/api/cache/%22%7d%20x", odd, &reply);
    http_reply_release(&reply);
    scene_post(scene, "http://127.0.0.1/\"\xfe\n{", odd, &reply);
    assert_int_equal(reply.status, 400);
    http_reply_release(&reply);
    scene_wait_logged(scene, "api", "Request handled", "\"status\":400");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct buf log;
        size_t records = 0;
        scene_log(scene, names[i], &log);
        for (const char *line = log.data; *line; line += strcspn(line, "\n") + 1, records++)
            assert_record(names[i], line, strcspn(line, "\n"));
        assert_true(records >= 2);
        buf_release(&log);
    }
}

int main(void)
{
    const struct CMUnitTest sending[] = {
        cmocka_unit_test(a_w3c_trace_goes_on_to_face_detection_and_cache),
        cmocka_unit_test(the_pictures_own_server_is_told_the_request_id_only),
        cmocka_unit_test(b3_goes_on_in_the_form_that_it_came_in),
        cmocka_unit_test(a_request_without_a_trace_begins_one_that_is_not_sampled),
        cmocka_unit_test(health_goes_on_as_well),
    };
    const struct CMUnitTest quiet[] = {
        cmocka_unit_test(a_post_can_be_followed_through_all_logs),
        cmocka_unit_test(a_get_is_not_in_the_caches_log_at_the_default_level),
    };
    const struct CMUnitTest talkative[] = {
        cmocka_unit_test(at_debug_everything_can_be_followed),
        cmocka_unit_test(two_requests_of_a_trace_can_be_followed_through_all_logs),
    };
    const struct CMUnitTest json[] = {
        cmocka_unit_test(the_same_holds_in_json),
        cmocka_unit_test(whatever_comes_in_every_line_is_one_json_object),
    };
    int failed = cmocka_run_group_tests(sending, start_between_fakes, stop_between_fakes);
    failed += cmocka_run_group_tests(quiet, start_quiet, scene_stop);
    failed += cmocka_run_group_tests(talkative, start_talkative, scene_stop);
    return failed + cmocka_run_group_tests(json, start_json, scene_stop);
}
