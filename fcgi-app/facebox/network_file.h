/* SPDX-License-Identifier: MIT */
/*
 * The file face.network: a convolutional network as emojify-facebox runs it. The
 * program network-convert writes it at build time, network.c maps it.
 *
 * A header, then `op_count` operations, then `weight_count` floats. Tensor 0 is the
 * picture, tensor n is the result of operation n - 1, and an operation reads
 * earlier tensors only. So the file needs no list of tensors, and no order of
 * evaluation but its own. Numbers are in the machine's own byte order: the file is
 * made where it is used, and the magic does not match elsewhere.
 */
#ifndef FACEBOX_NETWORK_FILE_H
#define FACEBOX_NETWORK_FILE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define NETWORK_FILE_NAME "face.network"

/* Raise the last two digits when the layout changes. */
#define NETWORK_FILE_MAGIC UINT64_C(0x656d6f6a696e6501)

enum {
    NETWORK_FILE_NAME_MAX = 64,
    NETWORK_FILE_MAX_OPS = 512,
    NETWORK_FILE_MAX_CHANNELS = 1024,
    NETWORK_FILE_MAX_WEIGHTS = 4 * 1024 * 1024,
};

enum network_op_kind {
    NETWORK_CONVOLUTION, /* weights: out_channels * kernel * kernel * in_channels */
    NETWORK_DEPTHWISE,   /* weights: kernel * kernel * out_channels */
    NETWORK_ADD,         /* of inputs[0] and inputs[1], which have the same shape */
    NETWORK_MAX_POOL,    /* of 2 * 2 pixels */
    NETWORK_RESIZE,      /* to twice the width and height: bilinear, half-pixel centres */
    NETWORK_PAD,         /* zeros behind the channels of each pixel */
    NETWORK_OP_KIND__MAX
};

/*
 * A convolution's result has the size of its input divided by `stride`; where the
 * kernel reaches beyond the edge it reads zeros ("SAME" padding). Its bias is
 * out_channels floats.
 */
struct network_op {
    uint32_t kind;
    uint32_t has_relu;  /* negative results become 0 */
    uint32_t inputs[2]; /* tensors; the second of ADD only */
    uint32_t out_channels;
    uint32_t kernel;  /* 1 or 3 */
    uint32_t stride;  /* 1 or 2 */
    uint32_t weights; /* index of the first */
    uint32_t bias;    /* index of the first */
};

struct network_file_header {
    uint64_t magic;
    uint64_t checksum; /* XXH3, of everything behind it */
    uint32_t op_count;
    uint32_t weight_count;
    uint32_t score_tensor;            /* of one channel */
    uint32_t box_tensor;              /* of 16 channels */
    char name[NETWORK_FILE_NAME_MAX]; /* for people; ends with NUL */
};
static_assert(sizeof(struct network_op) == 36, "no padding");
static_assert(sizeof(struct network_file_header) == 32 + NETWORK_FILE_NAME_MAX, "no padding");

/* Where the checksum's bytes begin. */
#define NETWORK_FILE_CHECKED offsetof(struct network_file_header, op_count)

#endif
