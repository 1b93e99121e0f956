/* SPDX-License-Identifier: MIT */
/*
 * A network file comes from our own build, yet a broken disk or another version's file
 * must be refused with a sentence, and not run.
 */
#include "facebox/network.h"

#include <math.h>
#include <stdlib.h>

#include "support/cmocka.h"
#include "support/temp_dir.h"
#include "unit/facebox/detector_fixture.h"
#include "unit/facebox/network_builder.h"

static struct network real;

static int open_real(void **state)
{
    (void)state;
    return fixture_open_network(&real);
}

static int close_real(void **state)
{
    (void)state;
    fixture_close_network(&real);
    return 0;
}

/* Read a copy of exactly that length, so that ASan sees each bound. */
static enum app_err read_copy(const void *data, size_t len, struct network *network,
                              struct err_buf *why)
{
    void *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    enum app_err err = network_read(copy, len, network, why);
    free(copy);
    return err;
}

static void assert_refused(const void *data, size_t len, const char *reason)
{
    static const struct network untouched;
    struct network network = untouched;
    struct err_buf why = {.text = ""};
    assert_int_equal(read_copy(data, len, &network, &why), APP_CONFIG);
    if (!strstr(why.text, "it does not fit this program: ") || !strstr(why.text, reason))
        fail_msg("\"%s\" instead of \"%s\"", why.text, reason);
    assert_memory_equal(&network, &untouched, sizeof(network));
}

static void the_real_file_is_taken(void **state)
{
    (void)state;
    assert_true(real.header->op_count > 50);
    assert_int_equal(network_channels(&real, 0), NETWORK_INPUT_CHANNELS);
    assert_int_equal(network_channels(&real, real.header->score_tensor), NETWORK_SCORE_CHANNELS);
    assert_int_equal(network_channels(&real, real.header->box_tensor), NETWORK_BOX_CHANNELS);
    assert_non_null(strstr(real.header->name, "mediapipe-face-full-range-"));
}

static void a_file_that_was_cut_is_refused(void **state)
{
    (void)state;
    const char *data = real.file.data;
    for (size_t len = 4096; len < real.file.len; len += 4096)
        assert_refused(data, len, "its length is wrong");
    assert_refused(data, real.file.len - 1, "its length is wrong");
    assert_refused(data, sizeof(struct network_file_header), "its length is wrong");
    assert_refused(data, sizeof(struct network_file_header) - 1, "it is no network");
    assert_refused(data, 8, "it is no network");
    assert_refused(data, 0, "it is no network");
}

static void a_file_with_more_behind_it_is_refused(void **state)
{
    (void)state;
    struct built_network built[2];
    network_builder_make(&built[0]);
    network_builder_make(&built[1]);
    assert_refused(built, sizeof(built[0]) + 1, "its length is wrong");
    assert_refused(built, sizeof(built), "its length is wrong");
}

static void a_flipped_bit_is_noticed(void **state)
{
    (void)state;
    unsigned char *copy = malloc(real.file.len);
    assert_non_null(copy);
    memcpy(copy, real.file.data, real.file.len);
    for (size_t i = 0; i < real.file.len; i += i < 128 ? 1 : 4099) {
        struct network network;
        struct err_buf why = {.text = ""};
        copy[i] ^= (unsigned char)(1U << i % 8);
        assert_int_equal(network_read(copy, real.file.len, &network, &why), APP_CONFIG);
        assert_true(strlen(why.text) > 20);
        copy[i] ^= (unsigned char)(1U << i % 8);
    }
    free(copy);
}

static void a_built_file_is_taken(void **state)
{
    (void)state;
    struct built_network built;
    struct network network;
    network_builder_make(&built);
    assert_int_equal(network_read(&built, sizeof(built), &network, NULL), APP_OK);
    static const unsigned halvings[BUILT_TENSORS] = {0, 1, 1, 1, 2, 3, 2, 2, 2, 2};
    for (unsigned i = 0; i < BUILT_TENSORS; i++)
        assert_int_equal(network.halvings[i], halvings[i]);
    assert_ptr_equal(network.ops, built.ops);
    assert_ptr_equal(network.weights, built.weights);
}

