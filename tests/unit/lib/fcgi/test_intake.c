/* SPDX-License-Identifier: MIT */
/*
 * Records by hand. What comes of them is told in words, and must be the same whether they
 * come at once or byte by byte.
 */
#include "lib/fcgi/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BEGIN(id, role, flags) "\1\1\0" id "\0\10\0\0\0" role flags "\0\0\0\0\0"
#define GET(id)                "\1\4\0" id "\0\23\0\0\16\3REQUEST_METHODGET"
#define POST(id, digit)        "\1\4\0" id "\0\45\0\0\16\4REQUEST_METHODPOST\16\1CONTENT_LENGTH" digit
#define PUT(id)                "\1\4\0" id "\0\23\0\0\16\3REQUEST_METHODPUT"
#define END_PARAMS(id)         "\1\4\0" id "\0\0\0\0"
#define STDIN_4(id, text)      "\1\5\0" id "\0\4\0\0" text
#define END_STDIN(id)          "\1\5\0" id "\0\0\0\0"
#define ABORT(id)              "\1\2\0" id "\0\0\0\0"

enum { BODY_MAX = 1000, STORY_MAX = 4096 };

struct story {
    char text[STORY_MAX];
    size_t len;
};

static void tell(struct story *story, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(struct story *story, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len =
        vsnprintf(story->text + story->len, sizeof(story->text) - story->len, format, arguments);
    va_end(arguments);
    story->len += (size_t)len;
    assert_true(story->len < sizeof(story->text));
}

static void tell_reply(struct story *story, struct intake *intake)
{
    static const char *const statuses[] = {"complete", "cannot multiplex", "overloaded",
                                           "unknown role"};
    for (size_t at = 0; at < intake->reply_len;) {
        const unsigned char *record = intake->reply + at;
        size_t len = (size_t)record[4] << 8 | record[5];
        if (record[1] == FCGI_END_REQUEST)
            tell(story, "[end %d %s]", record[2] << 8 | record[3], statuses[record[12]]);
        else if (record[1] == FCGI_UNKNOWN_TYPE)
            tell(story, "[unknown type %d]", record[8]);
        else
            tell(story, "[values %zu]", len);
        at += FCGI_HEADER_LEN + len;
    }
    intake->reply_len = 0;
}

static void tell_request(struct story *story, const struct intake *intake)
{
    tell(story, "[%d%s%s", intake->id, intake->keep ? " keep" : "",
         intake->ended   ? ""
         : intake->whole ? " early"
                         : " not whole");
    if (intake->body_err)
        tell(story, " %s]", app_err_slug(intake->body_err));
    else
        tell(story, " \"%s\"]", intake->body.data ? intake->body.data : "");
}

/* Feed `step` bytes at a time. */
static void feed(struct story *story, struct intake *intake, const char *data, size_t len,
                 size_t step)
{
    size_t used = 0;
    while (used < len && intake->state <= INTAKE_FULL) {
        size_t some = len - used < step ? len - used : step;
        char *exact = malloc(some + 1);
        assert_non_null(exact);
        memcpy(exact, data + used, some);
        used += intake_feed(intake, exact, some);
        free(exact);
        tell_reply(story, intake);
        if (intake->state == INTAKE_FULL)
            intake_fail(intake, APP_UNAVAILABLE);
        if (intake->state == INTAKE_READY) {
            tell_request(story, intake);
            assert_int_equal(intake->limits->budget->used, 0);
            intake_next(intake);
        }
    }
    if (intake->state == INTAKE_CLOSE)
        tell(story, "[close]");
    if (intake->state == INTAKE_BROKEN)
        tell(story, "[%s]", intake->reason);
}

static void assert_story_of(const char *data, size_t len, size_t step, size_t memory,
                            const char *expected)
{
    struct budget budget = {.max = memory};
    const struct intake_limits limits = {BODY_MAX, &budget, 100};
    struct intake intake;
    struct story story = {.text = ""};
    intake_init(&intake, &limits);
    feed(&story, &intake, data, len, step);
    assert_string_equal(story.text, expected);
    intake_release(&intake);
    assert_int_equal(budget.used, 0);
}

static void assert_story(const char *data, size_t len, const char *expected)
{
    assert_story_of(data, len, len, 1 << 20, expected);
    assert_story_of(data, len, 1, 1 << 20, expected);
    assert_story_of(data, len, 7, 1 << 20, expected);
}

#define ASSERT_STORY(literal, expected) assert_story(literal, sizeof(literal) - 1, expected)

static void a_whole_request_is_ready(void **state)
{
    (void)state;
    ASSERT_STORY(BEGIN("\1", "\1", "\0") PUT("\1") END_PARAMS("\1") END_STDIN("\1"), "[1 \"\"]");
    ASSERT_STORY(BEGIN("\1", "\1", "\1") PUT("\1") END_PARAMS("\1") STDIN_4("\1", "body")
                     STDIN_4("\1", "more") END_STDIN("\1"),
                 "[1 keep \"bodymore\"]");
    ASSERT_STORY("\1\1\377\377\0\10\0\0\0\1\0\0\0\0\0\0"
                 "\1\4\377\377\0\0\0\0\1\5\377\377\0\0\0\0",
                 "[65535 \"\"]");
}

static void padding_is_skipped_everywhere(void **state)
{
    (void)state;
    ASSERT_STORY("\1\1\0\1\0\10\2\0\0\1\1\0\0\0\0\0zz"
                 "\1\4\0\1\0\2\3\0\0\0zzz"
                 "\1\4\0\1\0\0\4\0zzzz"
                 "\1\5\0\1\0\4\1\0bodyz"
                 "\1\5\0\1\0\0\5\0zzzzz" BEGIN("\2", "\1", "\0") END_PARAMS("\2") END_STDIN("\2"),
                 "[1 keep \"body\"][2 \"\"]");
}

/* A body that is here by its length is not waited for; its stream's end is skipped later. */
static void a_body_is_whole_by_its_length_or_its_end(void **state)
{
    (void)state;
    ASSERT_STORY(BEGIN("\1", "\1", "\1") GET("\1") END_PARAMS("\1"), "[1 keep early \"\"]");
    static const char post[] =
        BEGIN("\1", "\1", "\1") POST("\1", "4") END_PARAMS("\1") STDIN_4("\1", "body");
    assert_story(post, sizeof(post) - 1, "[1 keep early \"body\"]");
    static const char two[] =
        BEGIN("\1", "\1", "\1") POST("\1", "4") END_PARAMS("\1") STDIN_4("\1", "body")
            END_STDIN("\1") BEGIN("\1", "\1", "\0") GET("\1") END_PARAMS("\1") END_STDIN("\1");
    assert_story_of(two, sizeof(two) - 1, sizeof(two), 1 << 20, "[1 keep \"body\"][1 \"\"]");
    assert_story_of(two, sizeof(two) - 1, 1, 1 << 20, "[1 keep early \"body\"][1 early \"\"]");
    ASSERT_STORY(BEGIN("\1", "\1", "\1") PUT("\1") END_PARAMS("\1") STDIN_4("\1", "body"), "");
    ASSERT_STORY(BEGIN("\1", "\1", "\1") POST("\1", "9") END_PARAMS("\1") STDIN_4("\1", "body"),
                 "");
    ASSERT_STORY(BEGIN("\1", "\1", "\1") POST("\1", "9") END_PARAMS("\1") STDIN_4("\1", "body")
                     END_STDIN("\1"),
                 "[1 keep \"body\"]");
}

static void a_body_that_cannot_be_taken_is_not_waited_for(void **state)
{
    (void)state;
    ASSERT_STORY(
        BEGIN("\1", "\1", "\1") "\1\4\0\1\0\24\0\0\16\4CONTENT_LENGTH1001" END_PARAMS("\1"),
        "[1 keep not whole too-large]");
    enum { PIECES = BODY_MAX / 4 };
    static const char beginning[] = BEGIN("\1", "\1", "\0") END_PARAMS("\1");
    static const char piece[] = STDIN_4("\1", "body");
    char data[sizeof(beginning) + (PIECES + 1) * sizeof(piece)];
    size_t len = sizeof(beginning) - 1;
    memcpy(data, beginning, len);
    for (int i = 0; i <= PIECES; i++, len += sizeof(piece) - 1)
        memcpy(data + len, piece, sizeof(piece) - 1);
    assert_story(data, len, "[1 not whole too-large]");
    assert_story_of(data, len, len, 100, "[1 not whole unavailable]");
}

static void questions_are_answered_at_once_and_at_any_time(void **state)
{
    (void)state;
#define QUESTION "\1\11\0\0\0\21\7\0\17\0FCGI_MPXS_CONNSzzzzzzz"
#define UNKNOWN  "\1\14\0\0\0\1\0\0x"
    ASSERT_STORY(QUESTION, "[values 18]");
    ASSERT_STORY("\1\11\0\0\0\0\0\0" UNKNOWN, "[values 0][unknown type 12]");
    ASSERT_STORY("\1\5\0\0\0\0\0\0", "[unknown type 5]");
    ASSERT_STORY(BEGIN("\1", "\1", "\0") QUESTION PUT("\1") UNKNOWN END_PARAMS("\1")
                     QUESTION STDIN_4("\1", "body") QUESTION END_STDIN("\1"),
                 "[values 18][unknown type 12][values 18][values 18][1 \"body\"]");
    char many[100 * (sizeof(QUESTION) - 1)];
    for (size_t i = 0; i < 100; i++)
        memcpy(many + i * (sizeof(QUESTION) - 1), QUESTION, sizeof(QUESTION) - 1);
    char expected[100 * sizeof("[values 18]")] = "";
    for (size_t i = 0; i < 100; i++)
        memcpy(expected + i * (sizeof("[values 18]") - 1), "[values 18]", sizeof("[values 18]"));
    assert_story(many, sizeof(many), expected);
    char large[FCGI_HEADER_LEN + 65535] = "\1\11\0\0\377\377\0\0";
    assert_story(large, sizeof(large), "[values 0]");
}

static void other_roles_are_refused(void **state)
{
    (void)state;
    ASSERT_STORY(BEGIN("\1", "\2", "\0") PUT("\1"), "[end 1 unknown role][close]");
    ASSERT_STORY(BEGIN("\1", "\3", "\1") PUT("\1") END_PARAMS("\1") END_STDIN("\1")
                     BEGIN("\2", "\1", "\0") PUT("\2") END_PARAMS("\2") END_STDIN("\2"),
                 "[end 1 unknown role][2 \"\"]");
}

static void a_second_request_is_refused_while_one_is_read(void **state)
{
    (void)state;
    ASSERT_STORY(BEGIN("\1", "\1", "\1") BEGIN("\2", "\1", "\1") PUT("\1") PUT("\2")
                     END_PARAMS("\1") END_PARAMS("\2") STDIN_4("\1", "none") STDIN_4("\2", "ofit")
                         END_STDIN("\2") END_STDIN("\1"),
                 "[end 2 cannot multiplex][1 keep \"none\"]");
    ASSERT_STORY(BEGIN("\1", "\1", "\1") PUT("\1") END_PARAMS("\1") END_STDIN("\1")
                     BEGIN("\2", "\1", "\1") PUT("\2") END_PARAMS("\2") END_STDIN("\2"),
                 "[1 keep \"\"][2 keep \"\"]");
}

static void an_abort_ends_the_request_that_is_read(void **state)
{
    (void)state;
    ASSERT_STORY(BEGIN("\1", "\1", "\0") PUT("\1") ABORT("\1"), "[end 1 complete][close]");
    ASSERT_STORY(BEGIN("\1", "\1", "\1") POST("\1", "8") END_PARAMS("\1") STDIN_4("\1", "half")
                     ABORT("\1") BEGIN("\1", "\1", "\1") PUT("\1") END_PARAMS("\1") END_STDIN("\1"),
                 "[end 1 complete][1 keep \"\"]");
    ASSERT_STORY(BEGIN("\1", "\1", "\1") PUT("\1") ABORT("\2") END_PARAMS("\1") END_STDIN("\1"),
                 "[1 keep \"\"]");
}

static void records_of_no_request_are_skipped(void **state)
{
    (void)state;
    ASSERT_STORY(END_PARAMS("\1") STDIN_4("\3", "what") ABORT("\1") "\1\10\0\1\0\2\0\0xy", "");
    ASSERT_STORY(BEGIN("\1", "\1", "\0") PUT("\1")
                     END_PARAMS("\1") "\1\10\0\1\0\2\0\0xy"
                                      "\1\10\0\1\0\0\0\0" END_STDIN("\1"),
                 "[1 \"\"]");
}

static void what_is_not_fastcgi_is_said(void **state)
{
    (void)state;
    ASSERT_STORY("GET / HTTP/1.1\r\n\r\n", "[not FastCGI version 1]");
    ASSERT_STORY("\1\1\0\1\0\7\1\0\0\1\0\0\0\0\0\0", "[a BEGIN_REQUEST of a wrong length]");
    ASSERT_STORY("\1\1\0\1\0\0\0\0", "[a BEGIN_REQUEST of a wrong length]");
    ASSERT_STORY(BEGIN("\1", "\1", "\0") BEGIN("\1", "\1", "\0"),
                 "[a second BEGIN_REQUEST of one request]");
    ASSERT_STORY(BEGIN("\1", "\1", "\0") END_STDIN("\1"), "[STDIN before the end of PARAMS]");
    ASSERT_STORY(BEGIN("\1", "\1", "\0") PUT("\1") END_PARAMS("\1") END_PARAMS("\1"),
                 "[PARAMS behind their end]");
}

static void variables_beyond_the_limit_are_cut(void **state)
{
    (void)state;
    struct budget budget = {.max = 1 << 20};
    const struct intake_limits limits = {BODY_MAX, &budget, 100};
    static char record[FCGI_HEADER_LEN + 50000] = "\1\4\0\1\303\120\0\0";
    static const char begin[] = BEGIN("\1", "\1", "\0"), end[] = END_PARAMS("\1") END_STDIN("\1");
    for (int i = 0; i < 2; i++) {
        struct intake intake;
        intake_init(&intake, &limits);
        assert_int_equal(intake_feed(&intake, begin, sizeof(begin) - 1), sizeof(begin) - 1);
        int fed = 0;
        for (; fed < (i == 0 ? 10 : 100) && intake.state == INTAKE_PARAMS; fed++)
            (void)intake_feed(&intake, record, sizeof(record));
        if (i == 0) {
            (void)intake_feed(&intake, end, sizeof(end) - 1);
            assert_int_equal(intake.state, INTAKE_READY);
            assert_true(intake.params_cut);
            assert_true(intake.params.len <= INTAKE_PARAMS_MAX);
        } else {
            assert_int_equal(intake.state, INTAKE_BROKEN);
            assert_int_equal(fed, INTAKE_PARAMS_END / 50000 + 1);
        }
        intake_release(&intake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_request_is_ready),
        cmocka_unit_test(padding_is_skipped_everywhere),
        cmocka_unit_test(a_body_is_whole_by_its_length_or_its_end),
        cmocka_unit_test(a_body_that_cannot_be_taken_is_not_waited_for),
        cmocka_unit_test(questions_are_answered_at_once_and_at_any_time),
        cmocka_unit_test(other_roles_are_refused),
        cmocka_unit_test(a_second_request_is_refused_while_one_is_read),
        cmocka_unit_test(an_abort_ends_the_request_that_is_read),
        cmocka_unit_test(records_of_no_request_are_skipped),
        cmocka_unit_test(what_is_not_fastcgi_is_said),
        cmocka_unit_test(variables_beyond_the_limit_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
