/* SPDX-License-Identifier: MIT */
/*
 * Walks the operators in the file's order, which is one of evaluation. What only
 * changes how a tensor is stored or called (DEQUANTIZE of weights, RESHAPE) makes no
 * operation of ours, and a RELU is a flag of the operation before it.
 */
#include "facebox/tflite.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "facebox/flatbuffer.h"
#include "facebox/network.h"

/* Numbers of schema.fbs. */
enum {
    OP_ADD = 0,
    OP_CONV_2D = 3,
    OP_DEPTHWISE_CONV_2D = 4,
    OP_DEQUANTIZE = 6,
    OP_MAX_POOL_2D = 17,
    OP_RELU = 19,
    OP_RESHAPE = 22,
    OP_RESIZE_BILINEAR = 23,
    OP_PAD = 34,
};
enum { TYPE_FLOAT32 = 0, TYPE_FLOAT16 = 1, TYPE_INT32 = 2 };
enum { PADDING_SAME = 0, PADDING_VALID = 1 };
enum { MODEL_CODES = 1, MODEL_GRAPHS = 2, MODEL_BUFFERS = 4 };
enum { CODE_OLD = 0, CODE = 3 };
enum { GRAPH_TENSORS = 0, GRAPH_INPUTS = 1, GRAPH_OUTPUTS = 2, GRAPH_OPERATORS = 3 };
enum { TENSOR_SHAPE = 0, TENSOR_TYPE = 1, TENSOR_BUFFER = 2, TENSOR_SPARSITY = 6 };
enum { OPERATOR_CODE = 0, OPERATOR_INPUTS = 1, OPERATOR_OUTPUTS = 2, OPERATOR_OPTIONS = 4 };
enum { DIMENSIONS = 4 };

enum { TENSORS_MAX = 4096, NOWHERE = -1 };

/* A tensor of the file, as far as it is of use here. */
struct source {
    size_t shape[DIMENSIONS]; /* 1 in front where it has fewer */
    int64_t type;
    struct flatbuffer_vector data; /* bytes; none: it is computed */
    bool is_sparse;
    int ours;      /* our tensor that it is; NOWHERE: none (yet) */
    unsigned uses; /* operators that read it */
};

struct conversion {
    struct flatbuffer file;
    struct flatbuffer_vector codes;
    struct flatbuffer_vector operators;
    struct source *sources;
    size_t source_count;
    struct network_file_header header;
    struct network_op ops[NETWORK_FILE_MAX_OPS];
    float *weights;
    struct err_buf *why;
};

/* One operator of the file. */
struct step {
    int64_t code;
    flatbuffer_place options;
    struct flatbuffer_vector inputs;
    struct flatbuffer_vector outputs;
};

static enum app_err refuse(const struct conversion *conversion, const char *reason)
{
    return err_set(conversion->why, APP_CONFIG, "not a network that can be converted: %s", reason);
}

/* --- Tensors --------------------------------------------------------------------------- */

static bool read_shape(const struct flatbuffer *file, flatbuffer_place tensor,
                       size_t shape[DIMENSIONS])
{
    struct flatbuffer_vector dimensions = flatbuffer_vector(file, tensor, TENSOR_SHAPE, 4);
    if (dimensions.count > DIMENSIONS)
        return false;
    size_t missing = DIMENSIONS - dimensions.count;
    for (size_t i = 0; i < DIMENSIONS; i++) {
        int32_t value = i < missing ? 1 : flatbuffer_vector_int32(file, &dimensions, i - missing);
        if (value < 1 || value > 1 << 16)
            return false;
        shape[i] = (size_t)value;
    }
    return true;
}