/* --- One number that is wrong, under a checksum that is right --------------------------- */

#define HEADER(field) offsetof(struct built_network, header.field)
#define OP(tensor, field)                                                                          \
    (offsetof(struct built_network, ops[(tensor)-1]) + offsetof(struct network_op, field))
#define LENGTH   "its length is wrong"
#define MISFIT   "an operation does not fit"
#define NO_FACES "it is not a detector of faces"

struct change {
    size_t at; /* of 4 bytes */
    uint32_t value;
    const char *reason; /* NULL: taken all the same */
};

static void check_changes(const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct built_network built;
        struct network network;
        struct err_buf why = {.text = ""};
        network_builder_make(&built);
        memcpy((char *)&built + changes[i].at, &changes[i].value, 4);
        network_builder_sign(&built);
        enum app_err err = read_copy(&built, sizeof(built), &network, &why);
        const char *reason = changes[i].reason;
        if (err != (reason ? APP_CONFIG : APP_OK) || (reason && !strstr(why.text, reason)))
            fail_msg("change %zu: \"%s\" instead of \"%s\"", i, why.text, reason ? reason : "");
    }
}

static void header_fields_that_are_wrong_are_refused(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {HEADER(magic), 0, "of another version"},
        {HEADER(op_count), 0, LENGTH},
        {HEADER(op_count), BUILT_OPS - 1, LENGTH},
        {HEADER(op_count), NETWORK_FILE_MAX_OPS + 1, LENGTH},
        {HEADER(op_count), UINT32_MAX, LENGTH},
        {HEADER(weight_count), 0, LENGTH},
        {HEADER(weight_count), BUILT_WEIGHTS + 1, LENGTH},
        {HEADER(weight_count), NETWORK_FILE_MAX_WEIGHTS + 1, LENGTH},
        {HEADER(weight_count), UINT32_MAX, LENGTH},
        {HEADER(score_tensor), 0, NO_FACES},
        {HEADER(score_tensor), BUILT_BOXES, NO_FACES},
        {HEADER(score_tensor), BUILT_TENSORS, NO_FACES},
        {HEADER(score_tensor), UINT32_MAX, NO_FACES},
        {HEADER(box_tensor), 0, NO_FACES},
        {HEADER(box_tensor), BUILT_SCORES, NO_FACES},
        {HEADER(box_tensor), BUILT_TENSORS, NO_FACES},
        {HEADER(box_tensor), UINT32_MAX, NO_FACES},
    };
    check_changes(changes, sizeof(changes) / sizeof(changes[0]));
}

static void operations_that_read_what_is_not_there_are_refused(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {OP(BUILT_HALF, inputs[0]), BUILT_HALF, MISFIT},
        {OP(BUILT_HALF, inputs[0]), UINT32_MAX, MISFIT},
        {OP(BUILT_DEPTHWISE, inputs[0]), BUILT_SUM, MISFIT},
        {OP(BUILT_SUM, inputs[1]), BUILT_SUM, MISFIT},
        {OP(BUILT_SUM, inputs[1]), UINT32_MAX, MISFIT},
        {OP(BUILT_SUM, inputs[1]), BUILT_PICTURE, MISFIT},     /* other channels */
        {OP(BUILT_RESIZED, inputs[0]), BUILT_PICTURE, MISFIT}, /* other channels */
        {OP(BUILT_POOLED, inputs[1]), UINT32_MAX, NULL},       /* nobody reads it */
        {OP(BUILT_BOXES, inputs[0]), BUILT_TENSORS, MISFIT},
        {OP(BUILT_SCORES, inputs[0]), BUILT_HALF, NO_FACES},   /* in another size */
        {OP(BUILT_SCORES, inputs[0]), BUILT_DEEPER, NO_FACES}, /* in another size */
    };
    check_changes(changes, sizeof(changes) / sizeof(changes[0]));
}

