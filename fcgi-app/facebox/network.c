/* SPDX-License-Identifier: MIT */
/*
 * The whole file is checked before anything is built from it: what inference.c does
 * with it needs no checks any more.
 */
#include "facebox/network.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

#define WHAT "the network file"

/* A file from our own build does not fail here; another one, or a broken one, does. */
static enum app_err refuse(struct err_buf *why, const char *reason)
{
    return err_set(why, APP_CONFIG, "it does not fit this program: %s", reason);
}

unsigned network_channels(const struct network *network, unsigned tensor)
{
    return tensor == 0 ? NETWORK_INPUT_CHANNELS : network->ops[tensor - 1].out_channels;
}

/* The number of weights beside the bias. */
static size_t count_weights(const struct network_op *op, unsigned in_channels)
{
    size_t area = (size_t)op->kernel * op->kernel;
    return op->kind == NETWORK_DEPTHWISE ? area * op->out_channels
                                         : area * op->out_channels * in_channels;
}

static bool weights_exist(const struct network *network, const struct network_op *op,
                          unsigned in_channels)
{
    size_t all = network->header->weight_count;
    size_t count = count_weights(op, in_channels);
    return op->weights <= all && count <= all - op->weights && op->bias <= all &&
           op->out_channels <= all - op->bias;
}

static bool is_convolution(const struct network *network, const struct network_op *op,
                           unsigned in_channels)
{
    return (op->kernel == 1 || op->kernel == 3) && (op->stride == 1 || op->stride == 2) &&
           weights_exist(network, op, in_channels);
}

/* Whether operation `index` fits what it reads; its result's halvings are set then. */
static bool check_op(struct network *network, unsigned index)
{
    const struct network_op *op = &network->ops[index];
    if (op->inputs[0] > index || op->out_channels < 1 ||
        op->out_channels > NETWORK_FILE_MAX_CHANNELS || op->has_relu > 1)
        return false;
    unsigned in_channels = network_channels(network, op->inputs[0]);
    unsigned halvings = network->halvings[op->inputs[0]];
    bool fits = op->out_channels == in_channels;
    switch (op->kind) {
    case NETWORK_CONVOLUTION:
        fits = is_convolution(network, op, in_channels);
        halvings += op->stride == 2;
        break;
    case NETWORK_DEPTHWISE:
        fits = fits && op->kernel == 3 && is_convolution(network, op, in_channels);
        halvings += op->stride == 2;
        break;
    case NETWORK_ADD:
        fits = fits && op->inputs[1] <= index &&
               network_channels(network, op->inputs[1]) == in_channels &&
               network->halvings[op->inputs[1]] == halvings;
        break;
    case NETWORK_MAX_POOL:
        fits = fits && !op->has_relu;
        halvings++;
        break;
    case NETWORK_RESIZE:
        fits = fits && !op->has_relu && halvings > 0;
        halvings -= halvings > 0;
        break;
    case NETWORK_PAD:
        fits = op->out_channels > in_channels && !op->has_relu;
        break;
    default:
        return false;
    }
    network->halvings[index + 1] = (unsigned char)halvings;
    return fits && NETWORK_ALIGN >> halvings > 0;
}

static bool is_output(const struct network *network, unsigned tensor, unsigned channels)
{
    return tensor > 0 && tensor <= network->header->op_count &&
           network_channels(network, tensor) == channels &&
           NETWORK_CELL >> network->halvings[tensor] == 1;
}

static bool all_finite(const struct network *network)
{
    for (size_t i = 0; i < network->header->weight_count; i++) {
        if (!isfinite(network->weights[i]))
            return false;
    }
    return true;
}

static enum app_err check(struct network *network, struct err_buf *why)
{
    const struct network_file_header *header = network->header;
    for (unsigned i = 0; i < header->op_count; i++) {
        if (!check_op(network, i))
            return refuse(why, "an operation does not fit");
    }
    if (!is_output(network, header->score_tensor, NETWORK_SCORE_CHANNELS) ||
        !is_output(network, header->box_tensor, NETWORK_BOX_CHANNELS))
        return refuse(why, "it is not a detector of faces");
    if (!all_finite(network))
        return refuse(why, "a weight is not a number");
    return APP_OK;
}

enum app_err network_read(const void *data, size_t len, struct network *network,
                          struct err_buf *why)
{
    const struct network_file_header *header = data;
    if (len < sizeof(*header) || header->magic != NETWORK_FILE_MAGIC)
        return refuse(why, "it is no network, or of another version");
    if (header->op_count < 1 || header->op_count > NETWORK_FILE_MAX_OPS ||
        header->weight_count > NETWORK_FILE_MAX_WEIGHTS ||
        len != sizeof(*header) + header->op_count * sizeof(struct network_op) +
                   header->weight_count * sizeof(float))
        return refuse(why, "its length is wrong");
    const char *checked = (const char *)data + NETWORK_FILE_CHECKED;
    if (XXH3_64bits(checked, len - NETWORK_FILE_CHECKED) != header->checksum)
        return refuse(why, "its checksum is wrong");
    if (!memchr(header->name, '\0', sizeof(header->name)))
        return refuse(why, "its name does not end");

    struct network read = {.header = header};
    read.ops = (const struct network_op *)(header + 1);
    read.weights = (const float *)(read.ops + header->op_count);
    enum app_err err = check(&read, why);
    if (!err)
        *network = read;
    return err;
}

enum app_err network_open(const char *path, struct network *network, struct err_buf *why)
{
    struct data_file file;
    struct err_buf reason = {.text = ""};
    enum app_err err = data_file_open(path, NETWORK_FILE_NAME, WHAT, &file, why);
    if (err)
        return err;
    err = network_read(file.data, file.len, network, &reason);
    if (err) {
        err_set(why, err, WHAT " %s: %s", file.path, reason.text);
        data_file_close(&file);
    } else {
        network->file = file;
    }
    return err;
}

void network_close(struct network *network)
{
    data_file_close(&network->file);
}
