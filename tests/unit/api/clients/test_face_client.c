/* SPDX-License-Identifier: MIT */
#include "api/clients/breaker.h"
#include "api/clients/face_client.h"
#include "api/image/face.h"

#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/http/header.h"
#include "lib/net/http_client.h"
#include "support/origin.h"

static struct face *const junk_faces = (struct face *)16;

struct fixture {
    struct arena *arena;
    struct origin *origin;
    struct http_client *http;
    char base_url[60];
    struct face_client client;
    struct face_call call;
    struct face *faces;
    size_t face_count;
    struct err_buf why;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->arena = arena_new(1024 * 1024);
    assert_non_null(fixture->arena);
    fixture->origin = origin_start();
    assert_int_equal(http_client_new(&fixture->http), APP_OK);
    (void)snprintf(fixture->base_url, sizeof(fixture->base_url), "http://127.0.0.1:%d",
                   origin_port(fixture->origin));
    fixture->client =
        (struct face_client){.base_url = fixture->base_url, .user = "", .password = ""};
    fixture->call = (struct face_call){.http = fixture->http, .deadline_ns = deadline_in_ms(20000)};
    fixture->faces = junk_faces;
    fixture->face_count = 77;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    http_client_free(&fixture->http);
    origin_stop(&fixture->origin);
    arena_free(&fixture->arena);
    free(fixture);
    return 0;
}

static enum app_err parse_bytes(struct fixture *fixture, const char *json, size_t len)
{
    /* An exact copy, so that reading one byte too far is seen. */
    char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, json, len);
    enum app_err err = face_client_parse_check(copy, len, fixture->arena, &fixture->faces,
                                               &fixture->face_count, &fixture->why);
    free(copy);
    return err;
}

static enum app_err parse(struct fixture *fixture, const char *json)
{
    return parse_bytes(fixture, json, strlen(json));
}

static void assert_box(const struct box *box, int left, int top, int width, int height)
{
    assert_int_equal(box->left, left);
    assert_int_equal(box->top, top);
    assert_int_equal(box->width, width);
    assert_int_equal(box->height, height);
}

static void assert_refused(struct fixture *fixture, enum app_err err, const char *detail)
{
    if (err != APP_UPSTREAM_FAILED || !strstr(fixture->why.detail, detail))
        print_error("wanted \"%s\": %s: %s\n", detail, app_strerror(err), fixture->why.detail);
    assert_int_equal(err, APP_UPSTREAM_FAILED);
    assert_non_null(strstr(fixture->why.detail, detail));
    assert_string_equal(fixture->why.text, "face detection failed");
    assert_ptr_equal(fixture->faces, junk_faces);
    assert_int_equal(fixture->face_count, 77);
}

static void faces_are_read_with_what_else_the_box_says(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(
        parse(fixture,
              "{\"success\":true,\"facesCount\":9,\"faces\":["
              "{\"rect\":{\"top\":40,\"left\":300,\"width\":80,\"height\":90},\"matched\":false,"
              "\"confidence\":0.93,\"faceprint\":\"AAA=\",\"new\":[1,{}]},"
              "{\"rect\":{\"left\":-5,\"top\":-6,\"height\":8,\"width\":7},\"name\":\"Ringo\"}]}"),
        APP_OK);
    assert_int_equal(fixture->face_count, 2);
    assert_box(&fixture->faces[0].box, 300, 40, 80, 90);
    assert_box(&fixture->faces[1].box, -5, -6, 7, 8);
}

static void no_faces_may_be_said_in_several_ways(void **state)
{
    struct fixture *fixture = *state;
    static const char *const answers[] = {
        "{\"success\":true,\"facesCount\":0,\"faces\":[]}",
        "{\"success\":true,\"faces\":null}",
        "{\"success\":true,\"facesCount\":3}",
        " \r\n{\"success\":true}\n",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        fixture->face_count = 77;
        assert_int_equal(parse(fixture, answers[i]), APP_OK);
        assert_int_equal(fixture->face_count, 0);
    }
}

