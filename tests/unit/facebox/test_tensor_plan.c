/* SPDX-License-Identifier: MIT */
/*
 * The plan of the real network, held against a slow way to look at it: each float of
 * the block is owned by the tensor that was written there last.
 */
#include "facebox/tensor_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xnnpack.h>

#include "unit/facebox/detector_fixture.h"

static struct network network;

static int open_network(void **state)
{
    (void)state;
    return fixture_open_network(&network);
}

static int close_network(void **state)
{
    (void)state;
    fixture_close_network(&network);
    return 0;
}

/* Floats of a whole tensor, or of what the stem holds of it at a time. */
static size_t count_floats(const struct stem *stem, unsigned tensor, int width, int height)
{
    size_t across = (size_t)width >> network.halvings[tensor];
    size_t down = (size_t)height >> network.halvings[tensor];
    if (stem->op_count > 0 && tensor <= stem->op_count)
        return stem_tensor_len(stem, tensor);
    return across * down * network_channels(&network, tensor);
}

/* Who wrote each float last; the block is 4 bytes for each of them. */
struct owners {
    uint16_t *tensors;
    size_t count;
    const struct tensor_plan *plan;
    const struct stem *stem;
    int width;
    int height;
};

static void write_tensor(const struct owners *owners, unsigned tensor)
{
    size_t begin = owners->plan->offsets[tensor];
    size_t count = count_floats(owners->stem, tensor, owners->width, owners->height);
    assert_true(begin % (TENSOR_ALIGN / sizeof(float)) == 0);
    /* What XNNPACK may read behind it is inside the block, too. */
    assert_true(begin + count + XNN_EXTRA_BYTES / sizeof(float) <= owners->count);
    for (size_t i = begin; i < begin + count; i++)
        owners->tensors[i] = (uint16_t)tensor;
}

static void read_tensor(const struct owners *owners, unsigned tensor)
{
    size_t begin = owners->plan->offsets[tensor];
    size_t count = count_floats(owners->stem, tensor, owners->width, owners->height);
    for (size_t i = begin; i < begin + count; i++) {
        if (owners->tensors[i] != tensor)
            fail_msg("tensor %u was overwritten by %u", tensor, owners->tensors[i]);
    }
}

static bool overlap(const struct owners *owners, unsigned a, unsigned b)
{
    size_t a_begin = owners->plan->offsets[a], b_begin = owners->plan->offsets[b];
    return a_begin < b_begin + count_floats(owners->stem, b, owners->width, owners->height) &&
           b_begin < a_begin + count_floats(owners->stem, a, owners->width, owners->height);
}

/* An operation may write where it reads only if it adds, and then in the very place. */
static void check_in_place(const struct owners *owners, unsigned index)
{
    const struct network_op *op = &network.ops[index];
    for (int i = 0; i < (op->kind == NETWORK_ADD ? 2 : 1); i++) {
        if (!overlap(owners, op->inputs[i], index + 1))
            continue;
        if (op->kind != NETWORK_ADD ||
            owners->plan->offsets[op->inputs[i]] != owners->plan->offsets[index + 1])
            fail_msg("operation %u writes into what it reads", index);
    }
}

/* All tensors of the stem are in use until its end. */
static void check_stem(const struct owners *owners)
{
    for (unsigned i = 0; i <= owners->stem->op_count; i++)
        write_tensor(owners, i);
    for (unsigned i = 0; i <= owners->stem->op_count; i++)
        read_tensor(owners, i);
}

static void check_plan(const struct stem *stem, int width, int height)
{
    struct tensor_plan plan;
    memset(&plan, 0xff, sizeof(plan));
    tensor_plan_make(&network, stem, width, height, &plan);
    assert_true(plan.size > 0 && plan.size % TENSOR_ALIGN == 0);
    struct owners owners = {.count = plan.size / sizeof(float),
                            .plan = &plan,
                            .stem = stem,
                            .width = width,
                            .height = height};
    owners.tensors = calloc(owners.count > 0 ? owners.count : 1, sizeof(*owners.tensors));
    assert_non_null(owners.tensors);
    check_stem(&owners);
    for (unsigned i = stem->op_count; i < network.header->op_count; i++) {
        read_tensor(&owners, network.ops[i].inputs[0]);
        if (network.ops[i].kind == NETWORK_ADD)
            read_tensor(&owners, network.ops[i].inputs[1]);
        check_in_place(&owners, i);
        write_tensor(&owners, i + 1);
    }
    read_tensor(&owners, network.header->score_tensor);
    read_tensor(&owners, network.header->box_tensor);
    free(owners.tensors);
}

