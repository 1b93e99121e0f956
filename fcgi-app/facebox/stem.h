/* SPDX-License-Identifier: MIT */
/*
 * The first operations of the network, run strip by strip. Their tensors are the
 * largest: whole ones of a picture of 640 * 480 pixels take 9 MB each, more than the caches of
 * processors hold. So a few rows of the last tensors are computed at a time, and of each
 * tensor before them only the rows that the next strip still needs are kept. Pure
 * planning and moving of rows; inference.c computes.
 *
 * stem_plan for a picture's size, then stem_run.
 */
#ifndef FACEBOX_STEM_H
#define FACEBOX_STEM_H

#include <stdbool.h>
#include <stddef.h>

#include "facebox/network.h"

enum { STEM_MAX_OPS = 32, STEM_HALVINGS = 2 };

/* Of the picture (tensor 0) and of each operation's result. */
struct stem_tensor {
    int height;     /* rows in all */
    size_t row_len; /* floats */
    int lead;       /* rows that it must be ahead of the results, for those who read it */
    int capacity;   /* rows that are held at a time; a row of zeros before and behind are among them
                     */
    bool is_whole;  /* the picture, and what operations behind the stem read */
    float *rows;    /* the place of row `first` */
    int first;      /* row -1 is zeros, and so is row `height` */
    int end;        /* behind the last computed row */
};

struct stem {
    unsigned op_count; /* 0: the network does not begin in a way that can be cut into strips */
    struct stem_tensor tensors[STEM_MAX_OPS + 1];
};

/* What an operation is to compute: `rows_out` rows from `rows_in`. */
struct stem_work {
    unsigned op;
    int rows_in;
    int rows_out;
    const float *inputs[2]; /* the second of ADD only */
    float *output;
};

/* The leading operations whose input is larger than 1 / 2^STEM_HALVINGS of the picture. */
unsigned stem_count_ops(const struct network *network);

/*
 * Fill in all of `stem` but the places of its tensors. `compute` must pad convolutions on the
 * left and on the right only: at the top and at the bottom lie rows of zeros.
 */
void stem_plan(const struct network *network, int width, int height, struct stem *stem);

/* Floats that tensor `tensor` <= op_count needs. */
size_t stem_tensor_len(const struct stem *stem, unsigned tensor);

/* Floats before row 0 of a tensor that is_whole: its row of zeros. */
size_t stem_tensor_offset(const struct stem *stem, unsigned tensor);

/*
 * Run the stem. places[tensor] has room for stem_tensor_len floats; the picture's rows are
 * already in its place. `compute` computes one strip of one operation. If it returns
 * nonzero, the run ends and returns that.
 */
int stem_run(struct stem *stem, const struct network *network, float *const *places,
             int (*compute)(void *context, const struct stem_work *work), void *context);

#endif