static void what_a_rectangle_lacks_is_zero(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(parse(fixture, "{\"success\":true,\"faces\":[{},{\"rect\":null},{\"rect\":{}},"
                                    "{\"rect\":{\"left\":3,\"top\":null}}]}"),
                     APP_OK);
    assert_int_equal(fixture->face_count, 4);
    assert_box(&fixture->faces[0].box, 0, 0, 0, 0);
    assert_box(&fixture->faces[1].box, 0, 0, 0, 0);
    assert_box(&fixture->faces[2].box, 0, 0, 0, 0);
    assert_box(&fixture->faces[3].box, 3, 0, 0, 0);
}

static void fractions_are_rounded_and_huge_numbers_cut(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *number;
        int pixel;
    } numbers[] = {
        {"12.4", 12},
        {"12.5", 13},
        {"-12.5", -13},
        {"1.2e2", 120},
        {"-0", 0},
        {"1e-300", 0},
        {"2147483646", INT_MAX - 1},
        {"2147483647", INT_MAX},
        {"2147483648", INT_MAX},
        {"-2147483647", INT_MIN + 1},
        {"-2147483648", INT_MIN},
        {"-2147483649", INT_MIN},
        {"9223372036854775808", INT_MAX},
        {"-99999999999999999999999999", INT_MIN},
        {"1e300", INT_MAX},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char json[200];
        (void)snprintf(json, sizeof(json), "{\"success\":true,\"faces\":[{\"rect\":{\"top\":%s}}]}",
                       numbers[i].number);
        assert_int_equal(parse(fixture, json), APP_OK);
        assert_int_equal(fixture->faces[0].box.top, numbers[i].pixel);
    }
}

static void an_answer_without_success_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    static const char *const answers[][2] = {
        {"{\"success\":false,\"error\":\"image: unknown format\"}",
         "FaceBox: image: unknown format"},
        {"{\"success\":false,\"error\":\"a\\nb\"}", "FaceBox: a?b"},
        {"{\"success\":false}", "no reason given"},
        {"{\"success\":false,\"error\":7}", "no reason given"},
        {"{\"faces\":[]}", "no reason given"},
        {"{\"success\":1,\"faces\":[]}", "no reason given"},
        {"{\"success\":\"true\",\"faces\":[]}", "no reason given"},
        {"{}", "no reason given"},
        {"[]", "no reason given"},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        assert_refused(fixture, parse(fixture, answers[i][0]), answers[i][1]);
}

static void an_answer_that_is_not_json_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    static const char *const answers[] = {
        "",
        " ",
        "{",
        "<html>",
        "true",
        "{\"success\":true",
        "{\"success\":true}x",
        "{\"success\":true,\"faces\":[{\"rect\":{\"top\":1e999}}]}",
        "{\"success\":true,\"faces\":[{\"rect\":{\"top\":NaN}}]}",
        "{\"success\":true,\"faces\":[{\"rect\":{\"top\":Infinity}}]}",
        "{\"success\":true,\"error\":\"\xff\"}",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        assert_refused(fixture, parse(fixture, answers[i]), "FaceBox: ");
    assert_int_equal(face_client_parse_check(NULL, 0, fixture->arena, &fixture->faces,
                                             &fixture->face_count, &fixture->why),
                     APP_UPSTREAM_FAILED);
}

static void faces_of_the_wrong_shape_are_a_failure(void **state)
{
    struct fixture *fixture = *state;
    static const char *const faces[][2] = {
        {"{}", "not an array"},
        {"\"x\"", "not an array"},
        {"[1]", "a face is not"},
        {"[[]]", "a face is not"},
        {"[null]", "a face is not"},
        {"[{\"rect\":[]}]", "a face is not"},
        {"[{\"rect\":7}]", "a face is not"},
        {"[{\"rect\":{\"top\":\"7\"}}]", "a face is not"},
        {"[{\"rect\":{\"left\":true}}]", "a face is not"},
        {"[{\"rect\":{\"width\":{}}}]", "a face is not"},
        {"[{\"rect\":{\"height\":[]}}]", "a face is not"},
    };
    for (size_t i = 0; i < sizeof(faces) / sizeof(faces[0]); i++) {
        char json[200];
        (void)snprintf(json, sizeof(json), "{\"success\":true,\"faces\":%s}", faces[i][0]);
        assert_refused(fixture, parse(fixture, json), faces[i][1]);
    }
}

