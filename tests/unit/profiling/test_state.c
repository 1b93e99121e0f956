/* SPDX-License-Identifier: MIT */
#include "profiling/state.h"

#include <stdio.h>
#include <string.h>

#include "support/cmocka.h"

static const char written[] =
    "{\"pid\":1234,\"version\":\"1.2\",\"hz\":100,\"windows\":2,\"toggle\":true,"
    "\"toggle_left_s\":59,\"ring\":false,\"samples\":18446744073709551615,\"dropped\":3}";

static struct state example(void)
{
    struct state state = {
        .pid = 1234,
        .sampler = {.hz = 100,
                    .windows = 2,
                    .toggle = true,
                    .toggle_left_s = 59,
                    .samples = UINT64_MAX,
                    .dropped = 3},
    };
    state_set_version(&state, "1.2");
    return state;
}

static void a_state_is_an_object_of_json(void **state)
{
    (void)state;
    const struct state written_state = example();
    struct buf out;
    buf_init(&out, 1024);
    assert_int_equal(state_write(&written_state, &out), APP_OK);
    assert_string_equal(out.data, written);
    buf_release(&out);
}

static void several_are_an_array_with_those_that_did_not_answer(void **state)
{
    (void)state;
    const struct state states[] = {{.pid = 7, .err = APP_UPSTREAM_TIMEOUT}, example()};
    char expected[512];
    struct buf out;
    buf_init(&out, 1024);
    assert_int_equal(state_write_all(states, 0, &out), APP_OK);
    assert_string_equal(out.data, "[]");
    buf_reset(&out);
    (void)snprintf(expected, sizeof(expected), "[{\"pid\":7,\"error\":\"upstream-timeout\"},%s]",
                   written);
    assert_int_equal(state_write_all(states, 2, &out), APP_OK);
    assert_string_equal(out.data, expected);
    buf_release(&out);
}

static void assert_is_example(const char *text)
{
    const struct state expected = example();
    struct state read;
    memset(&read, 'x', sizeof(read));
    assert_true(state_read(text, strlen(text), &read));
    assert_int_equal(read.err, APP_OK);
    assert_int_equal(read.pid, expected.pid);
    assert_string_equal(read.version, expected.version);
    assert_int_equal(read.sampler.hz, expected.sampler.hz);
    assert_int_equal(read.sampler.windows, expected.sampler.windows);
    assert_true(read.sampler.toggle);
    assert_int_equal(read.sampler.toggle_left_s, expected.sampler.toggle_left_s);
    assert_false(read.sampler.ring);
    assert_true(read.sampler.samples == expected.sampler.samples);
    assert_int_equal(read.sampler.dropped, expected.sampler.dropped);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    char later[512];
    assert_is_example(written);
    (void)snprintf(later, sizeof(later), "%.*s,\"more\":[1,{}]}", (int)strlen(written) - 1,
                   written);
    assert_is_example(later);
}

static void nothing_else_is(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "{",
        "OK",
        "[]",
        "{\"pid\":1}",
        "{\"pid\":1,\"error\":\"busy\"}",
        "{\"pid\":1,\"version\":\"\",\"hz\":0,\"windows\":0,\"toggle\":true,"
        "\"toggle_left_s\":0,\"ring\":true,\"samples\":0,\"dropped\":0}"};
    char cut[sizeof(written)];
    struct state read;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (state_read(others[i], strlen(others[i]), &read))
            fail_msg("read: %s", others[i]);
    size_t end = (size_t)(strstr(written, "3}") - written);
    for (size_t len = 0; len <= end; len++) {
        memcpy(cut, written, len);
        if (state_read(cut, len, &read))
            fail_msg("read: %.*s", (int)len, cut);
    }
    char large[4096];
    (void)snprintf(large, sizeof(large), "%s%2000s", written, "");
    assert_false(state_read(large, strlen(large), &read));
}

static void a_version_is_harmless_in_json_and_html(void **state)
{
    (void)state;
    struct state read;
    char large[2 * STATE_VERSION_MAX + 1];
    state_set_version(&read, "1.2~rc1+git \"<b>&\\\n\xc3\xa4'");
    assert_string_equal(read.version, "1.2~rc1+git___b_______");
    state_set_version(&read, NULL);
    assert_string_equal(read.version, "unknown");
    state_set_version(&read, "");
    assert_string_equal(read.version, "unknown");
    memset(large, '1', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    state_set_version(&read, large);
    assert_int_equal(strlen(read.version), STATE_VERSION_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_is_an_object_of_json),
        cmocka_unit_test(several_are_an_array_with_those_that_did_not_answer),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(nothing_else_is),
        cmocka_unit_test(a_version_is_harmless_in_json_and_html),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