static enum app_err read_tensors(struct conversion *conversion, flatbuffer_place model,
                                 flatbuffer_place graph)
{
    const struct flatbuffer *file = &conversion->file;
    struct flatbuffer_vector tensors = flatbuffer_vector(file, graph, GRAPH_TENSORS, 4);
    struct flatbuffer_vector buffers = flatbuffer_vector(file, model, MODEL_BUFFERS, 4);
    if (tensors.count < 1 || tensors.count > TENSORS_MAX)
        return refuse(conversion, "no tensors, or too many");
    conversion->sources = calloc(tensors.count, sizeof(*conversion->sources));
    if (!conversion->sources)
        return APP_NO_MEMORY;
    conversion->source_count = tensors.count;
    for (size_t i = 0; i < tensors.count; i++) {
        struct source *source = &conversion->sources[i];
        flatbuffer_place tensor = flatbuffer_vector_table(file, &tensors, i);
        int64_t buffer = flatbuffer_int32(file, tensor, TENSOR_BUFFER, 0);
        if (!read_shape(file, tensor, source->shape) || buffer < 0 ||
            (size_t)buffer >= buffers.count)
            return refuse(conversion, "a tensor's shape or data");
        source->type = flatbuffer_int8(file, tensor, TENSOR_TYPE, 0);
        source->is_sparse = flatbuffer_table(file, tensor, TENSOR_SPARSITY) != 0;
        source->data =
            flatbuffer_vector(file, flatbuffer_vector_table(file, &buffers, (size_t)buffer), 0, 1);
        source->ours = NOWHERE;
    }
    return APP_OK;
}

/* Tensor number `index` of an operator's list; NULL when there is none. */
static struct source *find_source(const struct conversion *conversion,
                                  const struct flatbuffer_vector *list, size_t index)
{
    if (index >= list->count)
        return NULL;
    int32_t number = flatbuffer_vector_int32(&conversion->file, list, index);
    bool exists = number >= 0 && (size_t)number < conversion->source_count;
    return exists ? &conversion->sources[number] : NULL;
}

/* --- Weights ------------------------------------------------------------------------------ */

/* IEEE 754 half precision. */
static float half_to_float(unsigned half)
{
    int exponent = (int)(half >> 10 & 31);
    double fraction = half & 1023;
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (half & 1023 ? NAN : INFINITY)
                                    : ldexp(1024 + fraction, exponent - 25);
    return (float)(half & 0x8000 ? -value : value);
}

static size_t count_elements(const struct source *source)
{
    return source->shape[0] * source->shape[1] * source->shape[2] * source->shape[3];
}

/* Append constant numbers to the weights; *first is the index of the first. */
static enum app_err add_weights(struct conversion *conversion, const struct source *source,
                                size_t count, uint32_t *first)
{
    struct network_file_header *header = &conversion->header;
    if (!source || source->is_sparse || count_elements(source) != count ||
        (source->type != TYPE_FLOAT32 && source->type != TYPE_FLOAT16))
        return refuse(conversion, "weights of an unknown kind or shape");
    size_t size = source->type == TYPE_FLOAT16 ? 2 : 4;
    if (source->data.count != count * size ||
        count > NETWORK_FILE_MAX_WEIGHTS - header->weight_count)
        return refuse(conversion, "weights are missing, or too many");
    const unsigned char *data = conversion->file.data + source->data.at;
    float *out = conversion->weights + header->weight_count;
    for (size_t i = 0; i < count; i++) {
        if (size == 2)
            out[i] = half_to_float((unsigned)data[2 * i] | (unsigned)data[2 * i + 1] << 8);
        else
            memcpy(&out[i], data + 4 * i, 4);
    }
    *first = header->weight_count;
    header->weight_count += (uint32_t)count;
    return APP_OK;
}

/* --- Operators --------------------------------------------------------------------------- */

static enum app_err add_op(struct conversion *conversion, const struct network_op *op,
                           struct source *result)
{
    if (conversion->header.op_count >= NETWORK_FILE_MAX_OPS)
        return refuse(conversion, "too many operators");
    conversion->ops[conversion->header.op_count++] = *op;
    result->ours = (int)conversion->header.op_count;
    return APP_OK;
}

