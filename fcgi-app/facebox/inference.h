/* SPDX-License-Identifier: MIT */
/*
 * Runs the face detector's network on one picture after the other, on the calling
 * thread. The only place that knows XNNPACK.
 *
 * inference_library_init once in main. An inference belongs to one thread at a time:
 * inference_new, then for each picture inference_begin, fill the input, inference_run.
 */
#ifndef FACEBOX_INFERENCE_H
#define FACEBOX_INFERENCE_H

#include <stddef.h>

#include "facebox/network.h"
#include "lib/base/err.h"

struct inference;

/* Choose the kernels for this processor. APP_INTERNAL: XNNPACK cannot tell what it is. */
enum app_err inference_library_init(struct err_buf *why) __attribute__((warn_unused_result));
void inference_library_release(void);

/* Takes a few milliseconds; `network` must outlive the inference. APP_NO_MEMORY, APP_INTERNAL. */
enum app_err inference_new(const struct network *network, struct inference **inference,
                           struct err_buf *why) __attribute__((warn_unused_result));

/* NULLs the caller's pointer. NULL allowed. */
void inference_free(struct inference **inference);

/*
 * Prepare for a picture of `width` * `height` pixels, both multiples of NETWORK_ALIGN.
 * `*input` then has room for width * height * 3 floats: rows from the top, red, green and
 * blue of each pixel between -1 and 1. They are the caller's until inference_run.
 * APP_NO_MEMORY, APP_INTERNAL.
 */
enum app_err inference_begin(struct inference *inference, int width, int height, float **input,
                             struct err_buf *why) __attribute__((warn_unused_result));

/*
 * One score and NETWORK_BOX_CHANNELS numbers for each cell of NETWORK_CELL pixels, row
 * by row. They are valid until the next inference_begin or inference_trim.
 */
struct inference_result {
    const float *scores;
    const float *boxes;
    int width; /* in cells */
    int height;
};

/* APP_INTERNAL. */
enum app_err inference_run(struct inference *inference, struct inference_result *result,
                           struct err_buf *why) __attribute__((warn_unused_result));

/* Free the memory that pictures need, about 30 MB. The next picture takes some milliseconds more.
 */
void inference_trim(struct inference *inference);

#endif
