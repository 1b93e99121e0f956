/* SPDX-License-Identifier: MIT */
#include "profiling/profile_stacks.h"

#include <string.h>

#include "support/cmocka.h"

enum { TEXT_MAX = 64 * 1024 };

static size_t resolve(void *context, const struct profile_mapping *mapping, uint64_t address,
                      struct profile_line *lines, size_t max)
{
    (void)context;
    if (!mapping || address == 0x2f00)
        return 0;
    if (address == 0x1300) {
        assert_true(max >= 2);
        lines[0] = (struct profile_line){.function = "inner", .file = "in\033.c", .line = 7};
        lines[1] = (struct profile_line){.function = "outer"};
        return 2;
    }
    lines[0] = (struct profile_line){.function = "wa\nit", .file = "/src/wait.c", .line = 42};
    return 1;
}

static void add(struct profile *profile, const struct profile_frame *frames, size_t depth,
                const struct profile_labels *labels, int64_t count)
{
    assert_int_equal(profile_add(profile, frames, depth, labels, &count), APP_OK);
}

static struct profile *threads_profile(void)
{
    struct profile *profile = profile_new(&profile_kind_goroutine);
    const struct profile_mapping program = {"/usr/bin/emojify-api", "0a1b", 0x1000, 0x9000, 0};
    size_t index;
    assert_int_equal(profile_mapping(profile, &program, &index), APP_OK);
    const struct profile_frame light[] = {{0, 0x1300}, {0, 0x2f00}};
    const struct profile_frame heavy[] = {{0, 0x1100}, {SIZE_MAX, 0}};
    add(profile, light, 2, &(struct profile_labels){.pid = 12}, 1);
    add(profile, heavy, 2, &(struct profile_labels){.pid = 7, .route = "cache"}, 16);
    add(profile, heavy, 1, NULL, 1);
    assert_int_equal(profile_symbolize(profile, resolve, NULL), APP_OK);
    return profile;
}

static void the_heaviest_stack_is_first_and_each_frame_a_line(void **state)
{
    (void)state;
    struct profile *profile = threads_profile();
    struct buf out;
    buf_init(&out, TEXT_MAX);
    assert_int_equal(profile_stacks_text(profile, 0, 10, &out), APP_OK);
    assert_string_equal(out.data, "goroutine: 3 different stacks\n\n"
                                  "16 pid=7 route=cache\n"
                                  "    wa?it  /src/wait.c:42\n"
                                  "    [unknown]\n"
                                  "\n"
                                  "1 pid=12\n"
                                  "    inner  in?.c:7\n"
                                  "    outer\n"
                                  "    [emojify-api]\n"
                                  "\n"
                                  "1\n"
                                  "    wa?it  /src/wait.c:42\n"
                                  "\n");
    buf_release(&out);
    profile_free(&profile);
}

static void only_so_many_stacks_are_written_behind_what_is_there(void **state)
{
    (void)state;
    struct profile *profile = threads_profile();
    struct buf out;
    buf_init(&out, TEXT_MAX);
    assert_int_equal(buf_append_str(&out, "before\n"), APP_OK);
    assert_int_equal(profile_stacks_text(profile, 0, 1, &out), APP_OK);
    assert_string_equal(out.data, "before\ngoroutine: 3 different stacks\n\n"
                                  "16 pid=7 route=cache\n"
                                  "    wa?it  /src/wait.c:42\n"
                                  "    [unknown]\n"
                                  "\n");
    buf_reset(&out);
    assert_int_equal(profile_stacks_text(profile, 0, 0, &out), APP_OK);
    assert_string_equal(out.data, "goroutine: 3 different stacks\n\n");
    buf_release(&out);
    profile_free(&profile);
}

static void an_empty_profile_has_no_stacks(void **state)
{
    (void)state;
    struct profile *profile = profile_new(&profile_kind_threads);
    struct buf out;
    buf_init(&out, TEXT_MAX);
    assert_int_equal(profile_stacks_text(profile, 0, 10, &out), APP_OK);
    assert_string_equal(out.data, "threadcreate: 0 different stacks\n\n");
    buf_release(&out);
    profile_free(&profile);
}

static void what_does_not_fit_is_an_error_wherever_it_ends(void **state)
{
    (void)state;
    struct profile *profile = threads_profile();
    struct buf whole;
    buf_init(&whole, TEXT_MAX);
    assert_int_equal(profile_stacks_text(profile, 0, 10, &whole), APP_OK);
    for (size_t max = 1; max < whole.len; max++) {
        struct buf out;
        buf_init(&out, max);
        assert_int_equal(profile_stacks_text(profile, 0, 10, &out), APP_TOO_LARGE);
        buf_release(&out);
    }
    struct buf enough;
    buf_init(&enough, whole.len);
    assert_int_equal(profile_stacks_text(profile, 0, 10, &enough), APP_OK);
    buf_release(&enough);
    buf_release(&whole);
    profile_free(&profile);
}

static void a_name_without_end_is_cut(void **state)
{
    (void)state;
    struct profile *profile = profile_new(&profile_kind_goroutine);
    char path[PROFILE_MAX_TEXT];
    struct buf out;
    size_t index;
    memset(path, 'n', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    const struct profile_mapping program = {path, "", 0x1000, 0x9000, 0};
    assert_int_equal(profile_mapping(profile, &program, &index), APP_OK);
    add(profile, &(struct profile_frame){index, 0x1100}, 1, NULL, 1);
    buf_init(&out, TEXT_MAX);
    assert_int_equal(profile_stacks_text(profile, 0, 10, &out), APP_OK);
    assert_in_range(out.len, 200, 400);
    buf_release(&out);
    profile_free(&profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heaviest_stack_is_first_and_each_frame_a_line),
        cmocka_unit_test(only_so_many_stacks_are_written_behind_what_is_there),
        cmocka_unit_test(an_empty_profile_has_no_stacks),
        cmocka_unit_test(what_does_not_fit_is_an_error_wherever_it_ends),
        cmocka_unit_test(a_name_without_end_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
