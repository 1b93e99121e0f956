/* SPDX-License-Identifier: MIT */
/*
 * One axis after the other. What a pixel of the result takes from the picture is
 * worked out once for each column and row.
 */
#include "facebox/resample.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BANDS = 3 };

/* Which pixels of one axis make up a pixel of the result, and their weights. */
struct tap {
    int first;
    int count;
    size_t weights; /* index of the first */
};

struct axis {
    struct tap *taps; /* one a pixel of the result */
    float *weights;   /* of each tap, their sum 1 */
};

static void release_axis(struct axis *axis)
{
    free(axis->taps);
    free(axis->weights);
}

/* The mean of all that a pixel of the result covers. */
static void make_mean(struct tap *tap, float *weights, double begin, double step, int from)
{
    double end = fmin(begin + step, from);
    tap->first = (int)begin;
    tap->count = 0;
    for (int i = tap->first; i < end - 1e-9 && i < from; i++) {
        double covered = fmin(end, i + 1) - fmax(begin, i);
        weights[tap->count++] = (float)(covered / (end - begin));
    }
}

/* Between the two pixels whose middles are the nearest. */
static void make_linear(struct tap *tap, float *weights, double middle, int from)
{
    double at = fmax(middle - 0.5, 0);
    tap->first = (int)at < from - 1 ? (int)at : from - 1;
    tap->count = tap->first + 1 < from ? 2 : 1;
    double second = tap->count == 2 ? at - tap->first : 0;
    weights[0] = (float)(1 - second);
    if (tap->count == 2)
        weights[1] = (float)second;
}

/* From `from` pixels to `to`. False when there is no memory. */
static bool make_axis(struct axis *axis, int from, int to)
{
    double step = (double)from / to;
    size_t most = (size_t)ceil(step) + 2; /* weights of one tap */
    axis->taps = malloc((size_t)to * sizeof(*axis->taps));
    axis->weights = malloc((size_t)to * most * sizeof(*axis->weights));
    if (!axis->taps || !axis->weights)
        return false;
    for (int i = 0; i < to; i++) {
        struct tap *tap = &axis->taps[i];
        tap->weights = (size_t)i * most;
        if (step > 1)
            make_mean(tap, axis->weights + tap->weights, i * step, step, from);
        else
            make_linear(tap, axis->weights + tap->weights, (i + 0.5) * step, from);
    }
    return true;
}

/* The rows of `area` that one row of the result covers, as one of the same width. */
static void blend_rows(const struct rgb_area *area, const struct tap *tap, const float *weights,
                       float *row)
{
    size_t count = (size_t)area->width * BANDS;
    for (int i = 0; i < tap->count; i++) {
        const unsigned char *pixels = area->pixels + (size_t)(tap->first + i) * area->stride;
        float weight = weights[i];
        if (i == 0) {
            for (size_t x = 0; x < count; x++)
                row[x] = weight * (float)pixels[x];
        } else {
            for (size_t x = 0; x < count; x++)
                row[x] += weight * (float)pixels[x];
        }
    }
}

/* Four floats wherever they lie: a pixel and the first band of the next. */
typedef float pixel_vector __attribute__((vector_size(16), aligned(4)));

/* `row` has room for one float more than its pixels take. */
static void blend_columns(const float *row, const struct axis *across, int width, float *out)
{
    for (int x = 0; x < width; x++, out += BANDS) {
        const struct tap *tap = &across->taps[x];
        const float *weights = across->weights + tap->weights;
        const float *pixel = row + (size_t)tap->first * BANDS;
        pixel_vector sum = {0, 0, 0, 0};
        for (int i = 0; i < tap->count; i++, pixel += BANDS)
            sum += weights[i] * *(const pixel_vector *)pixel;
        sum = sum / 127.5F - 1;
        if (x + 1 < width)
            *(pixel_vector *)out = sum; /* the fourth is overwritten by the next pixel */
        else
            memcpy(out, &sum, BANDS * sizeof(*out));
    }
}

enum app_err resample(const struct rgb_area *area, int width, int height, float *out, int out_width,
                      int out_height)
{
    struct axis across = {NULL, NULL}, down = {NULL, NULL};
    float *row = calloc((size_t)area->width * BANDS + 1, sizeof(*row));
    enum app_err err = APP_NO_MEMORY;
    if (!row || !make_axis(&across, area->width, width) || !make_axis(&down, area->height, height))
        goto out;
    size_t used = (size_t)width * BANDS, whole = (size_t)out_width * BANDS;
    for (int y = 0; y < height; y++, out += whole) {
        const struct tap *tap = &down.taps[y];
        blend_rows(area, tap, down.weights + tap->weights, row);
        blend_columns(row, &across, width, out);
        memset(out + used, 0, (whole - used) * sizeof(*out));
    }
    memset(out, 0, (size_t)(out_height - height) * whole * sizeof(*out));
    err = APP_OK;
out:
    release_axis(&down);
    release_axis(&across);
    free(row);
    return err;
}
