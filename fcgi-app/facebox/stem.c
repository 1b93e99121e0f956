/* SPDX-License-Identifier: MIT */
/*
 * In each step the results get STRIP_ROWS rows further, and each tensor before them as
 * far as its readers need for that: `lead` rows more than the results' rows, in its own
 * scale.
 */
#include "facebox/stem.h"

#include <string.h>

enum { STRIP_ROWS = 4 }; /* of the results in a step; few enough for second-level caches */

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static unsigned input_count(const struct network_op *op)
{
    return op->kind == NETWORK_ADD ? 2 : 1;
}

static bool can_be_cut(const struct network_op *op)
{
    return op->kind == NETWORK_CONVOLUTION || op->kind == NETWORK_DEPTHWISE ||
           op->kind == NETWORK_ADD || op->kind == NETWORK_MAX_POOL;
}

/* Rows down of the input for one of the result. */
static int row_step(const struct network_op *op)
{
    bool convolves = op->kind == NETWORK_CONVOLUTION || op->kind == NETWORK_DEPTHWISE;
    return op->kind == NETWORK_MAX_POOL ? 2 : convolves ? (int)op->stride : 1;
}

static bool has_neighbours(const struct network_op *op)
{
    return (op->kind == NETWORK_CONVOLUTION || op->kind == NETWORK_DEPTHWISE) && op->kernel == 3;
}

/* The first input row that result row `row` needs: with a stride of 2 nothing is padded before. */
static int first_input_row(const struct network_op *op, int row)
{
    return row_step(op) * row - (has_neighbours(op) && row_step(op) == 1);
}

/* Behind the last input row that the results before `end` need. */
static int end_input_row(const struct network_op *op, int end)
{
    return row_step(op) * end + has_neighbours(op);
}

/* Whether an operation behind the stem reads it, or whoever runs the network. */
static bool is_read_behind(const struct network *network, unsigned tensor, unsigned op_count)
{
    if (tensor == network->header->score_tensor || tensor == network->header->box_tensor)
        return true;
    for (unsigned i = op_count; i < network->header->op_count; i++) {
        const struct network_op *op = &network->ops[i];
        for (unsigned j = 0; j < input_count(op); j++) {
            if (op->inputs[j] == tensor)
                return true;
        }
    }
    return false;
}

/*
 * What is read behind the stem has the results' scale, and nothing inside the stem reads it.
 * No tensor of the stem is smaller than the results.
 */
static bool is_stem(const struct network *network, unsigned op_count)
{
    for (unsigned i = 0; i < op_count; i++) {
        const struct network_op *op = &network->ops[i];
        if (!can_be_cut(op) || network->halvings[i + 1] > STEM_HALVINGS)
            return false;
        for (unsigned j = 0; j < input_count(op); j++) {
            if (is_read_behind(network, op->inputs[j], op_count))
                return false;
        }
        if (is_read_behind(network, i + 1, op_count) && network->halvings[i + 1] != STEM_HALVINGS)
            return false;
    }
    return true;
}

unsigned stem_count_ops(const struct network *network)
{
    unsigned count = 0;
    for (unsigned i = 0; i < network->header->op_count; i++) {
        if (network->halvings[network->ops[i].inputs[0]] < STEM_HALVINGS)
            count = i + 1;
    }
    return count <= STEM_MAX_OPS && is_stem(network, count) ? count : 0;
}

/* From the results back to the picture. */
static void find_leads(const struct network *network, struct stem *stem)
{
    for (unsigned i = stem->op_count; i-- > 0;) {
        const struct network_op *op = &network->ops[i];
        int needed = end_input_row(op, stem->tensors[i + 1].lead);
        for (unsigned j = 0; j < input_count(op); j++) {
            struct stem_tensor *input = &stem->tensors[op->inputs[j]];
            input->lead = max_int(input->lead, needed);
        }
    }
}

static int count_steps(const struct stem *stem)
{
    int rows = stem->tensors[0].height >> STEM_HALVINGS;
    return (rows + STRIP_ROWS - 1) / STRIP_ROWS;
}

/* How far tensor `tensor` is to be computed in step `step`. */
static int target_row(const struct stem *stem, const struct network *network, unsigned tensor,
                      int step)
{
    const struct stem_tensor *it = &stem->tensors[tensor];
    if (step == count_steps(stem) - 1)
        return it->height;
    int rows = ((step + 1) * STRIP_ROWS) << (STEM_HALVINGS - network->halvings[tensor]);
    return min_int(it->height, rows + it->lead);
}

/* The first row of a tensor that one of its readers has not used up. */
static int first_needed_row(const struct stem *stem, const struct network *network, unsigned tensor)
{
    int first = stem->tensors[tensor].end;
    for (unsigned i = 0; i < stem->op_count; i++) {
        const struct network_op *op = &network->ops[i];
        for (unsigned j = 0; j < input_count(op); j++) {
            if (op->inputs[j] == tensor)
                first = min_int(first, first_input_row(op, stem->tensors[i + 1].end));
        }
    }
    return first;
}

