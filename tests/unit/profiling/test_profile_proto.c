/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "profiling/profile_proto.h"
#include "profiling/proto_wire.h"
#include "support/command.h"

/* At 0x1300 three functions are inlined into each other; 0x2100 has no name. */
static size_t resolve(void *context, const struct profile_mapping *mapping, uint64_t address,
                      struct profile_line *lines, size_t max)
{
    (void)context, (void)max;
    if (!mapping) {
        lines[0] = (struct profile_line){.function = "[unknown]"};
        return 1;
    }
    if (address == 0x2100)
        return 0;
    if (address == 0x1300) {
        lines[0] = (struct profile_line){"inner", NULL, "/src/in.h", 3, 2};
        lines[1] = (struct profile_line){"middle", NULL, "/src/in.h", 13, 12};
        lines[2] = (struct profile_line){"outer_a", NULL, "/src/out.c", 103, 100};
        return 3;
    }
    lines[0] = (struct profile_line){address == 0x1500 ? "recursive" : "main", "_Zsystem",
                                     "/src/main.c", (int)(address & 0xfff), 1};
    return 1;
}

static void add(struct profile *profile, const struct profile_frame *frames, size_t depth,
                int64_t pid, const char *route, int64_t count)
{
    const struct profile_labels labels = {.pid = pid, .route = route};
    const int64_t values[] = {count, count * 10000000};
    assert_int_equal(profile_add(profile, frames, depth, &labels, values), APP_OK);
}

static struct profile *sample_profile(void)
{
    struct profile *profile = profile_new(&profile_kind_cpu);
    const struct profile_mapping program = {"/usr/bin/emojify-api", "0a1b", 0x1000, 0x9000, 0x1000};
    const struct profile_mapping library = {"/lib/libc.so.6", "c0ffee", 0x2000, 0x8000, 0x2000};
    const struct profile_mapping stripped = {"/lib/libz.so.1", "", 0x2000, 0x8000, 0x2000};
    size_t index;
    assert_non_null(profile);
    assert_int_equal(profile_mapping(profile, &program, &index), APP_OK);
    assert_int_equal(profile_mapping(profile, &library, &index), APP_OK);
    assert_int_equal(profile_mapping(profile, &stripped, &index), APP_OK);
    const struct profile_frame inlined[] = {{0, 0x1300}, {0, 0x1100}};
    const struct profile_frame recursion[] = {
        {1, 0x2200}, {0, 0x1500}, {0, 0x1500}, {0, 0x1500}, {0, 0x1100}};
    const struct profile_frame stray[] = {{SIZE_MAX, 0}, {0, 0x1100}};
    const struct profile_frame nameless[] = {{2, 0x2100}, {0, 0x1100}};
    add(profile, inlined, 2, 101, "/cache", 10);
    add(profile, inlined, 2, 102, "/cache", 20);
    add(profile, recursion, 5, 102, NULL, 5);
    add(profile, stray, 2, 102, "/", 2);
    add(profile, nameless, 2, 101, "/", 1);
    profile_set_time(profile, 1700000000000000000, 5000000000, 10000000);
    assert_int_equal(profile_add_comment(profile, "processes 2/2"), APP_OK);
    assert_int_equal(profile_symbolize(profile, resolve, NULL), APP_OK);
    return profile;
}

static void write_profile(const struct profile *profile, bool gzip, struct buf *out)
{
    buf_init(out, PROFILE_MAX_ENCODED);
    assert_int_equal(profile_proto_write(profile, gzip, out), APP_OK);
}

