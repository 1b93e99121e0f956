/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "profiling/flame_tree.h"
#include "profiling/flamegraph.h"

static const char hostile_name[] = "</script><script>alert(\"1\")</script>\\ &amp; \x01 <!--";

static size_t resolve(void *context, const struct profile_mapping *mapping, uint64_t address,
                      struct profile_line *lines, size_t max)
{
    static char unique[32];
    (void)context, (void)mapping, (void)max;
    if (address == 0x2f00)
        return 0;
    if (address == 0x1300) {
        lines[0] = (struct profile_line){.function = "inner", .file = "/src/in.h"};
        lines[1] = (struct profile_line){.function = "outer", .file = "/src/out.c"};
        return 2;
    }
    (void)snprintf(unique, sizeof(unique), "f%llx", (unsigned long long)address);
    lines[0] = (struct profile_line){.function = address == 0x1666 ? hostile_name : unique};
    return 1;
}

static struct profile *new_profile(const char *build_id)
{
    struct profile *profile = profile_new(&profile_kind_cpu);
    const struct profile_mapping program = {"/usr/bin/emojify-api", build_id, 0x1000, 0x9000, 0};
    const struct profile_mapping library = {"/lib/libz.so.1", "c0ffee", 0x2000, 0x8000, 0};
    size_t index;
    assert_non_null(profile);
    assert_int_equal(profile_mapping(profile, &program, &index), APP_OK);
    assert_int_equal(profile_mapping(profile, &library, &index), APP_OK);
    profile_set_time(profile, 1700000000000000000, 5000000000, 10000000);
    return profile;
}

static void add(struct profile *profile, const struct profile_frame *frames, size_t depth,
                const char *route, int64_t count)
{
    const struct profile_labels labels = {.pid = 101, .route = route};
    const int64_t values[] = {count, count * 10000000};
    assert_int_equal(profile_add(profile, frames, depth, &labels, values), APP_OK);
}

static struct profile *sample_profile(const char *build_id, int64_t count)
{
    struct profile *profile = new_profile(build_id);
    const struct profile_frame inlined[] = {{0, 0x1300}, {0, 0x1100}};
    const struct profile_frame nameless[] = {{1, 0x2f00}, {1, 0x2f00}, {0, 0x1100}};
    const struct profile_frame hostile[] = {{0, 0x1666}, {0, 0x1100}};
    add(profile, inlined, 2, "/cache/</script>", count);
    add(profile, nameless, 3, NULL, 2);
    add(profile, hostile, 2, NULL, 1);
    assert_int_equal(profile_add_comment(profile, "</script>"), APP_OK);
    assert_int_equal(profile_symbolize(profile, resolve, NULL), APP_OK);
    return profile;
}

static void write_page(const struct profile *profile, const struct profile *base, struct buf *page)
{
    const struct flamegraph_options options = {.profile = profile,
                                               .base = base,
                                               .value_index = 1,
                                               .title = "CPU <profile>",
                                               .processes = "2 of 2 processes",
                                               .base_title = "yesterday's"};
    buf_init(page, 64 * 1024 * 1024);
    assert_int_equal(flamegraph_write(&options, page), APP_OK);
}

/* What lies between two marks of which each is there once; the caller frees it. */
static char *between(const char *page, const char *from, const char *to)
{
    const char *start = strstr(page, from);
    assert_non_null(start);
    start += strlen(from);
    assert_null(strstr(start, from));
    const char *end = strstr(start, to);
    assert_non_null(end);
    char *text = strndup(start, (size_t)(end - start));
    assert_non_null(text);
    return text;
}

static json_t *page_data(const struct buf *page)
{
    char *text = between(page->data, "<script type=\"application/json\" id=\"data\">", "</script>");
    json_error_t error;
    json_t *data = json_loads(text, 0, &error);
    if (!data)
        fail_msg("%s at %d: %.80s", error.text, error.position, text + error.position - 20);
    free(text);
    return data;
}

static const char *frame_name(json_t *data, json_int_t index)
{
    json_t *frame = json_array_get(json_object_get(data, "frames"), (size_t)index);
    return json_string_value(json_array_get(frame, 0));
}

static json_int_t node_number(json_t *data, size_t width, size_t node, size_t part)
{
    return json_integer_value(json_array_get(json_object_get(data, "nodes"), node * width + part));
}

