/* SPDX-License-Identifier: MIT */
/*
 * The network sees faces of 16 to 160 of its pixels well, so it looks at the picture in
 * several sizes, each a pass. Its numbers are read as MediaPipe's own graph does
 * (TensorsToDetectionsCalculator, SsdAnchorsCalculator): one anchor a cell, in its
 * middle; box and points are distances from there in pixels of the network.
 */
#include "facebox/detector.h"

#include <math.h>
#include <stdlib.h>

#include "facebox/candidates.h"
#include "facebox/inference.h"
#include "facebox/resample.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"

/* Longer sides of the picture in detector_find's passes. */
static const int pass_sides[] = {192, 320, DETECTOR_SIDE};
enum { PASS_COUNT = sizeof(pass_sides) / sizeof(pass_sides[0]) };

/*
 * Small pictures are enlarged by this at most, but for the first pass; more finds no
 * more faces. A pass in nearly the size of the one before is left out.
 */
static const double LARGEST_ENLARGEMENT = 1.5;
static const double LEAST_STEP = 1.1;

/*
 * detector_find_small searches tiles, so that its memory does not depend on the
 * picture. Faces larger than their overlap were found before.
 */
enum { TILE_SIDE = 640, TILE_OVERLAP = 64, SMALL_PASS = PASS_COUNT };

/* A face as large as this in the last pass may have smaller ones around it. */
static const double SMALL_FACE = 32;

/*
 * What two passes see needs less confidence than what one does. A small face needs more
 * where there is no other one: patterns of circles have many that look a little like faces.
 */
static const double AGREED_LESS = 0.15;
static const double LONE_MORE = 0.10;
static const double LEAST_POSSIBLE = 0.05;

struct detector {
    struct inference *inference;
    double least_confidence;
    struct candidates candidates; /* in pixels of the full picture */
    bool is_crowd;                /* detector_find reported a small face */
    struct detection found[LIMIT_FACES];
};

/* --- Life --------------------------------------------------------------------------- */

enum app_err detector_new(const struct network *network, const struct detector_options *options,
                          struct detector **detector, struct err_buf *why)
{
    struct detector *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->least_confidence = options->least_confidence;
    enum app_err err = inference_new(network, &made->inference, why);
    if (err)
        detector_free(&made);
    else
        *detector = made;
    return err;
}

void detector_free(struct detector **detector)
{
    struct detector *old = *detector;
    *detector = NULL;
    if (!old)
        return;
    inference_free(&old->inference);
    free(old);
}

void detector_trim(struct detector *detector)
{
    inference_trim(detector->inference);
}

/* --- A pass ------------------------------------------------------------------------- */

/* What the network looks at: an area of the picture, in a size of its own. */
struct view {
    struct rgb_area area;
    int width; /* as the network sees it */
    int height;
    double scale; /* pixels of the full picture for one of the network */
    double left;  /* of the area in the full picture */
    double top;
    unsigned pass;
    double largest; /* side of a face that counts, in pixels of the network; 0: any */
};

static double agreed_confidence(const struct detector *detector)
{
    return fmax(detector->least_confidence - AGREED_LESS, LEAST_POSSIBLE);
}

static int align(int side)
{
    return (side + NETWORK_ALIGN - 1) / NETWORK_ALIGN * NETWORK_ALIGN;
}

/* `numbers` are the network's for the cell whose middle is at x, y. */
static struct candidate read_cell(const struct view *view, const float *numbers, float score,
                                  double x, double y)
{
    double centre_x = x + (double)numbers[0], centre_y = y + (double)numbers[1];
    double half_width = (double)numbers[2] / 2, half_height = (double)numbers[3] / 2;
    struct candidate candidate = {
        .left = (float)(view->left + (centre_x - half_width) * view->scale),
        .top = (float)(view->top + (centre_y - half_height) * view->scale),
        .right = (float)(view->left + (centre_x + half_width) * view->scale),
        .bottom = (float)(view->top + (centre_y + half_height) * view->scale),
        .score = score,
        .passes = 1U << view->pass,
    };
    for (int i = 0; i < CANDIDATE_POINTS; i++) {
        const float *point = numbers + 4 + 2 * i;
        candidate.points[i][0] = (float)(view->left + (x + (double)point[0]) * view->scale);
        candidate.points[i][1] = (float)(view->top + (y + (double)point[1]) * view->scale);
    }
    return candidate;
}

/* Further than this from its cell nothing of a face can be, in pixels of the network. */
static const double LARGEST_NUMBER = 4096;

static bool is_of_use(const struct view *view, const float *numbers)
{
    for (int i = 0; i < NETWORK_BOX_CHANNELS; i++) {
        if (!(fabs((double)numbers[i]) <= LARGEST_NUMBER)) /* nor what is no number */
            return false;
    }
    double width = (double)numbers[2], height = (double)numbers[3];
    double longer = fmax(width, height);
    return width > 0 && height > 0 && (view->largest <= 0 || longer <= view->largest);
}