static void a_profile_comes_back_as_it_went(void **state)
{
    (void)state;
    struct profile *profile = sample_profile();
    struct profile *back = NULL;
    struct buf first;
    struct buf second;
    struct err_buf why = {0};
    write_profile(profile, false, &first);
    assert_int_equal(profile_proto_read(&profile_kind_cpu, first.data, first.len, &back, &why),
                     APP_OK);
    assert_int_equal(profile_sample_count(back), 5);
    assert_int_equal(profile_total(back, 1), 380000000);
    assert_int_equal(profile_duration_ns(back), 5000000000);
    assert_int_equal(profile_time_ns(back), 1700000000000000000);
    assert_int_equal(profile_period(back), 10000000);
    assert_string_equal(profile_mapping_at(back, 1)->path, "/lib/libc.so.6");
    assert_string_equal(profile_comment_at(back, 0), "processes 2/2");

    const struct profile_line *lines;
    uint64_t address;
    assert_int_equal(profile_frame_lines(back, 0, 0, &lines, &address), 3);
    assert_int_equal(address, 0x1300);
    assert_string_equal(lines[0].function, "inner");
    assert_string_equal(lines[2].function, "outer_a");
    assert_string_equal(lines[2].file, "/src/out.c");
    assert_int_equal(lines[2].line, 103);
    assert_int_equal(lines[2].start_line, 100);
    assert_int_equal(profile_frame_mapping(back, 2, 0), 1);
    assert_true(profile_frame_mapping(back, 3, 0) == SIZE_MAX);
    struct profile_sample_view view;
    profile_sample_at(back, 1, &view);
    assert_int_equal(view.labels->pid, 102);
    assert_string_equal(view.labels->route, "/cache");

    write_profile(back, false, &second);
    profile_free(&back);
    assert_int_equal(profile_proto_read(&profile_kind_cpu, second.data, second.len, &back, &why),
                     APP_OK);
    assert_int_equal(profile_total(back, 0), 38);
    profile_free(&back);
    profile_free(&profile);
    buf_release(&first);
    buf_release(&second);
}

static void a_profile_without_samples_is_valid(void **state)
{
    (void)state;
    struct profile *profile = profile_new(&profile_kind_heap);
    struct profile *back = NULL;
    struct buf out;
    write_profile(profile, false, &out);
    assert_int_equal(profile_proto_read(&profile_kind_heap, out.data, out.len, &back, NULL),
                     APP_OK);
    assert_int_equal(profile_sample_count(back), 0);
    profile_free(&profile);
    profile_free(&back);
    buf_release(&out);
}

static void what_is_zero_in_a_difference_is_not_written(void **state)
{
    (void)state;
    struct profile *profile = sample_profile();
    struct profile *base = sample_profile();
    struct profile *back = NULL;
    struct buf out;
    const struct profile_frame more[] = {{0, 0x1100}};
    add(base, more, 1, 0, NULL, 7);
    assert_int_equal(profile_subtract(profile, base), APP_OK);
    write_profile(profile, false, &out);
    assert_int_equal(profile_proto_read(&profile_kind_cpu, out.data, out.len, &back, NULL), APP_OK);
    assert_int_equal(profile_sample_count(back), 1);
    assert_int_equal(profile_total(back, 0), -7);
    profile_free(&profile);
    profile_free(&base);
    profile_free(&back);
    buf_release(&out);
}

static void gzip_holds_the_same_bytes(void **state)
{
    (void)state;
    struct profile *profile = sample_profile();
    struct buf plain;
    struct buf packed;
    unsigned char unpacked[8192];
    write_profile(profile, false, &plain);
    write_profile(profile, true, &packed);
    z_stream stream = {.next_in = (Bytef *)packed.data,
                       .avail_in = (uInt)packed.len,
                       .next_out = unpacked,
                       .avail_out = sizeof(unpacked)};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, plain.len);
    assert_memory_equal(unpacked, plain.data, plain.len);
    assert_int_equal(inflateEnd(&stream), Z_OK);
    profile_free(&profile);
    buf_release(&plain);
    buf_release(&packed);
}

static void a_buffer_that_is_too_small_is_an_error(void **state)
{
    (void)state;
    struct profile *profile = sample_profile();
    struct buf whole;
    struct buf small;
    for (int gzip = 0; gzip <= 1; gzip++) {
        write_profile(profile, gzip, &whole);
        buf_init(&small, whole.len);
        assert_int_equal(profile_proto_write(profile, gzip, &small), APP_OK);
        buf_release(&small);
        buf_init(&small, whole.len - 1);
        assert_int_equal(profile_proto_write(profile, gzip, &small), APP_TOO_LARGE);
        buf_release(&small);
        buf_release(&whole);
    }
    profile_free(&profile);
}

/* --- hostile bytes ---------------------------------------------------------------------- */