static void the_page_has_the_totals(void **state)
{
    (void)state;
    struct profile *profile = sample_profile("0a1b", 10);
    struct buf page;
    write_page(profile, NULL, &page);
    json_t *data = page_data(&page);
    assert_int_equal(strncmp(page.data, "<!DOCTYPE html>", 15), 0);
    assert_int_equal(strcmp(page.data + page.len - 8, "</html>\n"), 0);
    assert_string_equal(json_string_value(json_object_get(data, "title")), "CPU <profile>");
    assert_string_equal(json_string_value(json_object_get(data, "processes")), "2 of 2 processes");
    assert_string_equal(json_string_value(json_object_get(data, "unit")), "nanoseconds");
    assert_int_equal(json_integer_value(json_object_get(data, "total")), 130000000);
    assert_int_equal(json_integer_value(json_object_get(data, "samples")), 13);
    assert_int_equal(json_integer_value(json_object_get(data, "duration")), 5000000000);
    assert_true(json_is_null(json_object_get(data, "base")));
    json_decref(data);
    profile_free(&profile);
    buf_release(&page);
}

static void stacks_become_a_tree_with_inlined_frames_inside(void **state)
{
    (void)state;
    struct profile *profile = sample_profile("0a1b", 10);
    struct buf page;
    write_page(profile, NULL, &page);
    json_t *data = page_data(&page);
    /* f1100 > outer > inner, in the group of the route. */
    assert_int_equal(node_number(data, 3, 0, 0), -1);
    assert_string_equal(frame_name(data, node_number(data, 3, 0, 1)), "f1100");
    assert_int_equal(node_number(data, 3, 1, 0), 0);
    assert_string_equal(frame_name(data, node_number(data, 3, 1, 1)), "outer");
    assert_int_equal(node_number(data, 3, 1, 2), 0);
    assert_int_equal(node_number(data, 3, 2, 0), 1);
    assert_string_equal(frame_name(data, node_number(data, 3, 2, 1)), "inner");
    assert_int_equal(node_number(data, 3, 2, 2), 100000000);
    /* The second group: f1100 > both frames without a name as one. */
    assert_int_equal(node_number(data, 3, 3, 0), -2);
    assert_string_equal(frame_name(data, node_number(data, 3, 4, 1)), "[libz.so.1]");
    assert_int_equal(node_number(data, 3, 4, 2), 20000000);
    assert_int_equal(node_number(data, 3, 5, 0), 3);
    assert_int_equal(json_array_size(json_object_get(data, "nodes")), 6 * 3);
    json_t *group = json_array_get(json_object_get(data, "groups"), 0);
    assert_int_equal(json_integer_value(json_array_get(group, 0)), 101);
    json_decref(data);
    profile_free(&profile);
    buf_release(&page);
}

static void foreign_text_stays_text(void **state)
{
    (void)state;
    struct profile *profile = sample_profile("0a1b", 10);
    struct buf page;
    write_page(profile, profile, &page);
    char *text = between(page.data, "<script type=\"application/json\" id=\"data\">", "</script>");
    assert_null(strpbrk(text, "<>&"));
    free(text);
    json_t *data = page_data(&page);
    bool found = false;
    for (size_t i = 0; i < json_array_size(json_object_get(data, "frames")); i++)
        found = found || strcmp(frame_name(data, (json_int_t)i), hostile_name) == 0;
    assert_true(found);
    json_decref(data);
    profile_free(&profile);
    buf_release(&page);
}

static void a_difference_has_both_values_of_a_place(void **state)
{
    (void)state;
    struct profile *profile = sample_profile("0a1b", 10);
    struct profile *base = sample_profile("another build", 30);
    struct buf page;
    write_page(profile, base, &page);
    json_t *data = page_data(&page);
    assert_string_equal(frame_name(data, node_number(data, 4, 2, 1)), "inner");
    assert_int_equal(node_number(data, 4, 2, 2), 100000000);
    assert_int_equal(node_number(data, 4, 2, 3), 300000000);
    assert_int_equal(json_array_size(json_object_get(data, "nodes")), 6 * 4);
    json_t *head = json_object_get(data, "base");
    assert_int_equal(json_integer_value(json_object_get(head, "total")), 330000000);
    assert_string_equal(json_string_value(json_object_get(head, "title")), "yesterday's");
    json_decref(data);
    profile_free(&profile);
    profile_free(&base);
    buf_release(&page);
}

static void a_profile_without_samples_has_a_page(void **state)
{
    (void)state;
    struct profile *profile = profile_new(&profile_kind_cpu);
    struct buf page;
    write_page(profile, NULL, &page);
    json_t *data = page_data(&page);
    assert_int_equal(json_array_size(json_object_get(data, "nodes")), 0);
    json_decref(data);
    profile_free(&profile);
    buf_release(&page);
}