/* --- Planning ------------------------------------------------------------------------- */

/* Go through all steps without computing, to see how many rows each tensor has at a time. */
static void find_capacities(const struct network *network, struct stem *stem)
{
    for (int step = 0; step < count_steps(stem); step++) {
        int firsts[STEM_MAX_OPS + 1] = {0};
        for (unsigned i = 0; i <= stem->op_count; i++)
            firsts[i] = first_needed_row(stem, network, i);
        for (unsigned i = 1; i <= stem->op_count; i++) {
            struct stem_tensor *tensor = &stem->tensors[i];
            tensor->end = target_row(stem, network, i, step);
            tensor->capacity = max_int(tensor->capacity, tensor->end + 1 - firsts[i]);
        }
    }
}

void stem_plan(const struct network *network, int width, int height, struct stem *stem)
{
    *stem = (struct stem){.op_count = stem_count_ops(network)};
    for (unsigned i = 0; i <= stem->op_count && stem->op_count > 0; i++) {
        struct stem_tensor *tensor = &stem->tensors[i];
        size_t columns = (size_t)width >> network->halvings[i];
        tensor->height = height >> network->halvings[i];
        tensor->row_len = columns * network_channels(network, i);
        tensor->is_whole = i == 0 || is_read_behind(network, i, stem->op_count);
        tensor->capacity = tensor->is_whole ? tensor->height + 2 : 0;
    }
    if (stem->op_count == 0)
        return;
    find_leads(network, stem);
    stem->tensors[0].end = height;
    find_capacities(network, stem);
}

size_t stem_tensor_len(const struct stem *stem, unsigned tensor)
{
    return (size_t)stem->tensors[tensor].capacity * stem->tensors[tensor].row_len;
}

size_t stem_tensor_offset(const struct stem *stem, unsigned tensor)
{
    return stem->tensors[tensor].row_len;
}

/* --- Running --------------------------------------------------------------------------- */

static float *row_at(const struct stem_tensor *tensor, int row)
{
    return tensor->rows + (size_t)(row - tensor->first) * tensor->row_len;
}

static void clear_row(const struct stem_tensor *tensor, int row)
{
    memset(row_at(tensor, row), 0, tensor->row_len * sizeof(float));
}

static void start(struct stem *stem, float *const *places)
{
    for (unsigned i = 0; i <= stem->op_count; i++) {
        struct stem_tensor *tensor = &stem->tensors[i];
        tensor->rows = places[i];
        tensor->first = -1;
        tensor->end = i == 0 ? tensor->height : 0;
        clear_row(tensor, -1);
        if (i == 0)
            clear_row(tensor, tensor->height);
    }
}

/* Move the rows that are still needed to the front. */
static void drop_rows(struct stem *stem, const struct network *network, unsigned number)
{
    struct stem_tensor *tensor = &stem->tensors[number];
    int first = first_needed_row(stem, network, number);
    if (tensor->is_whole || first <= tensor->first)
        return;
    size_t len = (size_t)(tensor->end - first) * tensor->row_len;
    memmove(tensor->rows, row_at(tensor, first), len * sizeof(float));
    tensor->first = first;
    if (tensor->end == tensor->height)
        clear_row(tensor, tensor->height);
}

/* Compute tensor `number` up to row `target`. */
static int extend(struct stem *stem, const struct network *network, unsigned number, int target,
                  int (*compute)(void *context, const struct stem_work *work), void *context)
{
    const struct network_op *op = &network->ops[number - 1];
    struct stem_tensor *tensor = &stem->tensors[number];
    int first = first_input_row(op, tensor->end);
    if (target <= tensor->end)
        return 0;
    struct stem_work work = {
        .op = number - 1,
        .rows_in = end_input_row(op, target) - first,
        .rows_out = target - tensor->end,
        .output = row_at(tensor, tensor->end),
    };
    for (unsigned j = 0; j < input_count(op); j++)
        work.inputs[j] = row_at(&stem->tensors[op->inputs[j]], first);
    int status = compute(context, &work);
    tensor->end = target;
    if (target == tensor->height)
        clear_row(tensor, target);
    return status;
}

int stem_run(struct stem *stem, const struct network *network, float *const *places,
             int (*compute)(void *context, const struct stem_work *work), void *context)
{
    start(stem, places);
    for (int step = 0; step < count_steps(stem); step++) {
        for (unsigned i = 1; i <= stem->op_count; i++)
            drop_rows(stem, network, i);
        for (unsigned i = 1; i <= stem->op_count; i++) {
            int status =
                extend(stem, network, i, target_row(stem, network, i, step), compute, context);
            if (status)
                return status;
        }
    }
    return 0;
}