static void depth_and_size_have_a_ceiling(void **state)
{
    struct fixture *fixture = *state;
    char *json = malloc(LIMIT_UPSTREAM_JSON + 1);
    assert_non_null(json);
    memset(json, '[', LIMIT_UPSTREAM_JSON + 1);
    assert_refused(fixture, parse_bytes(fixture, json, LIMIT_UPSTREAM_JSON), "depth");
    assert_refused(fixture, parse_bytes(fixture, json, LIMIT_UPSTREAM_JSON + 1), "too large");

    static const char answer[] = "{\"success\":true}";
    memset(json, ' ', LIMIT_UPSTREAM_JSON + 1);
    memcpy(json, answer, sizeof(answer) - 1);
    assert_int_equal(parse_bytes(fixture, json, LIMIT_UPSTREAM_JSON), APP_OK);
    free(json);
}

static void no_more_faces_are_taken_than_can_be_drawn(void **state)
{
    struct fixture *fixture = *state;
    for (size_t count = LIMIT_FACES - 1; count <= LIMIT_FACES + 1; count++) {
        struct buf json;
        buf_init(&json, 100000);
        assert_int_equal(buf_append_str(&json, "{\"success\":true,\"faces\":["), APP_OK);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(buf_printf(&json, "%s{\"rect\":{\"left\":%zu}}", i ? "," : "", i),
                             APP_OK);
        assert_int_equal(buf_append_str(&json, "]}"), APP_OK);
        assert_int_equal(parse_bytes(fixture, json.data, json.len), APP_OK);
        assert_int_equal(fixture->face_count, count < LIMIT_FACES ? count : LIMIT_FACES);
        assert_int_equal(fixture->faces[fixture->face_count - 1].box.left, fixture->face_count - 1);
        buf_release(&json);
    }
}

/* The answer about one face. */
static enum app_err parse_landmarks(struct fixture *fixture, const char *landmarks)
{
    char json[600];
    (void)snprintf(json, sizeof(json),
                   "{\"success\":true,\"faces\":[{\"rect\":{\"top\":1,\"left\":2,\"width\":3,"
                   "\"height\":4},\"landmarks\":%s}]}",
                   landmarks);
    return parse(fixture, json);
}

#define FIVE_POINTS                                                                                \
    "\"left_ear\":{\"x\":11,\"y\":12},\"right_eye\":{\"x\":1.5,\"y\":-2.25},"                      \
    "\"left_eye\":{\"x\":3,\"y\":4e1,\"z\":1},\"nose\":{\"x\":5,\"y\":6},"                         \
    "\"right_ear\":{\"y\":10,\"x\":9}"

static void a_face_has_the_points_that_its_landmarks_tell(void **state)
{
    struct fixture *fixture = *state;
    static const struct face_point expected[FACE_POINT__MAX] = {
        [FACE_RIGHT_EYE] = {1.5, -2.25}, [FACE_LEFT_EYE] = {3, 40},  [FACE_NOSE] = {5, 6},
        [FACE_MOUTH] = {7e9, 8},         [FACE_RIGHT_EAR] = {9, 10}, [FACE_LEFT_EAR] = {11, 12},
    };
    assert_int_equal(parse_landmarks(fixture,
                                     "{" FIVE_POINTS
                                     ",\"mouth\":{\"x\":7e9,\"y\":8},\"chin\":{\"x\":null}}"),
                     APP_OK);
    assert_int_equal(fixture->face_count, 1);
    assert_box(&fixture->faces[0].box, 2, 1, 3, 4);
    assert_true(fixture->faces[0].has_points);
    for (int i = 0; i < FACE_POINT__MAX; i++) {
        assert_true(fixture->faces[0].points[i].x == expected[i].x);
        assert_true(fixture->faces[0].points[i].y == expected[i].y);
    }
}

