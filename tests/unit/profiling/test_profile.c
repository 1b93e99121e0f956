/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdio.h>
#include <string.h>

#include "profiling/profile.h"

static const struct profile_mapping program = {
    .path = "/usr/bin/emojify-api", .build_id = "0a1b", .start = 0x1000, .limit = 0x9000};
static const struct profile_mapping library = {
    .path = "/lib/libc.so.6", .build_id = "c0ffee", .start = 0x2000, .limit = 0x8000};

static struct profile *new_cpu(void)
{
    struct profile *profile = profile_new(&profile_kind_cpu);
    size_t index = 77;
    assert_non_null(profile);
    assert_int_equal(profile_mapping(profile, &program, &index), APP_OK);
    assert_int_equal(index, 0);
    assert_int_equal(profile_mapping(profile, &library, &index), APP_OK);
    assert_int_equal(index, 1);
    return profile;
}

static void add(struct profile *profile, uint64_t leaf, uint64_t caller, int64_t pid,
                const char *route, int64_t count)
{
    const struct profile_frame frames[] = {{1, leaf}, {0, caller}};
    const struct profile_labels labels = {.pid = pid, .route = route};
    const int64_t values[] = {count, count * 10000000};
    assert_int_equal(profile_add(profile, frames, 2, &labels, values), APP_OK);
}

/* Names that say what was asked: mapping's first letter and the address. */
static size_t resolve_by_address(void *context, const struct profile_mapping *mapping,
                                 uint64_t address, struct profile_line *lines, size_t max)
{
    static char text[64];
    size_t *calls = context;
    if (calls)
        ++*calls;
    assert_true(max >= 1);
    (void)snprintf(text, sizeof(text), "%s_%llx", mapping ? "known" : "unknown",
                   (unsigned long long)address);
    lines[0] = (struct profile_line){.function = text, .file = "a.c", .line = 7};
    return 1;
}

static void a_new_profile_is_empty(void **state)
{
    (void)state;
    struct profile *profile = profile_new(&profile_kind_heap);
    assert_non_null(profile);
    assert_int_equal(profile_sample_count(profile), 0);
    assert_int_equal(profile_total(profile, 3), 0);
    assert_int_equal(profile_dropped(profile), 0);
    assert_int_equal(profile_mapping_count(profile), 0);
    assert_ptr_equal(profile_kind_of(profile), &profile_kind_heap);
    profile_free(&profile);
    assert_null(profile);
    profile_free(&profile);
}

static void the_value_shown_first_is_the_kinds_or_the_last(void **state)
{
    (void)state;
    assert_int_equal(profile_value_default(&profile_kind_cpu), 1);
    assert_int_equal(profile_value_default(&profile_kind_heap), 3);
    assert_int_equal(profile_value_index(&profile_kind_heap, "inuse_objects"), 2);
    assert_true(profile_value_index(&profile_kind_heap, "cpu") == SIZE_MAX);
}

static void equal_samples_are_summed(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    add(profile, 0x2100, 0x1100, 5, "/cache", 1);
    add(profile, 0x2100, 0x1100, 5, "/cache", 2);
    assert_int_equal(profile_sample_count(profile), 1);
    assert_int_equal(profile_total(profile, 0), 3);
    assert_int_equal(profile_total(profile, 1), 30000000);
    profile_free(&profile);
}

static void samples_that_differ_in_a_label_stay_apart(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    add(profile, 0x2100, 0x1100, 5, "/cache", 1);
    add(profile, 0x2100, 0x1100, 6, "/cache", 1);
    add(profile, 0x2100, 0x1100, 5, "/", 1);
    add(profile, 0x2100, 0x1100, 5, NULL, 1);
    assert_int_equal(profile_sample_count(profile), 4);

    struct profile_sample_view view;
    profile_sample_at(profile, 2, &view);
    assert_int_equal(view.labels->pid, 5);
    assert_string_equal(view.labels->route, "/");
    assert_int_equal(view.depth, 2);
    profile_sample_at(profile, 3, &view);
    assert_null(view.labels->route);
    profile_free(&profile);
}