static bool is_plain_convolution(const struct conversion *conversion, const struct step *step,
                                 bool depthwise, const struct network_op *op)
{
    const struct flatbuffer *file = &conversion->file;
    unsigned further = depthwise ? 1 : 0; /* depth_multiplier stands before the activation */
    int64_t padding = flatbuffer_int8(file, step->options, 0, PADDING_SAME);
    return (padding == PADDING_SAME || (op->kernel == 1 && padding == PADDING_VALID)) &&
           flatbuffer_int32(file, step->options, 1, 0) == (int64_t)op->stride &&
           flatbuffer_int32(file, step->options, 2, 0) == (int64_t)op->stride &&
           (!depthwise || flatbuffer_int32(file, step->options, 3, 0) == 1) &&
           flatbuffer_int8(file, step->options, 3 + further, 0) == 0 &&
           flatbuffer_int32(file, step->options, 4 + further, 1) == 1 &&
           flatbuffer_int32(file, step->options, 5 + further, 1) == 1;
}

/* Weights are [out][height][width][in], of a depthwise convolution [1][height][width][out]. */
static enum app_err convert_convolution(struct conversion *conversion, const struct step *step,
                                        struct network_op *op, const struct source *input)
{
    bool depthwise = step->code == OP_DEPTHWISE_CONV_2D;
    const struct source *weights = find_source(conversion, &step->inputs, 1);
    const struct source *bias = find_source(conversion, &step->inputs, 2);
    if (!weights || !bias || weights->shape[1] != weights->shape[2] ||
        weights->shape[depthwise ? 0 : 3] != (depthwise ? 1 : input->shape[3]) ||
        weights->shape[depthwise ? 3 : 0] != op->out_channels ||
        (depthwise && weights->shape[3] != input->shape[3]))
        return refuse(conversion, "a convolution's weights");
    op->kind = depthwise ? NETWORK_DEPTHWISE : NETWORK_CONVOLUTION;
    op->kernel = (uint32_t)weights->shape[1];
    op->stride = (uint32_t)flatbuffer_int32(&conversion->file, step->options, 1, 0);
    if (!is_plain_convolution(conversion, step, depthwise, op))
        return refuse(conversion, "a convolution's options");
    enum app_err err = add_weights(conversion, weights, count_elements(weights), &op->weights);
    return err ? err : add_weights(conversion, bias, op->out_channels, &op->bias);
}

static enum app_err convert_add(struct conversion *conversion, const struct step *step,
                                struct network_op *op)
{
    const struct source *second = find_source(conversion, &step->inputs, 1);
    if (!second || second->ours == NOWHERE ||
        flatbuffer_int8(&conversion->file, step->options, 0, 0) != 0)
        return refuse(conversion, "an addition");
    op->kind = NETWORK_ADD;
    op->inputs[1] = (uint32_t)second->ours;
    return APP_OK;
}

static enum app_err convert_max_pool(struct conversion *conversion, const struct step *step,
                                     struct network_op *op)
{
    for (unsigned field = 1; field <= 4; field++) { /* strides, then sides */
        if (flatbuffer_int32(&conversion->file, step->options, field, 0) != 2)
            return refuse(conversion, "a pool that is not of 2 x 2");
    }
    op->kind = NETWORK_MAX_POOL;
    return APP_OK;
}

static enum app_err convert_resize(struct conversion *conversion, const struct step *step,
                                   struct network_op *op, const struct source *input,
                                   const struct source *result)
{
    const struct flatbuffer *file = &conversion->file;
    if (flatbuffer_int8(file, step->options, 2, 0) != 0 ||
        flatbuffer_int8(file, step->options, 3, 0) != 1 ||
        result->shape[1] != 2 * input->shape[1] || result->shape[2] != 2 * input->shape[2])
        return refuse(conversion, "a resize that does not double, with half-pixel centres");
    op->kind = NETWORK_RESIZE;
    return APP_OK;
}

