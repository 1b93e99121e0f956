/* SPDX-License-Identifier: MIT */
/*
 * XNNPACK's operators are used one by one and not its graph: a graph is for pictures
 * of one size, and pictures have any. Weights are packed once, when an inference is
 * made. The first operations run strip by strip (stem.h), the others on whole tensors
 * (tensor_plan.h says where those lie).
 */
#include "facebox/inference.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <xnnpack.h>

#include "facebox/stem.h"
#include "facebox/tensor_plan.h"

struct inference {
    const struct network *network;
    xnn_operator_t operators[NETWORK_FILE_MAX_OPS]; /* op_count of them; all NULL: none yet */
    float *memory;                                  /* of all tensors; NULL: none yet */
    size_t memory_len;                              /* bytes */
    struct stem stem;                               /* of the picture at hand, as the following */
    struct tensor_plan plan;
    int width;
    int height;
};

/* What an operation reads, and where its result goes. */
struct operands {
    size_t width; /* of the inputs */
    size_t height;
    size_t channels;
    const float *inputs[2]; /* the second of ADD only */
    float *output;
};

static enum app_err fail(struct err_buf *why, enum xnn_status status)
{
    if (status == xnn_status_out_of_memory)
        return APP_NO_MEMORY;
    err_detail(why, "XNNPACK: status %d", (int)status);
    return APP_INTERNAL;
}

enum app_err inference_library_init(struct err_buf *why)
{
    if (access("/proc/cpuinfo", R_OK)) /* libcpuinfo would crash where /sys is missing, too */
        return err_set(why, APP_INTERNAL,
                       "/proc/cpuinfo cannot be read, from which XNNPACK learns what the processor "
                       "can do (systemd: ProcSubset=pid hides it)");
    enum xnn_status status = xnn_initialize(NULL);
    if (status == xnn_status_success)
        return APP_OK;
    enum app_err err = fail(why, status);
    return err_set(why, err, "XNNPACK cannot be started on this processor");
}

void inference_library_release(void)
{
    (void)xnn_deinitialize();
}

/* --- Making ------------------------------------------------------------------------ */

/* Behind the stem rows and columns are padded by XNNPACK, in it only columns are. */
static enum xnn_status create_convolution(const struct network *network,
                                          const struct network_op *op, bool in_stem,
                                          xnn_operator_t *made)
{
    uint32_t left = in_stem && op->kernel == 3 && op->stride == 1;
    uint32_t right = in_stem && op->kernel == 3;
    size_t in_channels = network_channels(network, op->inputs[0]);
    size_t out_channels = op->out_channels;
    bool depthwise = op->kind == NETWORK_DEPTHWISE;
    uint32_t flags = in_stem || op->kernel == 1 ? 0 : XNN_FLAG_TENSORFLOW_SAME_PADDING;
    uint32_t groups = depthwise ? op->out_channels : 1;
    if (depthwise)
        flags |= XNN_FLAG_DEPTHWISE_CONVOLUTION;
    return xnn_create_convolution2d_nhwc_f32(
        0, right, 0, left, op->kernel, op->kernel, op->stride, op->stride, 1, 1, groups,
        in_channels / groups, out_channels / groups, in_channels, out_channels,
        network->weights + op->weights, network->weights + op->bias, op->has_relu ? 0 : -INFINITY,
        INFINITY, flags, made);
}