static void a_face_with_malformed_landmarks_is_one_without_points(void **state)
{
    struct fixture *fixture = *state;
    static const char *const landmarks[] = {
        "null",
        "7",
        "\"x\"",
        "[]",
        "[{\"x\":1,\"y\":2}]",
        "{}",
        "{" FIVE_POINTS "}",
        "{" FIVE_POINTS ",\"mouth\":null}",
        "{" FIVE_POINTS ",\"mouth\":[7,8]}",
        "{" FIVE_POINTS ",\"mouth\":{\"x\":7}}",
        "{" FIVE_POINTS ",\"mouth\":{\"x\":7,\"y\":null}}",
        "{" FIVE_POINTS ",\"mouth\":{\"x\":\"7\",\"y\":8}}",
        "{" FIVE_POINTS ",\"mouth\":{\"x\":7,\"y\":true}}",
    };
    for (size_t i = 0; i < sizeof(landmarks) / sizeof(landmarks[0]); i++) {
        fixture->face_count = 77;
        assert_int_equal(parse_landmarks(fixture, landmarks[i]), APP_OK);
        assert_int_equal(fixture->face_count, 1);
        assert_box(&fixture->faces[0].box, 2, 1, 3, 4);
        if (fixture->faces[0].has_points)
            fail_msg("points are taken from %s", landmarks[i]);
    }
}

static void an_arena_without_room_is_no_memory(void **state)
{
    struct fixture *fixture = *state;
    struct arena *small = arena_new(8);
    assert_non_null(small);
    enum app_err err = face_client_parse_check("{\"success\":true,\"faces\":[{}]}", 29, small,
                                               &fixture->faces, &fixture->face_count, NULL);
    arena_free(&small);
    assert_int_equal(err, APP_NO_MEMORY);
    assert_ptr_equal(fixture->faces, junk_faces);
}

static const char picture[] = "\x89PNG\0bytes";

static enum app_err check(struct fixture *fixture)
{
    return face_client_check(&fixture->client, &fixture->call, picture, sizeof(picture),
                             fixture->arena, &fixture->faces, &fixture->face_count, &fixture->why);
}

static void assert_header(struct fixture *fixture, const char *target, const char *name,
                          const char *expected)
{
    char value[200];
    origin_last_header(fixture->origin, target, name, value, sizeof(value));
    assert_string_equal(value, expected);
}

static void a_check_sends_the_picture_and_reads_the_faces(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/facebox/check", "200 OK", "",
                  "{\"success\":true,\"facesCount\":1,\"faces\":[{\"rect\":"
                  "{\"top\":1,\"left\":2,\"width\":3,\"height\":4}}]}");
    static const struct http_header headers[] = {{"traceparent", "00-1-2-01"}, {"b3", "0"}};
    fixture->call.request_id = "req-1";
    fixture->call.headers = headers;
    fixture->call.header_count = 2;
    assert_int_equal(check(fixture), APP_OK);
    assert_int_equal(fixture->face_count, 1);
    assert_box(&fixture->faces[0].box, 2, 1, 3, 4);

    assert_header(fixture, "/facebox/check", "", "POST /facebox/check HTTP/1.1");
    assert_header(fixture, "/facebox/check", "Accept", "application/json; charset=utf-8");
    assert_header(fixture, "/facebox/check", "X-Request-Id", "req-1");
    assert_header(fixture, "/facebox/check", "traceparent", "00-1-2-01");
    assert_header(fixture, "/facebox/check", "b3", "0");
    assert_header(fixture, "/facebox/check", "Authorization", "");
    size_t len = 0;
    char *body = origin_last_body(fixture->origin, "/facebox/check", &len);
    assert_non_null(body);
    assert_non_null(memmem(body, len, picture, sizeof(picture)));
    assert_non_null(strstr(body, "name=\"file\"; filename=\"image.dat\"\r\n"));
    assert_non_null(strstr(body, "Content-Type: application/octet-stream\r\n"));
    free(body);
}