static enum app_err convert_pad(struct conversion *conversion, struct network_op *op,
                                const struct source *input, const struct source *result)
{
    if (result->shape[1] != input->shape[1] || result->shape[2] != input->shape[2])
        return refuse(conversion, "padding of other than channels");
    op->kind = NETWORK_PAD;
    return APP_OK;
}

/* Make it a flag of the operation before; nobody else may read what that one made. */
static enum app_err convert_relu(struct conversion *conversion, const struct source *input,
                                 struct source *result)
{
    struct network_op *op = &conversion->ops[input->ours - 1];
    bool takes =
        op->kind == NETWORK_CONVOLUTION || op->kind == NETWORK_DEPTHWISE || op->kind == NETWORK_ADD;
    if (input->uses != 1 || !takes)
        return refuse(conversion, "a RELU");
    op->has_relu = 1;
    result->ours = input->ours;
    return APP_OK;
}

static enum app_err convert_step(struct conversion *conversion, const struct step *step)
{
    struct source *input = find_source(conversion, &step->inputs, 0);
    struct source *result = find_source(conversion, &step->outputs, 0);
    if (!input || !result || step->outputs.count != 1)
        return refuse(conversion, "an operator's tensors");
    if (step->code == OP_DEQUANTIZE) { /* what is constant stays so */
        result->data = input->data;
        result->type = input->type;
        result->is_sparse = input->is_sparse;
        return APP_OK;
    }
    if (input->ours == NOWHERE)
        return refuse(conversion, "an operator reads what was not computed");
    struct network_op op = {.inputs = {(uint32_t)input->ours, 0},
                            .out_channels = (uint32_t)result->shape[3]};
    enum app_err err = APP_OK;
    switch (step->code) {
    case OP_RELU:
        return input->ours > 0 ? convert_relu(conversion, input, result)
                               : refuse(conversion, "a RELU of the picture");
    case OP_RESHAPE:
        result->ours = input->ours;
        return APP_OK;
    case OP_CONV_2D:
    case OP_DEPTHWISE_CONV_2D:
        err = convert_convolution(conversion, step, &op, input);
        break;
    case OP_ADD:
        err = convert_add(conversion, step, &op);
        break;
    case OP_MAX_POOL_2D:
        err = convert_max_pool(conversion, step, &op);
        break;
    case OP_RESIZE_BILINEAR:
        err = convert_resize(conversion, step, &op, input, result);
        break;
    case OP_PAD:
        err = convert_pad(conversion, &op, input, result);
        break;
    default:
        return err_set(conversion->why, APP_CONFIG,
                       "not a network that can be converted: operator %d", (int)step->code);
    }
    return err ? err : add_op(conversion, &op, result);
}

static struct step read_step(const struct conversion *conversion, size_t index)
{
    const struct flatbuffer *file = &conversion->file;
    flatbuffer_place place = flatbuffer_vector_table(file, &conversion->operators, index);
    int64_t number = flatbuffer_int32(file, place, OPERATOR_CODE, 0);
    struct step step = {
        .code = NOWHERE,
        .options = flatbuffer_table(file, place, OPERATOR_OPTIONS),
        .inputs = flatbuffer_vector(file, place, OPERATOR_INPUTS, 4),
        .outputs = flatbuffer_vector(file, place, OPERATOR_OUTPUTS, 4),
    };
    if (number >= 0 && (size_t)number < conversion->codes.count) {
        flatbuffer_place code = flatbuffer_vector_table(file, &conversion->codes, (size_t)number);
        int64_t old = flatbuffer_int8(file, code, CODE_OLD, 0);
        step.code = flatbuffer_int32(file, code, CODE, 0);
        step.code = old > step.code ? old : step.code; /* files from before there was CODE */
    }
    return step;
}

