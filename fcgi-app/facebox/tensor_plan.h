/* SPDX-License-Identifier: MIT */
/*
 * Where the tensors of a network lie in one block of memory, so that a tensor which
 * is not needed any more makes room for later ones. Pure, any thread.
 */
#ifndef FACEBOX_TENSOR_PLAN_H
#define FACEBOX_TENSOR_PLAN_H

#include <stddef.h>

#include "facebox/network.h"
#include "facebox/stem.h"

enum { TENSOR_ALIGN = 64 }; /* bytes */

struct tensor_plan {
    size_t offsets[NETWORK_FILE_MAX_OPS + 1]; /* of each tensor's memory, in floats */
    size_t size; /* of the block, in bytes; a multiple of TENSOR_ALIGN */
};

/*
 * For a picture of `width` * `height` pixels, multiples of NETWORK_ALIGN. Tensors that are
 * needed at the same time do not overlap, but for the result of an addition, which may
 * take the place of what is added. All tensors of the stem are needed until its end.
 * XNN_EXTRA_BYTES may be read behind each.
 */
void tensor_plan_make(const struct network *network, const struct stem *stem, int width, int height,
                      struct tensor_plan *plan);

#endif