static void a_sample_without_labels_and_frames_is_kept(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    const int64_t values[] = {1, 2};
    assert_int_equal(profile_add(profile, NULL, 0, NULL, values), APP_OK);
    assert_int_equal(profile_add(profile, NULL, 0, NULL, values), APP_OK);
    assert_int_equal(profile_sample_count(profile), 1);
    assert_int_equal(profile_total(profile, 1), 4);
    profile_free(&profile);
}

static void a_stack_that_is_too_deep_loses_its_outermost_frames(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    struct profile_frame frames[PROFILE_MAX_DEPTH + 1];
    const int64_t values[] = {1, 1};
    struct profile_sample_view view;
    for (size_t i = 0; i < PROFILE_MAX_DEPTH + 1; i++)
        frames[i] = (struct profile_frame){0, 0x1000 + i};
    for (size_t depth = PROFILE_MAX_DEPTH - 1; depth <= PROFILE_MAX_DEPTH + 1; depth++)
        assert_int_equal(profile_add(profile, frames, depth, NULL, values), APP_OK);
    assert_int_equal(profile_sample_count(profile), 2);
    profile_sample_at(profile, 1, &view);
    assert_int_equal(view.depth, PROFILE_MAX_DEPTH);
    assert_int_equal(view.values[0], 2);

    const struct profile_line *lines;
    uint64_t address = 1;
    assert_int_equal(profile_frame_lines(profile, 1, 0, &lines, &address), 0);
    assert_int_equal(address, 0x1000);
    profile_free(&profile);
}

static void one_sample_more_than_fits_is_counted_as_dropped(void **state)
{
    (void)state;
    struct profile *profile = profile_new(&profile_kind_threads);
    struct profile_frame frame = {SIZE_MAX, 0x1};
    const int64_t value = 1;
    for (int64_t pid = 1; pid <= PROFILE_MAX_SAMPLES; pid++) {
        const struct profile_labels labels = {.pid = pid};
        if (profile_add(profile, &frame, 1, &labels, &value) != APP_OK)
            fail();
    }
    assert_int_equal(profile_dropped(profile), 0);
    assert_int_equal(profile_add(profile, &frame, 1, NULL, &value), APP_OK);
    assert_int_equal(profile_dropped(profile), 1);
    assert_int_equal(profile_sample_count(profile), PROFILE_MAX_SAMPLES);
    /* An equal one still fits. */
    const struct profile_labels first = {.pid = 1};
    assert_int_equal(profile_add(profile, &frame, 1, &first, &value), APP_OK);
    assert_int_equal(profile_dropped(profile), 1);
    profile_free(&profile);
}

static void one_mapping_more_than_fits_is_refused(void **state)
{
    (void)state;
    struct profile *profile = profile_new(&profile_kind_cpu);
    struct profile_mapping mapping = {.path = "/a", .build_id = ""};
    size_t index = 0;
    for (size_t i = 0; i < PROFILE_MAX_MAPPINGS; i++) {
        mapping.start = i;
        if (profile_mapping(profile, &mapping, &index) != APP_OK || index != i)
            fail();
    }
    mapping.start = PROFILE_MAX_MAPPINGS;
    assert_int_equal(profile_mapping(profile, &mapping, &index), APP_TOO_LARGE);
    assert_int_equal(index, PROFILE_MAX_MAPPINGS - 1);
    profile_free(&profile);
}

