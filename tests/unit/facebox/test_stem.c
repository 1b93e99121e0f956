/* SPDX-License-Identifier: MIT */
/*
 * Instead of computing, each row is filled with a number that says which row of which
 * tensor it is, and whoever reads a row looks for that number.
 */
#include "facebox/stem.h"

#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"
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

struct checker {
    const struct network *network;
    const struct stem *stem;
    int next[STEM_MAX_OPS + 1]; /* row of each tensor that is computed next */
    int stop_at;                /* call that fails; 0: none */
    int calls;
};

static float row_number(unsigned tensor, int row)
{
    return (float)(tensor * 4096 + (unsigned)row + 1);
}

static void fill_row(const struct stem *stem, unsigned tensor, int row, float *at)
{
    for (size_t i = 0; i < stem->tensors[tensor].row_len; i++)
        at[i] = row_number(tensor, row);
}

/* Rows -1 and `height` are zeros. */
static void assert_row(const struct stem *stem, unsigned tensor, int row, const float *at)
{
    bool outside = row < 0 || row >= stem->tensors[tensor].height;
    float expected = outside ? 0 : row_number(tensor, row);
    for (size_t i = 0; i < stem->tensors[tensor].row_len; i++) {
        if (at[i] != expected)
            fail_msg("row %d of tensor %u is %f", row, tensor, (double)at[i]);
    }
}

static int check_work(void *context, const struct stem_work *work)
{
    struct checker *checker = context;
    const struct network_op *op = &checker->network->ops[work->op];
    unsigned tensor = work->op + 1;
    bool convolves = op->kind == NETWORK_CONVOLUTION || op->kind == NETWORK_DEPTHWISE;
    int stride = op->kind == NETWORK_MAX_POOL ? 2 : convolves ? (int)op->stride : 1;
    bool has_neighbours = convolves && op->kernel == 3;
    int row = checker->next[tensor], last = row + work->rows_out - 1;
    int first = stride * row - (has_neighbours && stride == 1);
    int end = stride * last + (has_neighbours ? 3 - (stride == 1) : stride);
    if (++checker->calls == checker->stop_at)
        return 5;
    assert_true(work->rows_out > 0);
    assert_int_equal(work->rows_in, end - first);
    for (int i = 0; i < (op->kind == NETWORK_ADD ? 2 : 1); i++) {
        for (int j = 0; j < work->rows_in; j++)
            assert_row(checker->stem, op->inputs[i], first + j,
                       work->inputs[i] + (size_t)j * checker->stem->tensors[op->inputs[i]].row_len);
    }
    for (int i = 0; i < work->rows_out; i++)
        fill_row(checker->stem, tensor, row + i,
                 work->output + (size_t)i * checker->stem->tensors[tensor].row_len);
    checker->next[tensor] += work->rows_out;
    return 0;
}

/* Each tensor in a block of its exact size, so that ASan sees each bound. */
static int run_stem(const struct network *network, int width, int height, int stop_at)
{
    struct stem stem;
    float *places[STEM_MAX_OPS + 1];
    stem_plan(network, width, height, &stem);
    assert_in_range(stem.op_count, 1, STEM_MAX_OPS);
    struct checker checker = {.network = network, .stem = &stem, .stop_at = stop_at};
    for (unsigned i = 0; i <= stem.op_count; i++) {
        places[i] = malloc(stem_tensor_len(&stem, i) * sizeof(float));
        assert_non_null(places[i]);
        memset(places[i], 0xff, stem_tensor_len(&stem, i) * sizeof(float));
    }
    for (int row = 0; row < height; row++)
        fill_row(&stem, 0, row,
                 places[0] + stem_tensor_offset(&stem, 0) + (size_t)row * stem.tensors[0].row_len);
    int status = stem_run(&stem, network, places, check_work, &checker);
    for (unsigned i = 0; i <= stem.op_count; i++) {
        const struct stem_tensor *tensor = &stem.tensors[i];
        if (i > 0 && status == 0)
            assert_int_equal(checker.next[i], tensor->height);
        for (int row = 0; row < tensor->height && tensor->is_whole && status == 0; row++)
            assert_row(&stem, i, row,
                       places[i] + stem_tensor_offset(&stem, i) + (size_t)row * tensor->row_len);
        free(places[i]);
    }
    return status;
}

static void each_row_is_computed_once_from_the_rows_that_it_needs(void **state)
{
    (void)state;
    struct built_network built;
    struct network small;
    network_builder_make(&built);
    assert_int_equal(network_read(&built, sizeof(built), &small, NULL), APP_OK);
    for (int height = NETWORK_ALIGN; height <= 320; height += NETWORK_ALIGN) {
        assert_int_equal(run_stem(&real, NETWORK_ALIGN, height, 0), 0);
        assert_int_equal(run_stem(&small, 2 * NETWORK_ALIGN, height, 0), 0);
    }
    assert_int_equal(run_stem(&real, 96, 1216, 0), 0);
}

static void what_stops_an_operation_stops_the_stem(void **state)
{
    (void)state;
    assert_int_equal(run_stem(&real, NETWORK_ALIGN, 64, 1), 5);
    assert_int_equal(run_stem(&real, NETWORK_ALIGN, 64, 7), 5);
}

static void few_rows_are_held_at_a_time(void **state)
{
    (void)state;
    struct stem stem;
    size_t held = 0, whole = 0;
    stem_plan(&real, 640, 640, &stem);
    for (unsigned i = 1; i <= stem.op_count; i++) {
        held += stem.tensors[i].is_whole ? 0 : stem_tensor_len(&stem, i);
        whole +=
            stem.tensors[i].is_whole ? 0 : stem.tensors[i].row_len * (size_t)stem.tensors[i].height;
    }
    assert_true(held < whole / 10);
}

/* Its result is read by nobody, and has less than a quarter of the picture's rows. */
static void a_branch_to_smaller_rows_is_not_cut_into_strips(void **state)
{
    (void)state;
    struct built_network built;
    struct network network;
    struct stem stem;
    network_builder_make(&built);
    network_builder_convolution(&built, BUILT_DEPTHWISE, BUILT_HALF, 1, 2, BUILT_CHANNELS);
    network_builder_convolution(&built, BUILT_SUM, BUILT_DEPTHWISE, 1, 2, BUILT_CHANNELS);
    network_builder_op(&built, BUILT_POOLED)->inputs[0] = BUILT_HALF;
    network_builder_sign(&built);
    assert_int_equal(network_read(&built, sizeof(built), &network, NULL), APP_OK);
    stem_plan(&network, 64, 64, &stem);
    assert_int_equal(stem.op_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_computed_once_from_the_rows_that_it_needs),
        cmocka_unit_test(what_stops_an_operation_stops_the_stem),
        cmocka_unit_test(few_rows_are_held_at_a_time),
        cmocka_unit_test(a_branch_to_smaller_rows_is_not_cut_into_strips),
    };
    return cmocka_run_group_tests(tests, open_real, close_real);
}