static void operations_of_unknown_shape_are_refused(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {OP(BUILT_HALF, kind), NETWORK_OP_KIND__MAX, MISFIT},
        {OP(BUILT_HALF, kind), UINT32_MAX, MISFIT},
        {OP(BUILT_HALF, kind), NETWORK_DEPTHWISE, MISFIT},
        {OP(BUILT_HALF, kind), NETWORK_MAX_POOL, MISFIT},
        {OP(BUILT_HALF, has_relu), 2, MISFIT},
        {OP(BUILT_POOLED, has_relu), 1, MISFIT},
        {OP(BUILT_RESIZED, has_relu), 1, MISFIT},
        {OP(BUILT_PADDED, has_relu), 1, MISFIT},
        {OP(BUILT_HALF, out_channels), 0, MISFIT},
        {OP(BUILT_HALF, out_channels), NETWORK_FILE_MAX_CHANNELS + 1, MISFIT},
        {OP(BUILT_HALF, out_channels), UINT32_MAX, MISFIT},
        {OP(BUILT_HALF, out_channels), BUILT_CHANNELS + 1, MISFIT}, /* the next one has fewer */
        {OP(BUILT_DEPTHWISE, out_channels), BUILT_CHANNELS - 1, MISFIT},
        {OP(BUILT_SUM, out_channels), BUILT_CHANNELS + 1, MISFIT},
        {OP(BUILT_POOLED, out_channels), BUILT_CHANNELS - 1, MISFIT},
        {OP(BUILT_RESIZED, out_channels), BUILT_CHANNELS + 1, MISFIT},
        {OP(BUILT_PADDED, out_channels), BUILT_CHANNELS, MISFIT},
        {OP(BUILT_SCORES, out_channels), 2, NO_FACES},
        {OP(BUILT_BOXES, out_channels), 15, NO_FACES},
        {OP(BUILT_HALF, kernel), 0, MISFIT},
        {OP(BUILT_HALF, kernel), 2, MISFIT},
        {OP(BUILT_HALF, kernel), 5, MISFIT},
        {OP(BUILT_HALF, kernel), UINT32_MAX, MISFIT},
        {OP(BUILT_DEPTHWISE, kernel), 1, MISFIT},
        {OP(BUILT_HALF, stride), 0, MISFIT},
        {OP(BUILT_HALF, stride), 3, MISFIT},
        {OP(BUILT_HALF, stride), UINT32_MAX, MISFIT},
        {OP(BUILT_HALF, stride), 1, NO_FACES},    /* all that follows is twice as large */
        {OP(BUILT_DEPTHWISE, stride), 2, MISFIT}, /* it is added to one of another size */
    };
    check_changes(changes, sizeof(changes) / sizeof(changes[0]));
}

static void weights_that_are_not_there_are_refused(void **state)
{
    (void)state;
    enum {
        HALF_WEIGHTS = 3 * 3 * 3 * BUILT_CHANNELS,
        DEPTHWISE_WEIGHTS = 3 * 3 * BUILT_CHANNELS,
        LAST = BUILT_WEIGHTS - HALF_WEIGHTS,
        LAST_DEPTHWISE = BUILT_WEIGHTS - DEPTHWISE_WEIGHTS,
        LAST_BIAS = BUILT_WEIGHTS - BUILT_CHANNELS,
    };
    static const struct change changes[] = {
        {OP(BUILT_HALF, weights), LAST, NULL},
        {OP(BUILT_HALF, weights), LAST + 1, MISFIT},
        {OP(BUILT_HALF, weights), BUILT_WEIGHTS + 1, MISFIT},
        {OP(BUILT_HALF, weights), UINT32_MAX, MISFIT},
        {OP(BUILT_DEPTHWISE, weights), LAST_DEPTHWISE, NULL},
        {OP(BUILT_DEPTHWISE, weights), LAST_DEPTHWISE + 1, MISFIT},
        {OP(BUILT_HALF, bias), LAST_BIAS, NULL},
        {OP(BUILT_HALF, bias), LAST_BIAS + 1, MISFIT},
        {OP(BUILT_HALF, bias), UINT32_MAX, MISFIT},
        {OP(BUILT_POOLED, weights), UINT32_MAX, NULL}, /* it has none */
    };
    check_changes(changes, sizeof(changes) / sizeof(changes[0]));
}