/* Whatever comes, the answer is one of two, and the pointer is set only with APP_OK. */
static enum app_err try_read(const void *data, size_t len)
{
    /* A copy of just that size, so that AddressSanitizer sees the end. */
    void *copy = malloc(len ? len : 1);
    struct profile *const junk = (struct profile *)&len;
    struct profile *profile = junk;
    struct err_buf why = {0};
    assert_non_null(copy);
    memcpy(copy, data, len);
    enum app_err err = profile_proto_read(&profile_kind_cpu, copy, len, &profile, &why);
    free(copy);
    if (err) {
        assert_int_equal(err, APP_BAD_REQUEST);
        assert_ptr_equal(profile, junk);
        assert_true(why.detail[0] != '\0');
    } else {
        profile_free(&profile);
    }
    return err;
}

static void every_truncation_is_survived(void **state)
{
    (void)state;
    struct profile *profile = sample_profile();
    struct buf out;
    size_t refused = 0;
    write_profile(profile, false, &out);
    for (size_t len = 0; len < out.len; len++)
        refused += try_read(out.data, len) != APP_OK;
    /* Cut between two of the last texts it may still be a profile. */
    assert_true(refused > out.len * 9 / 10);
    profile_free(&profile);
    buf_release(&out);
}

static void every_flipped_bit_is_survived(void **state)
{
    (void)state;
    struct profile *profile = sample_profile();
    struct buf out;
    write_profile(profile, false, &out);
    size_t refused = 0;
    for (size_t bit = 0; bit < out.len * 8; bit++) {
        out.data[bit / 8] = (char)(out.data[bit / 8] ^ 1 << bit % 8);
        refused += try_read(out.data, out.len) != APP_OK;
        out.data[bit / 8] = (char)(out.data[bit / 8] ^ 1 << bit % 8);
    }
    assert_true(refused > 0 && refused < out.len * 8);
    assert_int_equal(try_read(out.data, out.len), APP_OK);
    profile_free(&profile);
    buf_release(&out);
}

static void every_byte_at_its_extremes_is_survived(void **state)
{
    (void)state;
    static const unsigned char extremes[] = {0x00, 0x7f, 0x80, 0xff};
    struct profile *profile = sample_profile();
    struct buf out;
    write_profile(profile, false, &out);
    for (size_t i = 0; i < out.len * sizeof(extremes); i++) {
        char kept = out.data[i / sizeof(extremes)];
        out.data[i / sizeof(extremes)] = (char)extremes[i % sizeof(extremes)];
        (void)try_read(out.data, out.len);
        out.data[i / sizeof(extremes)] = kept;
    }
    assert_int_equal(try_read(out.data, out.len), APP_OK);
    profile_free(&profile);
    buf_release(&out);
}

/* A valid head of a cpu profile: texts and sample types, to which a test adds its fault. */
static struct proto_writer start_hostile(struct buf *out)
{
    static const char *const texts[] = {"", "samples", "count", "cpu", "nanoseconds", "pid"};
    static const char first[] = {8, 1, 16, 2};
    static const char second[] = {8, 3, 16, 4};
    buf_init(out, 1 << 20);
    struct proto_writer writer = {.out = out};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        proto_put_bytes(&writer, 6, texts[i], strlen(texts[i]));
    proto_put_bytes(&writer, 1, first, sizeof(first));
    proto_put_bytes(&writer, 1, second, sizeof(second));
    return writer;
}

struct fault {
    const char *bytes;
    size_t len;
    uint32_t field;
    enum app_err expected;
};