static void a_slash_behind_the_base_and_a_path_in_it_are_fine(void **state)
{
    struct fixture *fixture = *state;
    int version = -7;
    char base[100];
    origin_answer(fixture->origin, "/info", "200 OK", "", "{\"success\":true,\"version\":14}");
    origin_answer(fixture->origin, "/box/info", "200 OK", "", "{\"success\":true,\"version\":15}");
    fixture->client.base_url = base;
    (void)snprintf(base, sizeof(base), "%s//", fixture->base_url);
    assert_int_equal(face_client_info(&fixture->client, &fixture->call, &version, NULL), APP_OK);
    assert_int_equal(version, 14);
    (void)snprintf(base, sizeof(base), "%s/box/", fixture->base_url);
    assert_int_equal(face_client_info(&fixture->client, &fixture->call, &version, NULL), APP_OK);
    assert_int_equal(version, 15);
}

static void user_and_password_are_sent_when_set(void **state)
{
    struct fixture *fixture = *state;
    int version = -7;
    origin_answer(fixture->origin, "/info", "200 OK", "", "{\"success\":true,\"version\":14}");
    fixture->client.user = "Aladdin";
    fixture->client.password = "open sesame";
    assert_int_equal(face_client_info(&fixture->client, &fixture->call, &version, NULL), APP_OK);
    assert_header(fixture, "/info", "Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_header(fixture, "/info", "", "GET /info HTTP/1.1");
    assert_header(fixture, "/info", "X-Request-Id", "");
}

static void another_status_is_a_failure_with_the_boxs_words(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *status;
        const char *body;
        const char *detail;
    } answers[] = {
        {"400 Bad Request", "{\"success\":false,\"error\":\"bad image\"}",
         "FaceBox answered 400: FaceBox: bad image"},
        {"401 Unauthorized", "", "FaceBox answered 401: "},
        {"500 Oops", "boom", "FaceBox answered 500: "},
        {"302 Found", "{\"success\":true,\"faces\":[]}", "FaceBox answered 302: success"},
        {"503 Busy", "{\"success\":true,\"faces\":[]}", "FaceBox answered 503: success"},
        {"204 Empty", "", "FaceBox answered 204: "},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        origin_answer(fixture->origin, "/facebox/check", answers[i].status, "", answers[i].body);
        assert_refused(fixture, check(fixture), answers[i].detail);
    }
}

static void success_false_with_200_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/facebox/check", "200 OK", "",
                  "{\"success\":false,\"error\":\"no license\"}");
    assert_refused(fixture, check(fixture), "FaceBox: no license");
    origin_answer(fixture->origin, "/facebox/check", "200 OK", "", "");
    assert_refused(fixture, check(fixture), "FaceBox: ");
}

static void a_box_that_is_away_or_endless_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    origin_on(fixture->origin, "/facebox/check", head, strlen(head),
              &(struct origin_options){.endless = true});
    assert_refused(fixture, check(fixture), "more than 1048576 bytes");
    origin_stop(&fixture->origin);
    assert_refused(fixture, check(fixture), "Failed to connect");
}

static void a_box_that_takes_too_long_is_a_timeout(void **state)
{
    struct fixture *fixture = *state;
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    int version = -7;
    origin_on(fixture->origin, "/info", head, strlen(head),
              &(struct origin_options){.delay_ms = 60000});
    fixture->call.deadline_ns = deadline_in_ms(100);
    assert_int_equal(face_client_info(&fixture->client, &fixture->call, &version, &fixture->why),
                     APP_UPSTREAM_TIMEOUT);
    assert_string_equal(fixture->why.text, "face detection took too long");
    assert_int_equal(version, -7);
}