static void read_result(struct detector *detector, const struct view *view,
                        const struct inference_result *result)
{
    double least = agreed_confidence(detector);
    double least_logit = log(least / (1 - least));
    for (int y = 0; y < result->height; y++) {
        for (int x = 0; x < result->width; x++) {
            size_t cell = (size_t)y * (size_t)result->width + (size_t)x;
            double logit = (double)result->scores[cell];
            const float *numbers = result->boxes + cell * NETWORK_BOX_CHANNELS;
            if (!(logit > least_logit) || !is_of_use(view, numbers))
                continue;
            struct candidate candidate =
                read_cell(view, numbers, (float)(1 / (1 + exp(-logit))), (x + 0.5) * NETWORK_CELL,
                          (y + 0.5) * NETWORK_CELL);
            candidates_add(&detector->candidates, &candidate);
        }
    }
}

static enum app_err look(struct detector *detector, const struct view *view, struct err_buf *why)
{
    int width = align(view->width), height = align(view->height);
    struct inference_result result;
    float *input = NULL;
    enum app_err err = inference_begin(detector->inference, width, height, &input, why);
    if (!err)
        err = resample(&view->area, view->width, view->height, input, width, height);
    if (!err)
        err = inference_run(detector->inference, &result, why);
    if (!err)
        read_result(detector, view, &result);
    return err;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

static int longer_side(const struct detector_picture *picture)
{
    return max_int(picture->width, picture->height);
}

static double full_scale(const struct detector_picture *picture)
{
    return (double)max_int(picture->full_width, picture->full_height) / longer_side(picture);
}

static int at_least_one(double side)
{
    return side < 1 ? 1 : (int)lround(side);
}

/* The whole picture with `side` pixels at its longer side. */
static enum app_err look_at_all(struct detector *detector, const struct detector_picture *picture,
                                unsigned pass, int side, struct err_buf *why)
{
    double factor = (double)side / longer_side(picture);
    struct view view = {
        .area = {picture->pixels, (size_t)picture->width * 3, picture->width, picture->height},
        .width = at_least_one(picture->width * factor),
        .height = at_least_one(picture->height * factor),
        .scale = full_scale(picture) / factor,
        .pass = pass,
    };
    size_t first = detector->candidates.count;
    enum app_err err = look(detector, &view, why);
    if (!err)
        candidates_merge(&detector->candidates, first);
    return err;
}

/* --- What is reported ----------------------------------------------------------------- */

static double needed_confidence(const struct detector *detector, const struct candidate *candidate)
{
    bool agreed = (candidate->passes & (candidate->passes - 1)) != 0; /* more than one bit */
    if (agreed)
        return agreed_confidence(detector);
    bool lone = candidate->passes == 1U << SMALL_PASS && !detector->is_crowd;
    return detector->least_confidence + (lone ? LONE_MORE : 0);
}

static int clip(float value, int max)
{
    return value <= 0 ? 0 : value >= (float)max ? max : (int)lroundf(value);
}

/* False when nothing of the face is inside the picture. */
static bool to_detection(const struct candidate *candidate, const struct detector_picture *picture,
                         struct detection *detection)
{
    int left = clip(candidate->left, picture->full_width);
    int top = clip(candidate->top, picture->full_height);
    int right = clip(candidate->right, picture->full_width);
    int bottom = clip(candidate->bottom, picture->full_height);
    *detection = (struct detection){.left = left,
                                    .top = top,
                                    .width = right - left,
                                    .height = bottom - top,
                                    .confidence = fmin((double)candidate->score, 0.9999)};
    for (int i = 0; i < DETECTION_POINT__MAX; i++)
        detection->points[i] = (struct detection_place){(double)candidate->points[i][0],
                                                        (double)candidate->points[i][1]};
    return right > left && bottom > top;
}

static bool is_small(const struct candidate *candidate, const struct detector_picture *picture)
{
    float longer = fmaxf(candidate->right - candidate->left, candidate->bottom - candidate->top);
    int side = max_int(picture->full_width, picture->full_height);
    return (double)longer * DETECTOR_SIDE < SMALL_FACE * side;
}

/* Also one that is not sure enough to be reported: smaller faces are seen less surely. */
static bool has_small(const struct detector *detector, const struct detector_picture *picture)
{
    for (size_t i = 0; i < detector->candidates.count; i++) {
        if (is_small(&detector->candidates.list[i], picture))
            return true;
    }
    return false;
}

static void report(struct detector *detector, const struct detector_picture *picture,
                   struct detections *found)
{
    size_t count = 0;
    bool any_small = false;
    candidates_merge(&detector->candidates, 0);
    for (size_t i = 0; i < detector->candidates.count && count < LIMIT_FACES; i++) {
        const struct candidate *candidate = &detector->candidates.list[i];
        if ((double)candidate->score <= needed_confidence(detector, candidate) ||
            !to_detection(candidate, picture, &detector->found[count]))
            continue;
        any_small = any_small || is_small(candidate, picture);
        count++;
    }
    detector->is_crowd = any_small;
    *found = (struct detections){detector->found, count, has_small(detector, picture)};
}

enum app_err detector_find(struct detector *detector, const struct detector_picture *picture,
                           struct detections *found, struct err_buf *why)
{
    double largest = LARGEST_ENLARGEMENT * longer_side(picture);
    int before = 0;
    enum app_err err = APP_OK;
    detector->candidates.count = 0;
    detector->is_crowd = false;
    for (unsigned pass = 0; pass < PASS_COUNT && !err; pass++) {
        int side = pass == 0 ? pass_sides[0] : (int)fmin(pass_sides[pass], largest);
        if (side < before * LEAST_STEP)
            continue;
        err = look_at_all(detector, picture, pass, side, why);
        before = side;
    }
    if (!err)
        report(detector, picture, found);
    return err;
}

/* --- Small faces ------------------------------------------------------------------------ */

/* The picture as its tiles are cut from it. */
struct tiling {
    const struct detector_picture *picture;
    double factor;  /* pixels of it for one of the picture; at most 1 */
    int sides[2];   /* across and down, as the following */
    int counts[2];  /* of tiles */
    int lengths[2]; /* of a tile */
};

static struct tiling make_tiling(const struct detector_picture *picture)
{
    struct tiling tiling = {.picture = picture};
    tiling.factor = fmin(1, (double)DETECTOR_SMALL_SIDE / longer_side(picture));
    tiling.sides[0] = at_least_one(picture->width * tiling.factor);
    tiling.sides[1] = at_least_one(picture->height * tiling.factor);
    for (int axis = 0; axis < 2; axis++) {
        int rest = tiling.sides[axis] - TILE_OVERLAP, step = TILE_SIDE - TILE_OVERLAP;
        int count = rest <= step ? 1 : (rest + step - 1) / step;
        tiling.counts[axis] = count;
        tiling.lengths[axis] = (rest + count - 1) / count + TILE_OVERLAP;
    }
    return tiling;
}

/* One axis of a tile: where it begins and how long it is, in pixels of the tiling and of the
 * picture. */
struct stretch {
    int begin, length;
    int picture_begin, picture_length;
};

static struct stretch make_stretch(const struct tiling *tiling, int axis, int index)
{
    int picture_side = axis == 0 ? tiling->picture->width : tiling->picture->height;
    struct stretch stretch = {.begin = index * (tiling->lengths[axis] - TILE_OVERLAP)};
    int end = stretch.begin + tiling->lengths[axis];
    end = end < tiling->sides[axis] ? end : tiling->sides[axis];
    stretch.length = end - stretch.begin;
    stretch.picture_begin = (int)(stretch.begin / tiling->factor);
    int picture_end = (int)ceil(end / tiling->factor);
    picture_end = picture_end < picture_side ? picture_end : picture_side;
    stretch.picture_length = picture_end - stretch.picture_begin;
    return stretch;
}

static enum app_err look_at_tile(struct detector *detector, const struct tiling *tiling, int index,
                                 struct err_buf *why)
{
    const struct detector_picture *picture = tiling->picture;
    struct stretch across = make_stretch(tiling, 0, index % tiling->counts[0]);
    struct stretch down = make_stretch(tiling, 1, index / tiling->counts[0]);
    size_t stride = (size_t)picture->width * 3;
    double full = full_scale(picture);
    const struct view view = {
        .area = {picture->pixels + (size_t)down.picture_begin * stride +
                     (size_t)across.picture_begin * 3,
                 stride, across.picture_length, down.picture_length},
        .width = across.length,
        .height = down.length,
        .scale = full / tiling->factor,
        .left = across.picture_begin * full,
        .top = down.picture_begin * full,
        .pass = SMALL_PASS,
        .largest = TILE_OVERLAP,
    };
    return look(detector, &view, why);
}

enum app_err detector_find_small(struct detector *detector, const struct detector_picture *picture,
                                 int64_t deadline_ns, struct detections *found, struct err_buf *why)
{
    struct tiling tiling = make_tiling(picture);
    int count = tiling.counts[0] * tiling.counts[1];
    size_t first = detector->candidates.count;
    enum app_err err = APP_OK;
    for (int i = 0; i < count && !err && clock_now_ns() < deadline_ns; i++)
        err = look_at_tile(detector, &tiling, i, why);
    if (err)
        return err;
    candidates_merge(&detector->candidates, first);
    report(detector, picture, found);
    return APP_OK;
}