static void a_tree_that_is_too_large_loses_places_but_no_values(void **state)
{
    (void)state;
    struct profile *profile = new_profile("0a1b");
    for (uint64_t i = 0; i < FLAME_TREE_MAX_NODES / 2 + 1; i++) {
        const struct profile_frame frames[] = {{0, 0x100000 + i}, {0, 0x900000 + i}, {0, 0x1100}};
        const int64_t values[] = {1, 1};
        if (profile_add(profile, frames, 3, NULL, values) != APP_OK)
            fail();
    }
    assert_int_equal(profile_symbolize(profile, resolve, NULL), APP_OK);
    struct buf page;
    write_page(profile, NULL, &page);
    json_t *data = page_data(&page);
    assert_int_equal(json_array_size(json_object_get(data, "nodes")), FLAME_TREE_MAX_NODES * 3);
    json_int_t sum = 0;
    for (size_t i = 0; i < FLAME_TREE_MAX_NODES; i++)
        sum += node_number(data, 3, i, 2);
    assert_int_equal(sum, FLAME_TREE_MAX_NODES / 2 + 1);
    json_decref(data);
    profile_free(&profile);
    buf_release(&page);
}

static void a_buffer_that_is_too_small_is_an_error(void **state)
{
    (void)state;
    struct profile *profile = sample_profile("0a1b", 1);
    const struct flamegraph_options options = {
        .profile = profile, .value_index = 1, .title = "CPU"};
    struct buf page;
    buf_init(&page, 1 << 20);
    assert_int_equal(flamegraph_write(&options, &page), APP_OK);
    size_t len = page.len;
    for (size_t max = 0; max < len; max += 97) {
        buf_release(&page);
        buf_init(&page, max);
        assert_int_equal(flamegraph_write(&options, &page), APP_TOO_LARGE);
    }
    buf_release(&page);
    buf_init(&page, 50);
    assert_int_equal(flamegraph_csp(&page), APP_TOO_LARGE);
    buf_release(&page);
    profile_free(&profile);
}

static void assert_allows(const struct buf *policy, const char *directive, const char *content)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char base64[64];
    unsigned int len;
    char expected[128];
    assert_int_equal(EVP_Digest(content, strlen(content), digest, &len, EVP_sha256(), NULL), 1);
    (void)EVP_EncodeBlock(base64, digest, (int)len);
    (void)snprintf(expected, sizeof(expected), "; %s 'sha256-%s'", directive, base64);
    assert_non_null(strstr(policy->data, expected));
}

static void the_policy_allows_just_what_is_in_the_page(void **state)
{
    (void)state;
    struct profile *profile = sample_profile("0a1b", 1);
    struct buf page;
    struct buf policy;
    buf_init(&policy, 4096);
    write_page(profile, NULL, &page);
    assert_int_equal(flamegraph_csp(&policy), APP_OK);
    assert_int_equal(strncmp(policy.data, "default-src 'none'; ", 20), 0);
    char *style = between(page.data, "<style>", "</style>");
    char *script = between(page.data, "<script>", "</script>");
    assert_allows(&policy, "style-src", style);
    assert_allows(&policy, "script-src", script);
    free(style);
    free(script);
    profile_free(&profile);
    buf_release(&page);
    buf_release(&policy);
}

static void the_page_loads_nothing(void **state)
{
    (void)state;
    struct profile *profile = sample_profile("0a1b", 1);
    struct buf page;
    write_page(profile, NULL, &page);
    static const char *const loading[] = {"http:",   "https:", "//cdn",          " src=",   "url(",
                                          "@import", "fetch(", "XMLHttpRequest", "style=\""};
    for (size_t i = 0; i < sizeof(loading) / sizeof(loading[0]); i++) {
        if (strstr(page.data, loading[i]))
            fail_msg("%s", loading[i]);
    }
    profile_free(&profile);
    buf_release(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_the_totals),
        cmocka_unit_test(stacks_become_a_tree_with_inlined_frames_inside),
        cmocka_unit_test(foreign_text_stays_text),
        cmocka_unit_test(a_difference_has_both_values_of_a_place),
        cmocka_unit_test(a_profile_without_samples_has_a_page),
        cmocka_unit_test(a_tree_that_is_too_large_loses_places_but_no_values),
        cmocka_unit_test(a_buffer_that_is_too_small_is_an_error),
        cmocka_unit_test(the_policy_allows_just_what_is_in_the_page),
        cmocka_unit_test(the_page_loads_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