static void faults_in_messages_are_found(void **state)
{
    (void)state;
#define BYTES(text) text, sizeof(text) - 1
    static const struct fault faults[] = {
        {BYTES("\x12\x02\x01\x02"), 2, APP_OK},                         /* a sample of two values */
        {BYTES("\x10\x01\x10\x02"), 2, APP_OK},                         /* not packed */
        {BYTES("\x12\x01\x01"), 2, APP_BAD_REQUEST},                    /* one value */
        {BYTES("\x12\x03\x01\x01\x01"), 2, APP_BAD_REQUEST},            /* three */
        {BYTES("\x0a\x01\x01\x12\x02\x01\x02"), 2, APP_BAD_REQUEST},    /* no such location */
        {BYTES("\x0a\x01\x00\x12\x02\x01\x02"), 2, APP_BAD_REQUEST},    /* location 0 */
        {BYTES("\x0a\x01\xff\x12\x02\x01\x02"), 2, APP_BAD_REQUEST},    /* a cut number */
        {BYTES("\x12\x02\x01\x02\x1a\x04\x08\x05\x18\x07"), 2, APP_OK}, /* pid 7 */
        {BYTES("\x12\x02\x01\x02\x1a\x7f\x08"), 2, APP_BAD_REQUEST},    /* label longer than all */
        {BYTES("\x08\x01"), 3, APP_OK},
        {BYTES("\x08\x02"), 3, APP_BAD_REQUEST},         /* ids start at 1 */
        {BYTES("\x08\x01\x28\x63"), 3, APP_BAD_REQUEST}, /* path is text 99 */
        {BYTES("\x08\x01\x18\x10"), 4, APP_OK},
        {BYTES("\x08\x01\x10\x01"), 4, APP_BAD_REQUEST},         /* no such mapping */
        {BYTES("\x08\x01\x22\x02\x08\x01"), 4, APP_BAD_REQUEST}, /* no such function */
        {BYTES("\x08\x03"), 4, APP_BAD_REQUEST},
        {BYTES("\x08\x01\x10\x01"), 5, APP_OK},
        {BYTES("\x08\x01\x10\x63"), 5, APP_BAD_REQUEST}, /* name is text 99 */
        {BYTES("\x08\x02"), 5, APP_BAD_REQUEST},
        {BYTES("\x0b"), 5, APP_BAD_REQUEST},     /* a group, which proto3 has not */
        {BYTES("\x08\x01"), 1, APP_BAD_REQUEST}, /* a third sample type */
        {BYTES("\x01"), 13, APP_OK},
        {BYTES("\x63"), 13, APP_BAD_REQUEST},
        {BYTES("whatever"), 99, APP_OK}, /* fields of the future */
    };
#undef BYTES
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct buf out;
        struct proto_writer writer = start_hostile(&out);
        proto_put_bytes(&writer, faults[i].field, faults[i].bytes, faults[i].len);
        assert_int_equal(writer.err, APP_OK);
        if (try_read(out.data, out.len) != faults[i].expected)
            fail_msg("fault %zu", i);
        buf_release(&out);
    }
}

static void lengths_and_numbers_beyond_the_end_are_found(void **state)
{
    (void)state;
    static const char *const tails[] = {
        "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", /* a length of 2^64 - 1 */
        "\x12\xff\xff\xff\xff\x07",                     /* of 2 GiB */
        "\x12\x05xyz",                                  /* two bytes short */
        "\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", /* a number of 65 bits */
        "\x48\x80",                                     /* one that does not end */
        "\x49\x01\x02",                                 /* a cut fixed64 */
        "\x4d\x01\x02",                                 /* a cut fixed32 */
        "\x07\x01",                                     /* field 0 */
    };
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        struct buf out;
        (void)start_hostile(&out);
        assert_int_equal(buf_append_str(&out, tails[i]), APP_OK);
        if (try_read(out.data, out.len) != APP_BAD_REQUEST)
            fail_msg("tail %zu", i);
        buf_release(&out);
    }
}

static void a_profile_of_another_kind_is_refused(void **state)
{
    (void)state;
    struct profile *heap = profile_new(&profile_kind_heap);
    struct buf out;
    write_profile(heap, false, &out);
    assert_int_equal(try_read(out.data, out.len), APP_BAD_REQUEST);
    profile_free(&heap);
    buf_release(&out);
}

static void one_mapping_more_than_fits_is_refused(void **state)
{
    (void)state;
    for (size_t count = PROFILE_MAX_MAPPINGS; count <= PROFILE_MAX_MAPPINGS + 1; count++) {
        struct buf out;
        struct proto_writer writer = start_hostile(&out);
        for (size_t i = 1; i <= count; i++) {
            struct buf message;
            buf_init(&message, 64);
            struct proto_writer inner = {.out = &message};
            proto_put_number(&inner, 1, i);
            proto_put_number(&inner, 2, i);
            proto_put_bytes(&writer, 3, message.data, message.len);
            buf_release(&message);
        }
        assert_int_equal(writer.err, APP_OK);
        assert_int_equal(try_read(out.data, out.len),
                         count == PROFILE_MAX_MAPPINGS ? APP_OK : APP_BAD_REQUEST);
        buf_release(&out);
    }
}

/* --- what others make of it ------------------------------------------------------------- */