static enum xnn_status create(const struct network *network, const struct network_op *op,
                              bool in_stem, xnn_operator_t *made)
{
    static const float zero = 0;
    size_t channels = op->out_channels;
    switch ((enum network_op_kind)op->kind) {
    case NETWORK_CONVOLUTION:
    case NETWORK_DEPTHWISE:
        return create_convolution(network, op, in_stem, made);
    case NETWORK_ADD:
        return xnn_create_add_nd_f32(op->has_relu ? 0 : -INFINITY, INFINITY, 0, made);
    case NETWORK_MAX_POOL:
        return xnn_create_max_pooling2d_nhwc_f32(0, 0, 0, 0, 2, 2, 2, 2, 1, 1, channels, channels,
                                                 channels, -INFINITY, INFINITY, 0, made);
    case NETWORK_RESIZE:
        return xnn_create_resize_bilinear2d_nhwc_f32(channels, channels, channels, 0, made);
    case NETWORK_PAD:
        return xnn_create_constant_pad_nd_x32(&zero, 0, made);
    case NETWORK_OP_KIND__MAX:
        break;
    }
    return xnn_status_invalid_parameter;
}

static void delete_operators(struct inference *inference)
{
    for (unsigned i = 0; i < inference->network->header->op_count; i++) {
        if (inference->operators[i])
            (void)xnn_delete_operator(inference->operators[i]);
        inference->operators[i] = NULL;
    }
}

static enum app_err create_operators(struct inference *inference, struct err_buf *why)
{
    const struct network *network = inference->network;
    unsigned stem_count = stem_count_ops(network);
    for (unsigned i = 0; i < network->header->op_count; i++) {
        enum xnn_status status =
            create(network, &network->ops[i], i < stem_count, &inference->operators[i]);
        if (status != xnn_status_success) {
            delete_operators(inference);
            return fail(why, status);
        }
    }
    return APP_OK;
}

enum app_err inference_new(const struct network *network, struct inference **inference,
                           struct err_buf *why)
{
    struct inference *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->network = network;
    enum app_err err = create_operators(made, why);
    if (err)
        inference_free(&made);
    else
        *inference = made;
    return err;
}

static void free_memory(struct inference *inference)
{
    free(inference->memory);
    inference->memory = NULL;
    inference->memory_len = 0;
}

/* The operators go as well: each keeps a table with an entry for every pixel of its result. */
void inference_trim(struct inference *inference)
{
    delete_operators(inference);
    free_memory(inference);
}

void inference_free(struct inference **inference)
{
    struct inference *old = *inference;
    *inference = NULL;
    if (!old)
        return;
    inference_trim(old);
    free(old);
}

/* --- Running ----------------------------------------------------------------------- */

/* The first row of a whole tensor. */
static float *tensor(const struct inference *inference, unsigned number)
{
    const struct stem *stem = &inference->stem;
    size_t before =
        stem->op_count > 0 && number <= stem->op_count ? stem_tensor_offset(stem, number) : 0;
    return inference->memory + inference->plan.offsets[number] + before;
}

static enum xnn_status set_up_pad(xnn_operator_t operator, const struct operands * operands,
                                  size_t out_channels)
{
    const size_t shape[2] = {operands->width * operands->height, operands->channels};
    const size_t before[2] = {0, 0};
    const size_t behind[2] = {0, out_channels - operands->channels};
    return xnn_setup_constant_pad_nd_x32(operator, 2, shape, before, behind, operands->inputs[0],
                                         operands->output, NULL);
}

/* Tell operation `index` the size and the place of what it reads and writes. */
static enum xnn_status set_up(const struct inference *inference, unsigned index,
                              const struct operands *operands)
{
    const struct network_op *op = &inference->network->ops[index];
    xnn_operator_t operator= inference->operators[index];
    size_t width = operands->width, height = operands->height;
    size_t count = width * height * operands->channels;
    const float *in = operands->inputs[0];
    float *out = operands->output;
    switch ((enum network_op_kind)op->kind) {
    case NETWORK_CONVOLUTION:
    case NETWORK_DEPTHWISE:
        return xnn_setup_convolution2d_nhwc_f32(operator, 1, height, width, in, out, NULL);
    case NETWORK_ADD:
        return xnn_setup_add_nd_f32(operator, 1, &count, 1, &count, in, operands->inputs[1], out,
                                    NULL);
    case NETWORK_MAX_POOL:
        return xnn_setup_max_pooling2d_nhwc_f32(operator, 1, height, width, in, out, NULL);
    case NETWORK_RESIZE:
        return xnn_setup_resize_bilinear2d_nhwc_f32(operator, 1, height, width, 2 * height,
                                                    2 * width, in, out, NULL);
    case NETWORK_PAD:
        return set_up_pad(operator, operands, op->out_channels);
    case NETWORK_OP_KIND__MAX:
        break;
    }
    return xnn_status_invalid_parameter;
}