static void files_are_the_same_by_build_id_else_by_path(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    struct profile_mapping moved = program;
    struct profile_mapping rebuilt = program;
    struct profile_mapping plain = {.path = "/x", .build_id = ""};
    struct profile_mapping other = {.path = "/y", .build_id = NULL};
    size_t index;
    moved.path = "/opt/emojify-api";
    rebuilt.build_id = "ffff";
    assert_int_equal(profile_mapping(profile, &moved, &index), APP_OK);
    assert_int_equal(index, 0);
    assert_int_equal(profile_mapping(profile, &rebuilt, &index), APP_OK);
    assert_int_equal(index, 2);
    assert_int_equal(profile_mapping(profile, &plain, &index), APP_OK);
    assert_int_equal(index, 3);
    assert_int_equal(profile_mapping(profile, &other, &index), APP_OK);
    assert_int_equal(index, 4);
    assert_string_equal(profile_mapping_at(profile, 4)->build_id, "");
    assert_string_equal(profile_mapping_at(profile, 0)->path, "/usr/bin/emojify-api");
    profile_free(&profile);
}

static void text_that_is_not_utf8_is_replaced_and_long_text_cut(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    char text[PROFILE_MAX_TEXT + 2];
    assert_int_equal(profile_add_comment(profile, "a\xff\xc3\xa9\xc3"), APP_OK);
    assert_string_equal(profile_comment_at(profile, 0), "a?\xc3\xa9?");

    memset(text, 'x', sizeof(text));
    text[PROFILE_MAX_TEXT + 1] = '\0';
    assert_int_equal(profile_add_comment(profile, text), APP_OK);
    assert_int_equal(strlen(profile_comment_at(profile, 1)), PROFILE_MAX_TEXT);
    text[PROFILE_MAX_TEXT - 1] = '\xc3'; /* a character across the ceiling goes whole */
    text[PROFILE_MAX_TEXT] = '\xa9';
    assert_int_equal(profile_add_comment(profile, text), APP_OK);
    assert_int_equal(strlen(profile_comment_at(profile, 2)), PROFILE_MAX_TEXT - 1);
    profile_free(&profile);
}

static void comments_are_kept_once_and_up_to_their_number(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    char text[32];
    for (int i = 0; i < PROFILE_MAX_COMMENTS + 1; i++) {
        (void)snprintf(text, sizeof(text), "comment %d", i);
        assert_int_equal(profile_add_comment(profile, text), APP_OK);
        assert_int_equal(profile_add_comment(profile, text), APP_OK);
    }
    assert_int_equal(profile_comment_count(profile), PROFILE_MAX_COMMENTS);
    profile_free(&profile);
}

static void a_merge_sums_equal_samples_of_siblings(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    struct profile *other = profile_new(&profile_kind_cpu);
    size_t index;
    /* Known there in another order. */
    assert_int_equal(profile_mapping(other, &library, &index), APP_OK);
    assert_int_equal(profile_mapping(other, &program, &index), APP_OK);
    const struct profile_frame frames[] = {{0, 0x2100}, {1, 0x1100}};
    const int64_t values[] = {4, 40000000};
    assert_int_equal(profile_add(other, frames, 2, NULL, values), APP_OK);
    add(profile, 0x2100, 0x1100, 0, NULL, 1);
    add(profile, 0x2200, 0x1100, 0, NULL, 1);

    assert_int_equal(profile_merge(profile, other), APP_OK);
    assert_int_equal(profile_mapping_count(profile), 2);
    assert_int_equal(profile_sample_count(profile), 2);
    assert_int_equal(profile_total(profile, 0), 6);
    profile_free(&profile);
    profile_free(&other);
}