static int run_on_profile(const struct profile *profile, bool gzip, const char *before,
                          const char *after, struct buf *answer)
{
    struct buf out;
    char path[64];
    char *command = NULL;
    write_profile(profile, gzip, &out);
    command_file(out.data, out.len, path);
    buf_release(&out);
    buf_init(answer, 1 << 20);
    assert_true(asprintf(&command, "%s %s %s", before, path, after) > 0);
    int status = command_run(command, answer);
    free(command);
    unlink(path);
    return status;
}

static void protoc_decodes_it_by_our_schema(void **state)
{
    (void)state;
    if (!command_exists("protoc") || access("proto/profile.proto", R_OK) != 0) {
        print_message("protoc is not here\n");
        skip();
    }
    struct profile *profile = sample_profile();
    struct buf text;
    assert_int_equal(
        run_on_profile(profile, false, "<",
                       "protoc --decode perftools.profiles.Profile proto/profile.proto", &text),
        0);
    /* Unknown fields would be shown as bare numbers. */
    assert_null(strstr(text.data, "\n1: "));
    assert_non_null(strstr(text.data, "duration_nanos: 5000000000"));
    assert_non_null(strstr(text.data, "string_table: \"inner\""));
    assert_non_null(strstr(text.data, "  has_functions: true\n  has_filenames: true\n"
                                      "  has_line_numbers: true\n  has_inline_frames: true\n"));
    profile_free(&profile);
    buf_release(&text);
}

#define GO_PPROF "HOME=/tmp PPROF_TMPDIR=/tmp go tool pprof -symbolize=none "

static void go_tool_pprof_reads_it(void **state)
{
    (void)state;
    if (!command_exists("go")) {
        print_message("go is not here\n");
        skip();
    }
    struct profile *profile = sample_profile();
    struct buf text;
    assert_int_equal(run_on_profile(profile, true, GO_PPROF "-top", "", &text), 0);
    assert_non_null(strstr(text.data, "File: emojify-api"));
    assert_non_null(strstr(text.data, "Type: cpu"));
    assert_non_null(strstr(text.data, "Duration: 5s, Total samples = 380ms"));
    assert_non_null(strstr(text.data, "processes 2/2"));
    assert_non_null(strstr(text.data, "inner (inline)"));
    assert_non_null(strstr(text.data, "380ms   100%  main"));
    assert_non_null(strstr(text.data, "50ms 13.16%  recursive"));
    assert_non_null(strstr(text.data, "[unknown]"));
    assert_null(strstr(text.data, "0000000000001"));
    buf_release(&text);

    assert_int_equal(run_on_profile(profile, true, GO_PPROF "-tags", "", &text), 0);
    assert_non_null(strstr(text.data, "pid: Total"));
    assert_non_null(strstr(text.data, "route: Total"));
    assert_non_null(strstr(text.data, "/cache"));
    buf_release(&text);
    profile_free(&profile);
}

static void go_tool_pprof_accepts_one_without_samples(void **state)
{
    (void)state;
    if (!command_exists("go")) {
        print_message("go is not here\n");
        skip();
    }
    struct profile *profile = profile_new(&profile_kind_contention);
    struct buf text;
    assert_int_equal(run_on_profile(profile, true, GO_PPROF "-top", "", &text), 0);
    assert_non_null(strstr(text.data, "Type: delay"));
    buf_release(&text);
    profile_free(&profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_comes_back_as_it_went),
        cmocka_unit_test(a_profile_without_samples_is_valid),
        cmocka_unit_test(what_is_zero_in_a_difference_is_not_written),
        cmocka_unit_test(gzip_holds_the_same_bytes),
        cmocka_unit_test(a_buffer_that_is_too_small_is_an_error),
        cmocka_unit_test(every_truncation_is_survived),
        cmocka_unit_test(every_flipped_bit_is_survived),
        cmocka_unit_test(every_byte_at_its_extremes_is_survived),
        cmocka_unit_test(faults_in_messages_are_found),
        cmocka_unit_test(lengths_and_numbers_beyond_the_end_are_found),
        cmocka_unit_test(a_profile_of_another_kind_is_refused),
        cmocka_unit_test(one_mapping_more_than_fits_is_refused),
        cmocka_unit_test(protoc_decodes_it_by_our_schema),
        cmocka_unit_test(go_tool_pprof_reads_it),
        cmocka_unit_test(go_tool_pprof_accepts_one_without_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