static void weights_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    static const float wrong[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct built_network built;
        network_builder_make(&built);
        built.weights[i % 2 == 0 ? 0 : BUILT_WEIGHTS - 1] = wrong[i];
        network_builder_sign(&built);
        assert_refused(&built, sizeof(built), "a weight is not a number");
    }
}

static void a_name_without_an_end_is_refused(void **state)
{
    (void)state;
    struct built_network built;
    network_builder_make(&built);
    memset(built.header.name, 'x', sizeof(built.header.name));
    network_builder_sign(&built);
    assert_refused(&built, sizeof(built), "its name does not end");
}

static void a_picture_is_halved_no_more_than_its_alignment_allows(void **state)
{
    (void)state;
    struct built_network built;
    network_builder_make(&built);
    for (int tensor = BUILT_HALF; tensor <= BUILT_BOXES; tensor++)
        network_builder_convolution(&built, tensor, tensor - 1, 1, tensor <= 6 ? 2 : 1, 16);
    network_builder_sign(&built);
    assert_refused(&built, sizeof(built), MISFIT);
    network_builder_op(&built, 6)->stride = 1; /* five are taken, though it is no detector */
    network_builder_sign(&built);
    assert_refused(&built, sizeof(built), NO_FACES);
}

static void a_picture_cannot_be_larger_than_it_is(void **state)
{
    (void)state;
    struct built_network built;
    network_builder_make(&built);
    *network_builder_op(&built, BUILT_HALF) = (struct network_op){
        .kind = NETWORK_RESIZE, .inputs = {BUILT_PICTURE, 0}, .out_channels = 3};
    network_builder_sign(&built);
    assert_refused(&built, sizeof(built), MISFIT);
}

/* --- Files --------------------------------------------------------------------------- */

static void files_are_opened_and_closed(void **state)
{
    (void)state;
    struct temp_dir dir;
    struct built_network built;
    struct network network = {.header = NULL};
    struct err_buf why = {.text = ""};
    char path[PATH_MAX];
    network_builder_make(&built);
    temp_dir_init(&dir);
    temp_dir_path(&dir, NETWORK_FILE_NAME, path);

    assert_int_equal(network_open(path, &network, &why), APP_CONFIG);
    assert_non_null(strstr(why.text, path));
    temp_dir_write(&dir, NETWORK_FILE_NAME, &built, sizeof(built) - 4);
    assert_int_equal(network_open(path, &network, &why), APP_CONFIG);
    assert_non_null(strstr(why.text, LENGTH));
    built.header.magic++;
    temp_dir_write(&dir, NETWORK_FILE_NAME, &built, sizeof(built));
    built.header.magic--;
    assert_int_equal(network_open(path, &network, &why), APP_CONFIG);
    assert_non_null(strstr(why.text, "it is no network"));
    network_close(&network);
    temp_dir_write(&dir, NETWORK_FILE_NAME, &built, sizeof(built));
    assert_int_equal(network_open(path, &network, &why), APP_OK);
    assert_string_equal(network.header->name, "built");
    network_close(&network);
    network_close(&network);
    temp_dir_release(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_real_file_is_taken),
        cmocka_unit_test(a_file_that_was_cut_is_refused),
        cmocka_unit_test(a_file_with_more_behind_it_is_refused),
        cmocka_unit_test(a_flipped_bit_is_noticed),
        cmocka_unit_test(a_built_file_is_taken),
        cmocka_unit_test(header_fields_that_are_wrong_are_refused),
        cmocka_unit_test(operations_that_read_what_is_not_there_are_refused),
        cmocka_unit_test(operations_of_unknown_shape_are_refused),
        cmocka_unit_test(weights_that_are_not_there_are_refused),
        cmocka_unit_test(weights_that_are_no_numbers_are_refused),
        cmocka_unit_test(a_name_without_an_end_is_refused),
        cmocka_unit_test(a_picture_is_halved_no_more_than_its_alignment_allows),
        cmocka_unit_test(a_picture_cannot_be_larger_than_it_is),
        cmocka_unit_test(files_are_opened_and_closed),
    };
    return cmocka_run_group_tests(tests, open_real, close_real);
}
