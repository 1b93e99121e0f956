/* SPDX-License-Identifier: MIT */
/*
 * The file from which face.network was made is converted again; a test is skipped only
 * when the file is not there any more. Small files of tests/fuzz/corpus/tflite/ show what is
 * refused.
 */
#include "facebox/tflite.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"
#include "unit/facebox/detector_fixture.h"

enum { OUTPUT_MAX = 32 * 1024 * 1024, FILE_MAX = 16 * 1024 * 1024 };

struct file {
    unsigned char *data; /* of exactly that length, so that ASan sees each bound; NULL: none */
    size_t len;
};

static struct file read_file(const char *path)
{
    struct file read = {NULL, 0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return read;
    unsigned char *data = malloc(FILE_MAX);
    assert_non_null(data);
    read.len = fread(data, 1, FILE_MAX, file);
    (void)fclose(file);
    read.data = realloc(data, read.len > 0 ? read.len : 1);
    assert_non_null(read.data);
    return read;
}

static struct file original;
static struct network network;

/* What make converts: the file that it was told of, or the one that it fetched. */
static int read_original(void **state)
{
    (void)state;
    glob_t found;
    const char *told = getenv("FACE_NETWORK");
    if (told && *told) {
        original = read_file(told);
    } else if (glob("build/npm/face-*-full-range.tflite", 0, NULL, &found) == 0) {
        original = read_file(found.gl_pathv[0]);
        globfree(&found);
    }
    return fixture_open_network(&network);
}

static int release_original(void **state)
{
    (void)state;
    free(original.data);
    fixture_close_network(&network);
    return 0;
}

static void need_original(void)
{
    if (original.data)
        return;
    print_message("the TensorFlow Lite file is not there, see FACE_NETWORK in the Makefile\n");
    skip();
}

static void the_network_file_is_what_conversion_gives(void **state)
{
    (void)state;
    need_original();
    struct buf out;
    struct err_buf why = {.text = ""};
    buf_init(&out, OUTPUT_MAX);
    assert_int_equal(tflite_convert(original.data, original.len, network.header->name, &out, &why),
                     APP_OK);
    assert_int_equal(out.len, network.file.len);
    assert_memory_equal(out.data, network.file.data, out.len);
    buf_release(&out);
}

static void a_name_that_is_too_long_is_cut(void **state)
{
    (void)state;
    need_original();
    char name[2 * NETWORK_FILE_NAME_MAX];
    struct network read;
    struct buf out;
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    buf_init(&out, OUTPUT_MAX);
    assert_int_equal(tflite_convert(original.data, original.len, name, &out, NULL), APP_OK);
    assert_int_equal(network_read(out.data, out.len, &read, NULL), APP_OK);
    assert_int_equal(strlen(read.header->name), NETWORK_FILE_NAME_MAX - 1);
    assert_memory_equal(read.header + 1, network.header + 1,
                        network.file.len - sizeof(*network.header));
    buf_release(&out);
}

/* Converts, or is refused with a sentence. True: it was refused. */
static bool is_refused(const unsigned char *data, size_t len)
{
    struct buf out;
    struct network read;
    struct err_buf why = {.text = ""};
    buf_init(&out, OUTPUT_MAX);
    enum app_err err = tflite_convert(data, len, "broken", &out, &why);
    if (!err)
        err = network_read(out.data, out.len, &read, &why);
    buf_release(&out);
    if (err != APP_OK && (err != APP_CONFIG || why.text[0] == '\0'))
        fail_msg("%s: \"%s\"", app_strerror(err), why.text);
    return err != APP_OK;
}

static void a_file_that_was_cut_is_refused(void **state)
{
    (void)state;
    need_original();
    enum { STEPS = 60 };
    for (size_t i = 0; i < STEPS; i++) {
        size_t len = i < 40 ? i : original.len * i / STEPS;
        unsigned char *copy = malloc(len > 0 ? len : 1);
        assert_non_null(copy);
        memcpy(copy, original.data, len);
        assert_true(is_refused(copy, len));
        free(copy);
    }
}

static void a_file_without_its_last_byte_crashes_nothing(void **state)
{
    (void)state;
    need_original();
    for (size_t less = 1; less <= 32; less++) {
        unsigned char *copy = malloc(original.len - less);
        assert_non_null(copy);
        memcpy(copy, original.data, original.len - less);
        (void)is_refused(copy, original.len - less);
        free(copy);
    }
}

static void flip(size_t at, unsigned bit, size_t *refused)
{
    original.data[at] ^= (unsigned char)(1U << bit);
    *refused += is_refused(original.data, original.len);
    original.data[at] ^= (unsigned char)(1U << bit);
}

/* Weights take nearly all of the file; what is not weights is at its end, and there most counts. */
static void a_flipped_bit_crashes_nothing(void **state)
{
    (void)state;
    need_original();
    size_t refused = 0;
    size_t structure = original.len - 60000;
    for (size_t at = 0; at < structure; at += 20011)
        flip(at, at % 8, &refused);
    for (size_t at = structure; at < original.len; at += 211)
        flip(at, at % 8, &refused);
    for (size_t at = 0; at < 64; at++)
        flip(at, 7 - at % 8, &refused);
    assert_true(refused > 10);
    assert_false(is_refused(original.data, original.len)); /* it is whole again */
}

/* --- Small files ---------------------------------------------------------------------- */

static enum app_err convert_seed(const char *name, struct err_buf *why)
{
    char path[128];
    struct buf out;
    (void)snprintf(path, sizeof(path), "tests/fuzz/corpus/tflite/%s", name);
    struct file file = read_file(path);
    assert_non_null(file.data);
    buf_init(&out, OUTPUT_MAX);
    enum app_err err = tflite_convert(file.data, file.len, name, &out, why);
    buf_release(&out);
    free(file.data);
    return err;
}

static void every_operator_of_the_network_is_converted(void **state)
{
    (void)state;
    struct err_buf why = {.text = ""};
    assert_int_equal(convert_seed("every_operator", &why), APP_OK);
    assert_int_equal(convert_seed("half_precision", &why), APP_OK);
    assert_int_equal(convert_seed("smallest", &why), APP_OK);
}

static void what_is_not_understood_is_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"empty", "no TensorFlow Lite file"},
        {"cut_off", "its input"},
        {"one_output", "its outputs"},
        {"outputs_the_wrong_way_round", "not a detector of faces"},
        {"relu_of_the_picture", "a RELU of the picture"},
        {"relu_of_what_others_read", "a RELU"},
        {"reads_what_is_not_computed", "an addition"},
        {"sparse_weights", "weights of an unknown kind"},
        {"too_few_weights", "weights are missing"},
        {"weights_of_another_shape", "a convolution's weights"},
        {"weights_of_fewer_channels", "a convolution's weights"},
        {"stride_of_four", "an operation does not fit"},
        {"unknown_operator", "operator 99"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err_buf why = {.text = ""};
        assert_int_equal(convert_seed(cases[i][0], &why), APP_CONFIG);
        if (!strstr(why.text, cases[i][1]))
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i][0], why.text, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_network_file_is_what_conversion_gives),
        cmocka_unit_test(a_name_that_is_too_long_is_cut),
        cmocka_unit_test(a_file_that_was_cut_is_refused),
        cmocka_unit_test(a_file_without_its_last_byte_crashes_nothing),
        cmocka_unit_test(a_flipped_bit_crashes_nothing),
        cmocka_unit_test(every_operator_of_the_network_is_converted),
        cmocka_unit_test(what_is_not_understood_is_named),
    };
    return cmocka_run_group_tests(tests, read_original, release_original);
}