static void a_merge_keeps_the_earliest_time_and_the_longest_duration(void **state)
{
    (void)state;
    struct profile *profile = profile_new(&profile_kind_cpu);
    struct profile *other = profile_new(&profile_kind_cpu);
    profile_set_time(profile, 1000, 5, 10);
    profile_set_time(other, 900, 4, 20);
    assert_int_equal(profile_add_comment(profile, "a"), APP_OK);
    assert_int_equal(profile_add_comment(other, "a"), APP_OK);
    assert_int_equal(profile_add_comment(other, "b"), APP_OK);
    assert_int_equal(profile_merge(profile, other), APP_OK);
    assert_int_equal(profile_time_ns(profile), 900);
    assert_int_equal(profile_duration_ns(profile), 5);
    assert_int_equal(profile_period(profile), 20);
    assert_int_equal(profile_comment_count(profile), 2);

    struct profile *unset = profile_new(&profile_kind_cpu);
    assert_int_equal(profile_merge(profile, unset), APP_OK);
    assert_int_equal(profile_time_ns(profile), 900);
    profile_free(&profile);
    profile_free(&other);
    profile_free(&unset);
}

static void a_merge_of_another_kind_is_refused(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    struct profile *heap = profile_new(&profile_kind_heap);
    assert_int_equal(profile_merge(profile, heap), APP_BAD_REQUEST);
    assert_int_equal(profile_subtract(profile, heap), APP_BAD_REQUEST);
    profile_free(&profile);
    profile_free(&heap);
}

static void a_merge_takes_over_names_and_keeps_builds_apart(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    struct profile *other = profile_new(&profile_kind_cpu);
    struct profile_mapping rebuilt = program;
    size_t index;
    rebuilt.build_id = "ffff";
    assert_int_equal(profile_mapping(other, &rebuilt, &index), APP_OK);
    const struct profile_frame frame = {0, 0x1100};
    const int64_t values[] = {1, 1};
    assert_int_equal(profile_add(other, &frame, 1, NULL, values), APP_OK);
    assert_int_equal(profile_symbolize(other, resolve_by_address, NULL), APP_OK);
    add(profile, 0x2100, 0x1100, 0, NULL, 1);

    assert_int_equal(profile_merge(profile, other), APP_OK);
    assert_int_equal(profile_mapping_count(profile), 3);
    const struct profile_line *lines;
    assert_int_equal(profile_frame_lines(profile, 0, 1, &lines, NULL), 0);
    assert_null(lines);
    assert_int_equal(profile_frame_lines(profile, 1, 0, &lines, NULL), 1);
    assert_string_equal(lines[0].function, "known_1100");
    assert_int_equal(profile_frame_mapping(profile, 1, 0), 2);
    assert_string_equal(profile_mapping_at(profile, 2)->build_id, "ffff");
    profile_free(&profile);
    profile_free(&other);
}

static void a_difference_is_zero_against_itself(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    struct profile *base = new_cpu();
    add(profile, 0x2100, 0x1100, 1, "/", 3);
    add(base, 0x2100, 0x1100, 1, "/", 3);
    add(base, 0x2200, 0x1100, 1, "/", 2);
    profile_set_time(profile, 1000, 5, 10);
    profile_set_time(base, 1, 500, 10);
    assert_int_equal(profile_subtract(profile, base), APP_OK);
    struct profile_sample_view view;
    profile_sample_at(profile, 0, &view);
    assert_int_equal(view.values[0], 0);
    profile_sample_at(profile, 1, &view);
    assert_int_equal(view.values[0], -2);
    assert_int_equal(view.values[1], -20000000);
    assert_int_equal(profile_duration_ns(profile), 5);
    profile_free(&profile);
    profile_free(&base);
}

