/* SPDX-License-Identifier: MIT */
/*
 * Files of network_file.h in memory: a right one, or one that is wrong in one place. For that
 * the caller changes it and then has it signed again.
 */
#ifndef UNIT_FACEBOX_NETWORK_BUILDER_H
#define UNIT_FACEBOX_NETWORK_BUILDER_H

#include <string.h>
#include <xxhash.h>

#include "facebox/network_file.h"

/* One operation of each kind, and the two results. */
enum {
    BUILT_PICTURE, /* tensor numbers */
    BUILT_HALF,
    BUILT_DEPTHWISE,
    BUILT_SUM,
    BUILT_POOLED,
    BUILT_DEEPER,
    BUILT_RESIZED,
    BUILT_PADDED,
    BUILT_SCORES,
    BUILT_BOXES,
    BUILT_TENSORS
};
enum { BUILT_OPS = BUILT_TENSORS - 1, BUILT_CHANNELS = 4, BUILT_WEIGHTS = 511 };

struct built_network {
    struct network_file_header header;
    struct network_op ops[BUILT_OPS];
    float weights[BUILT_WEIGHTS];
};

static_assert(sizeof(struct built_network) == sizeof(struct network_file_header) +
                                                  BUILT_OPS * sizeof(struct network_op) +
                                                  BUILT_WEIGHTS * sizeof(float),
              "no padding");

static inline void network_builder_sign(struct built_network *built)
{
    built->header.checksum = XXH3_64bits((const char *)built + NETWORK_FILE_CHECKED,
                                         sizeof(*built) - NETWORK_FILE_CHECKED);
}

/* The operation that makes tensor `tensor`. */
static inline struct network_op *network_builder_op(struct built_network *built, int tensor)
{
    return &built->ops[tensor - 1];
}

static inline void network_builder_convolution(struct built_network *built, int tensor, int input,
                                               unsigned kernel, unsigned stride, unsigned channels)
{
    *network_builder_op(built, tensor) = (struct network_op){.kind = NETWORK_CONVOLUTION,
                                                             .has_relu = 1,
                                                             .inputs = {(uint32_t)input, 0},
                                                             .out_channels = channels,
                                                             .kernel = kernel,
                                                             .stride = stride,
                                                             .weights = 0,
                                                             .bias = 300};
}

static inline void network_builder_make(struct built_network *built)
{
    *built = (struct built_network){
        .header = {.magic = NETWORK_FILE_MAGIC,
                   .op_count = BUILT_OPS,
                   .weight_count = BUILT_WEIGHTS,
                   .score_tensor = BUILT_SCORES,
                   .box_tensor = BUILT_BOXES,
                   .name = "built"},
    };
    for (int i = 0; i < BUILT_WEIGHTS; i++)
        built->weights[i] = (float)(i * 37 % 101 - 50) / 500;
    network_builder_convolution(built, BUILT_HALF, BUILT_PICTURE, 3, 2, BUILT_CHANNELS);
    network_builder_convolution(built, BUILT_DEEPER, BUILT_POOLED, 1, 2, BUILT_CHANNELS);
    network_builder_convolution(built, BUILT_SCORES, BUILT_POOLED, 1, 1, 1);
    network_builder_convolution(built, BUILT_BOXES, BUILT_PADDED, 1, 1, 16);
    *network_builder_op(built, BUILT_DEPTHWISE) =
        (struct network_op){.kind = NETWORK_DEPTHWISE,
                            .inputs = {BUILT_HALF, 0},
                            .out_channels = BUILT_CHANNELS,
                            .kernel = 3,
                            .stride = 1,
                            .bias = 300};
    *network_builder_op(built, BUILT_SUM) =
        (struct network_op){.kind = NETWORK_ADD,
                            .has_relu = 1,
                            .inputs = {BUILT_HALF, BUILT_DEPTHWISE},
                            .out_channels = BUILT_CHANNELS};
    *network_builder_op(built, BUILT_POOLED) = (struct network_op){
        .kind = NETWORK_MAX_POOL, .inputs = {BUILT_SUM, 0}, .out_channels = BUILT_CHANNELS};
    *network_builder_op(built, BUILT_RESIZED) = (struct network_op){
        .kind = NETWORK_RESIZE, .inputs = {BUILT_DEEPER, 0}, .out_channels = BUILT_CHANNELS};
    *network_builder_op(built, BUILT_PADDED) = (struct network_op){
        .kind = NETWORK_PAD, .inputs = {BUILT_RESIZED, 0}, .out_channels = 2 * BUILT_CHANNELS};
    network_builder_sign(built);
}

#endif
