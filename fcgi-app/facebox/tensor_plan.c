/* SPDX-License-Identifier: MIT */
/* First fit: some hundred tensors, of which few are needed at a time. */
#include "facebox/tensor_plan.h"

#include <stdbool.h>
#include <string.h>

enum {
    GRAIN = TENSOR_ALIGN / sizeof(float)
}; /* floats that offsets and lengths are multiples of */

struct planning {
    const struct network *network;
    const struct stem *stem;
    struct tensor_plan *plan;
    size_t lengths[NETWORK_FILE_MAX_OPS + 1];     /* floats, the gap behind them included */
    unsigned last_uses[NETWORK_FILE_MAX_OPS + 1]; /* the last operation that reads a tensor */
};

static void find_last_uses(struct planning *planning)
{
    const struct network *network = planning->network;
    unsigned op_count = network->header->op_count;
    for (unsigned i = 0; i < op_count; i++) {
        const struct network_op *op = &network->ops[i];
        planning->last_uses[op->inputs[0]] = i;
        if (op->kind == NETWORK_ADD)
            planning->last_uses[op->inputs[1]] = i;
    }
    for (unsigned i = 0; i <= planning->stem->op_count; i++) {
        if (planning->stem->op_count > 0 && planning->last_uses[i] < planning->stem->op_count)
            planning->last_uses[i] = planning->stem->op_count - 1;
    }
    planning->last_uses[network->header->score_tensor] = op_count;
    planning->last_uses[network->header->box_tensor] = op_count;
}

static void find_lengths(struct planning *planning, int width, int height)
{
    const struct network *network = planning->network;
    for (unsigned i = 0; i <= network->header->op_count; i++) {
        size_t pixels =
            ((size_t)width >> network->halvings[i]) * ((size_t)height >> network->halvings[i]);
        size_t count = pixels * network_channels(network, i);
        if (i <= planning->stem->op_count && planning->stem->op_count > 0)
            count = stem_tensor_len(planning->stem, i);
        planning->lengths[i] = (count / GRAIN + 2) * GRAIN;
    }
}

/* Whether tensor `number` is still read by operation `op`, which makes tensor op + 1, or later. */
static bool is_needed(const struct planning *planning, unsigned number, unsigned op)
{
    return planning->last_uses[number] >= op;
}

/* The first place that no needed tensor takes. */
static size_t find_place(const struct planning *planning, unsigned tensor)
{
    const size_t *offsets = planning->plan->offsets;
    size_t place = 0;
    for (unsigned i = 0; i < tensor;) {
        bool overlaps = is_needed(planning, i, tensor - 1) &&
                        offsets[i] < place + planning->lengths[tensor] &&
                        place < offsets[i] + planning->lengths[i];
        if (overlaps)
            place = offsets[i] + planning->lengths[i];
        i = overlaps ? 0 : i + 1; /* at the new place any of them may be in the way */
    }
    return place;
}

/* The tensor whose place the result of an addition takes; false: none. */
static bool find_replaced(const struct planning *planning, unsigned index, unsigned *replaced)
{
    const struct network_op *op = &planning->network->ops[index];
    if (op->kind != NETWORK_ADD || index < planning->stem->op_count)
        return false;
    for (int i = 0; i < 2; i++) {
        *replaced = op->inputs[i];
        if (planning->last_uses[*replaced] == index)
            return true;
    }
    return false;
}

void tensor_plan_make(const struct network *network, const struct stem *stem, int width, int height,
                      struct tensor_plan *plan)
{
    struct planning planning = {.network = network, .stem = stem, .plan = plan};
    find_last_uses(&planning);
    find_lengths(&planning, width, height);
    size_t size = planning.lengths[0];
    plan->offsets[0] = 0;
    for (unsigned tensor = 1; tensor <= network->header->op_count; tensor++) {
        unsigned replaced;
        plan->offsets[tensor] = find_replaced(&planning, tensor - 1, &replaced)
                                    ? plan->offsets[replaced]
                                    : find_place(&planning, tensor);
        size_t end = plan->offsets[tensor] + planning.lengths[tensor];
        size = end > size ? end : size;
    }
    plan->size = size * sizeof(float);
}
