/* SPDX-License-Identifier: MIT */
/* The exact bytes, because clients of three languages read them. */
#include "facebox/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct faces two_faces = {
    .width = 640,
    .height = 480,
    .count = 2,
    .found =
        {{.left = 300,
          .top = 40,
          .width = 80,
          .height = 81,
          .points = {{320.04, 60.06}, {358, 61}, {339, 80}, {340, 100}, {299.96, 65}, {381, 66}},
          .confidence = 0.93},
         {.left = 0,
          .top = 1,
          .width = 2,
          .height = 3,
          .points = {{-1.25, 0}},
          .confidence = 0.333333}},
};
static const struct faces no_faces = {.width = 5, .height = 6};

static void assert_json(enum app_err err, struct buf *out, const char *expected)
{
    assert_int_equal(err, APP_OK);
    assert_string_equal(out->data, expected);
    buf_release(out);
}

static void a_check_is_answered_in_the_words_of_the_box(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    assert_json(reply_check(&no_faces, &out), &out,
                "{\"success\":true,\"facesCount\":0,\"faces\":[]}");
    assert_json(reply_check(&two_faces, &out), &out,
                "{\"success\":true,\"facesCount\":2,\"faces\":["
                "{\"rect\":{\"top\":40,\"left\":300,\"width\":80,\"height\":81},"
                "\"landmarks\":{\"right_eye\":{\"x\":320.0,\"y\":60.1},"
                "\"left_eye\":{\"x\":358.0,\"y\":61.0},\"nose\":{\"x\":339.0,\"y\":80.0},"
                "\"mouth\":{\"x\":340.0,\"y\":100.0},\"right_ear\":{\"x\":300.0,\"y\":65.0},"
                "\"left_ear\":{\"x\":381.0,\"y\":66.0}},"
                "\"matched\":false,\"confidence\":0.93},"
                "{\"rect\":{\"top\":1,\"left\":0,\"width\":2,\"height\":3},"
                "\"landmarks\":{\"right_eye\":{\"x\":-1.3,\"y\":0.0},"
                "\"left_eye\":{\"x\":0.0,\"y\":0.0},\"nose\":{\"x\":0.0,\"y\":0.0},"
                "\"mouth\":{\"x\":0.0,\"y\":0.0},\"right_ear\":{\"x\":0.0,\"y\":0.0},"
                "\"left_ear\":{\"x\":0.0,\"y\":0.0}},"
                "\"matched\":false,\"confidence\":0.3333}]}");
}

static void rectangles_have_their_far_corner(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    assert_json(reply_rectangles(&no_faces, &out), &out,
                "{\"Faces\":[],\"Bounds\":{\"Min\":{\"X\":0,\"Y\":0},\"Max\":{\"X\":5,\"Y\":6}}}");
    assert_json(reply_rectangles(&two_faces, &out), &out,
                "{\"Faces\":[{\"Min\":{\"X\":300,\"Y\":40},\"Max\":{\"X\":380,\"Y\":121}},"
                "{\"Min\":{\"X\":0,\"Y\":1},\"Max\":{\"X\":2,\"Y\":4}}],"
                "\"Bounds\":{\"Min\":{\"X\":0,\"Y\":0},\"Max\":{\"X\":640,\"Y\":480}}}");
}

static void a_failure_says_why_in_printable_text(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    assert_json(reply_failure("no \"good\"\n\x80 \xc3\xa4", &out), &out,
                "{\"success\":false,\"error\":\"no \\\"good\\\"?? \xc3\xa4\"}");
}

static void info_and_health_name_the_box(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    assert_json(reply_success(&out), &out, "{\"success\":true}");
    assert_json(reply_info("a-network", &out), &out,
                "{\"success\":true,\"name\":\"facebox\",\"version\":14,\"build\":\"" APP_VERSION
                " a-network\",\"status\":\"ready\"}");
    assert_json(reply_healthz("host-1", &out), &out,
                "{\"success\":true,\"hostname\":\"host-1\",\"metadata\":{\"boxname\":\"facebox\","
                "\"build\":\"" APP_VERSION "\"},\"errors\":[]}");
}

static void the_ceiling_of_the_buffer_holds(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 20);
    assert_int_not_equal(reply_check(&two_faces, &out), APP_OK);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_is_answered_in_the_words_of_the_box),
        cmocka_unit_test(rectangles_have_their_far_corner),
        cmocka_unit_test(a_failure_says_why_in_printable_text),
        cmocka_unit_test(info_and_health_name_the_box),
        cmocka_unit_test(the_ceiling_of_the_buffer_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