static void no_tensor_is_overwritten_before_it_was_read_for_the_last_time(void **state)
{
    (void)state;
    static const int sizes[][2] = {{32, 32},   {32, 64},   {192, 192}, {192, 128}, {320, 32},
                                   {320, 224}, {640, 640}, {640, 448}, {32, 640},  {704, 512}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const struct stem none = {.op_count = 0};
        struct stem stem;
        stem_plan(&network, sizes[i][0], sizes[i][1], &stem);
        assert_true(stem.op_count > 0);
        check_plan(&stem, sizes[i][0], sizes[i][1]);
        check_plan(&none, sizes[i][0], sizes[i][1]);
    }
}

static size_t plan_size(const struct network *planned, int width, int height)
{
    struct stem stem;
    struct tensor_plan plan;
    stem_plan(planned, width, height, &stem);
    tensor_plan_make(planned, &stem, width, height, &plan);
    return plan.size;
}

static void memory_is_used_again(void **state)
{
    (void)state;
    const struct stem none = {.op_count = 0};
    size_t all = 0;
    for (unsigned i = 0; i <= network.header->op_count; i++)
        all += count_floats(&none, i, 640, 640) * sizeof(float);
    assert_true(plan_size(&network, 640, 640) < all / 4);
    assert_true(plan_size(&network, 320, 320) < plan_size(&network, 640, 640) / 3);
}

enum { SMALL_OPS = 3 };

/* A network that computes nothing: only what operations read counts here. */
static struct tensor_plan plan_of(const struct network_op ops[SMALL_OPS], unsigned score_tensor,
                                  unsigned box_tensor)
{
    const struct network_file_header header = {
        .op_count = SMALL_OPS, .score_tensor = score_tensor, .box_tensor = box_tensor};
    struct network made = {.header = &header, .ops = ops};
    const struct stem none = {.op_count = 0};
    struct tensor_plan plan;
    tensor_plan_make(&made, &none, 32, 32, &plan);
    return plan;
}

static void an_addition_takes_the_place_of_what_nobody_reads_any_more(void **state)
{
    (void)state;
    const struct network_op ops[SMALL_OPS] = {
        {.kind = NETWORK_DEPTHWISE, .inputs = {0, 0}, .out_channels = 3},
        {.kind = NETWORK_DEPTHWISE, .inputs = {1, 0}, .out_channels = 3},
        {.kind = NETWORK_ADD, .inputs = {1, 2}, .out_channels = 3},
    };
    struct tensor_plan plan = plan_of(ops, 3, 3);
    assert_int_equal(plan.offsets[3], plan.offsets[1]);
    plan = plan_of(ops, 1, 3); /* the first is a result, so the second gives way */
    assert_int_equal(plan.offsets[3], plan.offsets[2]);
    plan = plan_of(ops, 1, 2); /* both are results */
    assert_true(plan.offsets[3] != plan.offsets[1]);
    assert_true(plan.offsets[3] != plan.offsets[2]);
}

static void nothing_but_an_addition_works_in_place(void **state)
{
    (void)state;
    const struct network_op ops[SMALL_OPS] = {
        {.kind = NETWORK_DEPTHWISE, .inputs = {0, 0}, .out_channels = 3},
        {.kind = NETWORK_DEPTHWISE, .inputs = {1, 0}, .out_channels = 3},
        {.kind = NETWORK_DEPTHWISE, .inputs = {2, 0}, .out_channels = 3},
    };
    struct tensor_plan plan = plan_of(ops, 3, 3);
    for (unsigned i = 0; i < SMALL_OPS; i++)
        assert_true(plan.offsets[i] != plan.offsets[i + 1]);
    assert_int_equal(plan.offsets[2], plan.offsets[0]); /* but one later does use it again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_tensor_is_overwritten_before_it_was_read_for_the_last_time),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(an_addition_takes_the_place_of_what_nobody_reads_any_more),
        cmocka_unit_test(nothing_but_an_addition_works_in_place),
    };
    return cmocka_run_group_tests(tests, open_network, close_network);
}