static void every_location_is_asked_for_once(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    size_t calls = 0;
    add(profile, 0x2100, 0x1100, 0, NULL, 1);
    add(profile, 0x2200, 0x1100, 0, NULL, 1);
    const struct profile_frame stray = {SIZE_MAX, 0};
    const int64_t values[] = {1, 1};
    assert_int_equal(profile_add(profile, &stray, 1, NULL, values), APP_OK);
    assert_int_equal(profile_symbolize(profile, resolve_by_address, &calls), APP_OK);
    assert_int_equal(calls, 4);
    assert_int_equal(profile_symbolize(profile, resolve_by_address, &calls), APP_OK);
    assert_int_equal(calls, 4);

    const struct profile_line *lines;
    uint64_t address;
    assert_int_equal(profile_frame_lines(profile, 0, 0, &lines, &address), 1);
    assert_string_equal(lines[0].function, "known_2100");
    assert_string_equal(lines[0].system_name, "known_2100");
    assert_string_equal(lines[0].file, "a.c");
    assert_int_equal(lines[0].line, 7);
    assert_int_equal(address, 0x2100);
    assert_int_equal(profile_frame_lines(profile, 2, 0, &lines, NULL), 1);
    assert_string_equal(lines[0].function, "unknown_0");
    assert_true(profile_frame_mapping(profile, 2, 0) == SIZE_MAX);
    profile_free(&profile);
}

static size_t resolve_too_many(void *context, const struct profile_mapping *mapping,
                               uint64_t address, struct profile_line *lines, size_t max)
{
    (void)context, (void)mapping, (void)address;
    for (size_t i = 0; i < max; i++)
        lines[i] = (struct profile_line){.function = i ? "same" : NULL, .system_name = "_Zsame"};
    return max;
}

static void inlined_lines_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct profile *profile = new_cpu();
    add(profile, 0x2100, 0x1100, 0, NULL, 1);
    assert_int_equal(profile_symbolize(profile, resolve_too_many, NULL), APP_OK);
    const struct profile_line *lines;
    assert_int_equal(profile_frame_lines(profile, 0, 0, &lines, NULL), PROFILE_MAX_LINES);
    assert_string_equal(lines[0].function, "");
    assert_string_equal(lines[1].system_name, "_Zsame");
    assert_null(lines[1].file);
    assert_ptr_equal(lines[1].function, lines[2].function);
    profile_free(&profile);
}

static void a_frame_without_lines_is_named_by_its_file(void **state)
{
    (void)state;
    char name[32];
    const struct profile_mapping vdso = {.path = "[vdso]", .build_id = ""};
    profile_mapping_label(&library, name, sizeof(name));
    assert_string_equal(name, "[libc.so.6]");
    profile_mapping_label(&vdso, name, sizeof(name));
    assert_string_equal(name, "[vdso]");
    profile_mapping_label(NULL, name, sizeof(name));
    assert_string_equal(name, "[unknown]");
    profile_mapping_label(&library, name, 6);
    assert_string_equal(name, "[libc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_profile_is_empty),
        cmocka_unit_test(the_value_shown_first_is_the_kinds_or_the_last),
        cmocka_unit_test(equal_samples_are_summed),
        cmocka_unit_test(samples_that_differ_in_a_label_stay_apart),
        cmocka_unit_test(a_sample_without_labels_and_frames_is_kept),
        cmocka_unit_test(a_stack_that_is_too_deep_loses_its_outermost_frames),
        cmocka_unit_test(one_sample_more_than_fits_is_counted_as_dropped),
        cmocka_unit_test(one_mapping_more_than_fits_is_refused),
        cmocka_unit_test(files_are_the_same_by_build_id_else_by_path),
        cmocka_unit_test(text_that_is_not_utf8_is_replaced_and_long_text_cut),
        cmocka_unit_test(comments_are_kept_once_and_up_to_their_number),
        cmocka_unit_test(a_merge_sums_equal_samples_of_siblings),
        cmocka_unit_test(a_merge_keeps_the_earliest_time_and_the_longest_duration),
        cmocka_unit_test(a_merge_of_another_kind_is_refused),
        cmocka_unit_test(a_merge_takes_over_names_and_keeps_builds_apart),
        cmocka_unit_test(a_difference_is_zero_against_itself),
        cmocka_unit_test(every_location_is_asked_for_once),
        cmocka_unit_test(inlined_lines_come_out_as_they_went_in),
        cmocka_unit_test(a_frame_without_lines_is_named_by_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