static void an_info_without_a_version_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    static const char *const answers[] = {
        "{\"success\":true}", "{\"success\":true,\"version\":\"14\"}",
        "{\"success\":true,\"version\":null}", "{\"version\":14}", "[14]"};
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        int version = -7;
        origin_answer(fixture->origin, "/info", "200 OK", "", answers[i]);
        assert_refused(fixture,
                       face_client_info(&fixture->client, &fixture->call, &version, &fixture->why),
                       "FaceBox: ");
        assert_int_equal(version, -7);
    }
}

static int global_init(void **state)
{
    (void)state;
    return http_client_global_init() ? -1 : 0;
}

static int global_release(void **state)
{
    (void)state;
    http_client_global_release();
    return 0;
}

#define FACE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* One picture that the box cannot read, again and again, must not close the service. */
static void a_stream_of_broken_pictures_does_not_open_the_breaker(void **state)
{
    struct fixture *fixture = *state;
    struct breaker breaker;
    breaker_init(&breaker, "the face detection", NULL, NULL);
    fixture->client.breaker = &breaker;
    origin_answer(fixture->origin, "/facebox/check", "200 OK", "",
                  "{\"success\":false,\"error\":\"cannot decode\"}");
    for (int i = 0; i < 2 * BREAKER_HISTORY; i++)
        assert_int_equal(check(fixture), APP_UPSTREAM_FAILED);
    origin_answer(fixture->origin, "/facebox/check", "400 Bad Request", "", "{}");
    for (int i = 0; i < 2 * BREAKER_HISTORY; i++)
        assert_int_equal(check(fixture), APP_UPSTREAM_FAILED);
    assert_int_equal(breaker_state(&breaker, clock_now_ns()), BREAKER_CLOSED);
    breaker_release(&breaker);
}

static void a_box_that_keeps_failing_is_left_alone_and_probed_by_info(void **state)
{
    struct fixture *fixture = *state;
    struct breaker breaker;
    breaker_init(&breaker, "the face detection", NULL, NULL);
    fixture->client.breaker = &breaker;
    origin_answer(fixture->origin, "/facebox/check", "500 Oops", "", "{}");
    origin_answer(fixture->origin, "/info", "503 Not Yet", "", "{}");
    for (int i = 0; i < BREAKER_IN_ROW; i++)
        assert_int_equal(check(fixture), APP_UPSTREAM_FAILED);
    assert_int_equal(check(fixture), APP_UNAVAILABLE);
    assert_int_equal(origin_requests(fixture->origin, NULL), BREAKER_IN_ROW);

    (void)nanosleep(&(struct timespec){0, BREAKER_PAUSE_MS * NS_PER_MS}, NULL);
    assert_int_equal(check(fixture), APP_UPSTREAM_FAILED); /* told by /info alone */
    assert_int_equal(check(fixture), APP_UNAVAILABLE);
    assert_int_equal(origin_requests(fixture->origin, "/facebox/check"), BREAKER_IN_ROW);

    origin_answer(fixture->origin, "/facebox/check", "200 OK", "", "{\"success\":true}");
    origin_answer(fixture->origin, "/info", "200 OK", "", "{\"success\":true,\"version\":1}");
    (void)nanosleep(&(struct timespec){0, BREAKER_PAUSE_MS * NS_PER_MS}, NULL);
    assert_int_equal(check(fixture), APP_OK);
    assert_int_equal(breaker_state(&breaker, clock_now_ns()), BREAKER_CLOSED);
    breaker_release(&breaker);
}

static void *check_in_thread(void *object)
{
    struct fixture *fixture = object;
    return (void *)(intptr_t)check(fixture);
}

