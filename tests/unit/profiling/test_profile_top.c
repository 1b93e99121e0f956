/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <string.h>

#include "profiling/profile_top.h"

static size_t resolve(void *context, const struct profile_mapping *mapping, uint64_t address,
                      struct profile_line *lines, size_t max)
{
    (void)context, (void)mapping, (void)max;
    if (address == 0x2f00)
        return 0;
    if (address == 0x1300) {
        lines[0] = (struct profile_line){.function = "inner"};
        lines[1] = (struct profile_line){.function = "outer"};
        return 2;
    }
    lines[0] = (struct profile_line){.function = address == 0x1500 ? "rec\nursive" : "main"};
    return 1;
}

static void add(struct profile *profile, const struct profile_frame *frames, size_t depth,
                int64_t count)
{
    const int64_t values[] = {count, count * 10000000};
    assert_int_equal(profile_add(profile, frames, depth, NULL, values), APP_OK);
}

static struct profile *sample_profile(void)
{
    struct profile *profile = profile_new(&profile_kind_cpu);
    const struct profile_mapping program = {"/usr/bin/emojify-api", "0a1b", 0x1000, 0x9000, 0};
    const struct profile_mapping library = {"/lib/libz.so.1", "c0ffee", 0x2000, 0x8000, 0};
    size_t index;
    assert_int_equal(profile_mapping(profile, &program, &index), APP_OK);
    assert_int_equal(profile_mapping(profile, &library, &index), APP_OK);
    const struct profile_frame inlined[] = {{0, 0x1300}, {0, 0x1100}};
    const struct profile_frame recursion[] = {{0, 0x1500}, {0, 0x1500}, {0, 0x1500}, {0, 0x1100}};
    const struct profile_frame nameless[] = {{1, 0x2f00}, {0, 0x1100}};
    const struct profile_frame stray[] = {{SIZE_MAX, 0}, {0, 0x1100}};
    add(profile, inlined, 2, 150);
    add(profile, recursion, 4, 30);
    add(profile, nameless, 2, 12);
    add(profile, stray, 2, 8);
    profile_set_time(profile, 1, 5000000000, 10000000);
    assert_int_equal(profile_add_comment(profile, "processes 1/1"), APP_OK);
    return profile;
}

static void the_table_is_that_of_pprof(void **state)
{
    (void)state;
    struct profile *profile = sample_profile();
    struct buf out;
    buf_init(&out, 65536);
    /* Without names, frames are known by their files. */
    assert_int_equal(profile_top_text(profile, 1, 10, &out), APP_OK);
    assert_non_null(strstr(out.data, "[emojify-api]"));
    assert_non_null(strstr(out.data, "[unknown]"));
    buf_reset(&out);

    assert_int_equal(profile_symbolize(profile, resolve, NULL), APP_OK);
    assert_int_equal(profile_top_text(profile, 1, 10, &out), APP_OK);
    assert_string_equal(out.data, "processes 1/1\n"
                                  "Type: cpu\n"
                                  "Duration: 5s, Total samples = 2s (40%)\n"
                                  "Showing 5 of 5 functions\n"
                                  "      flat  flat%   sum%        cum   cum%\n"
                                  "      1.5s 75.00% 75.00%       1.5s 75.00%  inner\n"
                                  "     300ms 15.00% 90.00%      300ms 15.00%  rec?ursive\n"
                                  "     120ms  6.00% 96.00%      120ms  6.00%  [libz.so.1]\n"
                                  "      80ms  4.00% 100.00%         2s 100.00%  main\n"
                                  "         0  0.00% 100.00%       1.5s 75.00%  outer\n");
    profile_free(&profile);
    buf_release(&out);
}

static void only_so_many_rows_are_written_and_counts_have_no_unit(void **state)
{
    (void)state;
    struct profile *profile = sample_profile();
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(profile_symbolize(profile, resolve, NULL), APP_OK);
    assert_int_equal(profile_top_text(profile, 0, 1, &out), APP_OK);
    assert_non_null(strstr(out.data, "Duration: 5s, Total samples = 200\n"
                                     "Showing 1 of 5 functions\n"));
    assert_non_null(strstr(out.data, "       150 75.00% 75.00%        150 75.00%  inner\n"));
    assert_null(strstr(out.data, "ursive"));
    profile_free(&profile);
    buf_release(&out);
}

static void an_empty_profile_has_an_empty_table(void **state)
{
    (void)state;
    struct profile *profile = profile_new(&profile_kind_heap);
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(profile_top_text(profile, 3, 10, &out), APP_OK);
    assert_string_equal(out.data, "Type: inuse_space\n"
                                  "Showing 0 of 0 functions\n"
                                  "      flat  flat%   sum%        cum   cum%\n");
    profile_free(&profile);
    buf_release(&out);
}

static void numbers_are_in_the_largest_unit_that_fits(void **state)
{
    (void)state;
    struct profile *profile = profile_new(&profile_kind_heap);
    static const int64_t sizes[] = {1023, 1024, 1536, 1048576, INT64_C(5368709120), -2048};
    static const char *const texts[] = {" 1023B ", " 1kB ", " 1.5kB ", " 1MB ", " 5GB ", " -2kB "};
    for (size_t i = 0; i < 6; i++) {
        const struct profile_mapping file = {"/lib/x.so", "", i, i, 0};
        struct profile_frame frame = {0, i};
        const int64_t values[] = {0, 0, 1, sizes[i]};
        assert_int_equal(profile_mapping(profile, &file, &frame.mapping), APP_OK);
        assert_int_equal(profile_add(profile, &frame, 1, NULL, values), APP_OK);
    }
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(profile_top_text(profile, 3, 10, &out), APP_OK);
    for (size_t i = 0; i < 6; i++) {
        if (!strstr(out.data, texts[i]))
            fail_msg("%s not in\n%s", texts[i], out.data);
    }
    profile_free(&profile);
    buf_release(&out);
}

static void a_buffer_that_is_too_small_is_an_error(void **state)
{
    (void)state;
    struct profile *profile = sample_profile();
    struct buf out;
    for (size_t max = 0; max < 200; max += 7) {
        buf_init(&out, max);
        assert_int_equal(profile_top_text(profile, 1, 10, &out), APP_TOO_LARGE);
        buf_release(&out);
    }
    profile_free(&profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_that_of_pprof),
        cmocka_unit_test(only_so_many_rows_are_written_and_counts_have_no_unit),
        cmocka_unit_test(an_empty_profile_has_an_empty_table),
        cmocka_unit_test(numbers_are_in_the_largest_unit_that_fits),
        cmocka_unit_test(a_buffer_that_is_too_small_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