static enum xnn_status run(const struct inference *inference, unsigned index,
                           const struct operands *operands)
{
    enum xnn_status status = set_up(inference, index, operands);
    return status == xnn_status_success ? xnn_run_operator(inference->operators[index], NULL)
                                        : status;
}

/* On whole tensors. */
static enum xnn_status run_whole(const struct inference *inference, unsigned index)
{
    const struct network *network = inference->network;
    const struct network_op *op = &network->ops[index];
    unsigned halvings = network->halvings[op->inputs[0]];
    const struct operands operands = {
        .width = (size_t)inference->width >> halvings,
        .height = (size_t)inference->height >> halvings,
        .channels = network_channels(network, op->inputs[0]),
        .inputs = {tensor(inference, op->inputs[0]),
                   op->kind == NETWORK_ADD ? tensor(inference, op->inputs[1]) : NULL},
        .output = tensor(inference, index + 1),
    };
    return run(inference, index, &operands);
}

/* On some rows; an xnn_status. */
static int run_strip(void *context, const struct stem_work *work)
{
    const struct inference *inference = context;
    const struct network *network = inference->network;
    unsigned input = network->ops[work->op].inputs[0];
    const struct operands operands = {
        .width = (size_t)inference->width >> network->halvings[input],
        .height = (size_t)work->rows_in,
        .channels = network_channels(network, input),
        .inputs = {work->inputs[0], work->inputs[1]},
        .output = work->output,
    };
    return (int)run(inference, work->op, &operands);
}

static enum xnn_status run_stem(struct inference *inference)
{
    float *places[STEM_MAX_OPS + 1];
    for (unsigned i = 0; i <= inference->stem.op_count; i++)
        places[i] = inference->memory + inference->plan.offsets[i];
    return (enum xnn_status)stem_run(&inference->stem, inference->network, places, run_strip,
                                     inference);
}

static bool take_memory(struct inference *inference, size_t len)
{
    if (len <= inference->memory_len)
        return true;
    free_memory(inference);
    inference->memory = aligned_alloc(TENSOR_ALIGN, len);
    if (!inference->memory)
        return false;
    inference->memory_len = len;
    return true;
}

enum app_err inference_begin(struct inference *inference, int width, int height, float **input,
                             struct err_buf *why)
{
    if (!inference->operators[0]) {
        enum app_err err = create_operators(inference, why);
        if (err)
            return err;
    }
    inference->width = width;
    inference->height = height;
    stem_plan(inference->network, width, height, &inference->stem);
    tensor_plan_make(inference->network, &inference->stem, width, height, &inference->plan);
    if (!take_memory(inference, inference->plan.size))
        return APP_NO_MEMORY;
    *input = tensor(inference, 0);
    return APP_OK;
}

enum app_err inference_run(struct inference *inference, struct inference_result *result,
                           struct err_buf *why)
{
    const struct network_file_header *header = inference->network->header;
    enum xnn_status status = xnn_status_success;
    if (inference->stem.op_count > 0)
        status = run_stem(inference);
    for (unsigned i = inference->stem.op_count;
         i < header->op_count && status == xnn_status_success; i++)
        status = run_whole(inference, i);
    if (status != xnn_status_success)
        return fail(why, status);
    *result = (struct inference_result){
        .scores = tensor(inference, header->score_tensor),
        .boxes = tensor(inference, header->box_tensor),
        .width = inference->width / NETWORK_CELL,
        .height = inference->height / NETWORK_CELL,
    };
    return APP_OK;
}