/* Long after an outage two pictures come at once, and detection takes longer than one waits. */
static void nobody_is_refused_because_another_tries_whether_the_box_is_back(void **state)
{
    struct fixture *fixture = *state;
    struct breaker breaker;
    void *other_state;
    static const char yes[] = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"success\":true}";
    breaker_init(&breaker, "the face detection", NULL, NULL);
    assert_int_equal(set_up(&other_state), 0);
    struct fixture *other = other_state;
    (void)snprintf(other->base_url, sizeof(other->base_url), "%s", fixture->base_url);
    fixture->client.breaker = &breaker;
    other->client.breaker = &breaker;

    origin_answer(fixture->origin, "/facebox/check", "500 Oops", "", "{}");
    for (int i = 0; i < BREAKER_IN_ROW; i++)
        assert_int_equal(check(fixture), APP_UPSTREAM_FAILED);
    assert_int_equal(check(other), APP_UNAVAILABLE);
    origin_on(fixture->origin, "/info", yes, strlen(yes),
              &(struct origin_options){.delay_ms = 200});
    origin_on(fixture->origin, "/facebox/check", yes, strlen(yes),
              &(struct origin_options){.delay_ms = 1500});
    deadline_sleep(deadline_in_ms(BREAKER_STALE_MS));

    pthread_t thread;
    void *others_err;
    assert_int_equal(pthread_create(&thread, NULL, check_in_thread, other), 0);
    assert_int_equal(check(fixture), APP_OK);
    pthread_join(thread, &others_err);
    assert_int_equal((intptr_t)others_err, APP_OK);
    assert_int_equal(origin_requests(fixture->origin, "/info"), 1);
    assert_int_equal(tear_down(&other_state), 0);
    breaker_release(&breaker);
}

static bool at_once(void *context)
{
    (void)context;
    return true;
}

static void a_check_that_nobody_wants_any_more_ends_soon(void **state)
{
    struct fixture *fixture = *state;
    struct breaker breaker;
    breaker_init(&breaker, "the face detection", NULL, NULL);
    fixture->client.breaker = &breaker;
    fixture->call.cancel = (struct cancel){at_once, NULL};
    origin_on(fixture->origin, "/facebox/check", "", 0,
              &(struct origin_options){.delay_ms = 10000});
    int64_t started_ns = clock_now_ns();
    for (int i = 0; i < BREAKER_IN_ROW; i++)
        assert_int_equal(check(fixture), APP_CLIENT_GONE);
    assert_true(clock_now_ns() - started_ns < BREAKER_IN_ROW * 1500 * NS_PER_MS);
    assert_int_equal(breaker_state(&breaker, clock_now_ns()), BREAKER_CLOSED);
    breaker_release(&breaker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACE_TEST(faces_are_read_with_what_else_the_box_says),
        FACE_TEST(no_faces_may_be_said_in_several_ways),
        FACE_TEST(what_a_rectangle_lacks_is_zero),
        FACE_TEST(fractions_are_rounded_and_huge_numbers_cut),
        FACE_TEST(an_answer_without_success_is_a_failure),
        FACE_TEST(an_answer_that_is_not_json_is_a_failure),
        FACE_TEST(faces_of_the_wrong_shape_are_a_failure),
        FACE_TEST(depth_and_size_have_a_ceiling),
        FACE_TEST(no_more_faces_are_taken_than_can_be_drawn),
        FACE_TEST(a_face_has_the_points_that_its_landmarks_tell),
        FACE_TEST(a_face_with_malformed_landmarks_is_one_without_points),
        FACE_TEST(an_arena_without_room_is_no_memory),
        FACE_TEST(a_check_sends_the_picture_and_reads_the_faces),
        FACE_TEST(a_slash_behind_the_base_and_a_path_in_it_are_fine),
        FACE_TEST(user_and_password_are_sent_when_set),
        FACE_TEST(another_status_is_a_failure_with_the_boxs_words),
        FACE_TEST(success_false_with_200_is_a_failure),
        FACE_TEST(a_box_that_is_away_or_endless_is_a_failure),
        FACE_TEST(a_box_that_takes_too_long_is_a_timeout),
        FACE_TEST(an_info_without_a_version_is_a_failure),
        FACE_TEST(a_stream_of_broken_pictures_does_not_open_the_breaker),
        FACE_TEST(a_box_that_keeps_failing_is_left_alone_and_probed_by_info),
        FACE_TEST(nobody_is_refused_because_another_tries_whether_the_box_is_back),
        cmocka_unit_test_setup_teardown(a_check_that_nobody_wants_any_more_ends_soon, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, global_init, global_release);
}
