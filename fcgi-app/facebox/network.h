/* SPDX-License-Identifier: MIT */
/*
 * The face detector's network: its operations and weights, in one file that is
 * mapped read-only (network_file.h).
 *
 * network_open at start, then read-only from any thread, network_close at the end.
 */
#ifndef FACEBOX_NETWORK_H
#define FACEBOX_NETWORK_H

#include <stddef.h>

#include "facebox/network_file.h"
#include "lib/base/data_file.h"
#include "lib/base/err.h"

enum {
    NETWORK_INPUT_CHANNELS = 3, /* red, green, blue */
    NETWORK_SCORE_CHANNELS = 1,
    NETWORK_BOX_CHANNELS = 16,
    NETWORK_CELL = 4,   /* pixels of the picture for one pixel of the results, across and down */
    NETWORK_ALIGN = 32, /* a picture's width and height must be multiples of this */
};

struct network {
    const struct network_file_header *header;
    const struct network_op *ops;
    const float *weights;
    /* By how many halvings each tensor is smaller than the picture, across and down. */
    unsigned char halvings[NETWORK_FILE_MAX_OPS + 1];
    struct data_file file; /* private */
};

/*
 * Look at a whole file in memory: magic, sizes, checksum, and that each operation
 * refers to tensors and weights that exist and fit it. On success `network` points
 * into `data`, which is aligned for uint64_t and must stay. APP_CONFIG with what is
 * wrong in why->text.
 */
enum app_err network_read(const void *data, size_t len, struct network *network,
                          struct err_buf *why) __attribute__((warn_unused_result));

/*
 * Map the file `path`; NULL looks for face.network beside the program and then in
 * ../share/emojify-api/ next to its directory. APP_CONFIG with the reason in
 * why->text when it is missing or network_read refuses it.
 */
enum app_err network_open(const char *path, struct network *network, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Safe on a zeroed network, and twice. */
void network_close(struct network *network);

/* Channels of tensor `tensor` <= op_count. */
unsigned network_channels(const struct network *network, unsigned tensor);

#endif