static void count_uses(struct conversion *conversion)
{
    for (size_t i = 0; i < conversion->operators.count; i++) {
        struct step step = read_step(conversion, i);
        for (size_t j = 0; j < step.inputs.count; j++) {
            struct source *source = find_source(conversion, &step.inputs, j);
            if (source)
                source->uses++;
        }
    }
}

/* The two outputs, of which the scores have fewer numbers. */
static enum app_err find_outputs(struct conversion *conversion, flatbuffer_place graph)
{
    struct flatbuffer_vector outputs =
        flatbuffer_vector(&conversion->file, graph, GRAPH_OUTPUTS, 4);
    const struct source *boxes = find_source(conversion, &outputs, 0);
    const struct source *scores = find_source(conversion, &outputs, 1);
    if (outputs.count != 2 || !boxes || !scores || boxes->ours < 1 || scores->ours < 1)
        return refuse(conversion, "its outputs");
    conversion->header.score_tensor = (uint32_t)scores->ours;
    conversion->header.box_tensor = (uint32_t)boxes->ours;
    return APP_OK;
}

static enum app_err convert_graph(struct conversion *conversion)
{
    const struct flatbuffer *file = &conversion->file;
    flatbuffer_place model = flatbuffer_root(file);
    struct flatbuffer_vector graphs = flatbuffer_vector(file, model, MODEL_GRAPHS, 4);
    if (graphs.count != 1)
        return refuse(conversion, "no TensorFlow Lite file, or not of one graph");
    flatbuffer_place graph = flatbuffer_vector_table(file, &graphs, 0);
    struct flatbuffer_vector inputs = flatbuffer_vector(file, graph, GRAPH_INPUTS, 4);
    conversion->codes = flatbuffer_vector(file, model, MODEL_CODES, 4);
    conversion->operators = flatbuffer_vector(file, graph, GRAPH_OPERATORS, 4);

    enum app_err err = read_tensors(conversion, model, graph);
    if (err)
        return err;
    struct source *picture = find_source(conversion, &inputs, 0);
    if (inputs.count != 1 || !picture || picture->shape[3] != NETWORK_INPUT_CHANNELS)
        return refuse(conversion, "its input");
    picture->ours = 0;
    count_uses(conversion);
    for (size_t i = 0; i < conversion->operators.count && !err; i++) {
        struct step step = read_step(conversion, i);
        err = convert_step(conversion, &step);
    }
    return err ? err : find_outputs(conversion, graph);
}

static enum app_err write_file(struct conversion *conversion, const char *name, struct buf *out)
{
    struct network_file_header *header = &conversion->header;
    header->magic = NETWORK_FILE_MAGIC;
    (void)snprintf(header->name, sizeof(header->name), "%s", name);
    enum app_err err = buf_append(out, header, sizeof(*header));
    if (!err)
        err = buf_append(out, conversion->ops, header->op_count * sizeof(*conversion->ops));
    if (!err)
        err = buf_append(out, conversion->weights, header->weight_count * sizeof(float));
    if (err)
        return err;
    header->checksum =
        XXH3_64bits(out->data + NETWORK_FILE_CHECKED, out->len - NETWORK_FILE_CHECKED);
    memcpy(out->data, header, sizeof(*header));
    struct network network;
    return network_read(out->data, out->len, &network, conversion->why);
}

enum app_err tflite_convert(const unsigned char *data, size_t len, const char *name,
                            struct buf *out, struct err_buf *why)
{
    struct conversion *conversion = calloc(1, sizeof(*conversion));
    enum app_err err = APP_NO_MEMORY;
    if (conversion) {
        conversion->file = (struct flatbuffer){data, len};
        conversion->why = why;
        conversion->weights = malloc(NETWORK_FILE_MAX_WEIGHTS * sizeof(float));
    }
    if (conversion && conversion->weights)
        err = convert_graph(conversion);
    if (!err)
        err = write_file(conversion, name, out);
    if (conversion) {
        free(conversion->weights);
        free(conversion->sources);
    }
    free(conversion);
    return err;
}
