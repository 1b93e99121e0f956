/* SPDX-License-Identifier: MIT */
/* A pool of real detectors, and what faces_find must find in a picture. */
#ifndef UNIT_FACEBOX_FACES_FIXTURE_H
#define UNIT_FACEBOX_FACES_FIXTURE_H

#include "facebox/faces.h"

#include <math.h>
#include <stdbool.h>

#include "lib/base/clock.h"
#include "lib/picture/picture.h"
#include "support/cmocka.h"
#include "support/portrait.h"
#include "support/sample_picture.h"
#include "unit/facebox/detector_fixture.h"

struct faces_fixture {
    struct network network;
    struct detector_pool *pool;
};

static inline int faces_fixture_make(void **state)
{
    static struct faces_fixture fixture;
    struct err_buf why = {.text = ""};
    *state = &fixture;
    return picture_library_init("test", &why) || fixture_open_network(&fixture.network) ||
                   detector_pool_new(1, &fixture.network, &fixture_options, &fixture.pool, &why)
               ? -1
               : 0;
}

static inline int faces_fixture_release(void **state)
{
    struct faces_fixture *fixture = *state;
    detector_pool_free(&fixture->pool);
    fixture_close_network(&fixture->network);
    picture_library_release();
    return 0;
}

/* Search an encoded picture, which must succeed. */
static inline void find_in_sample(const struct faces_fixture *fixture, const struct sample *sample,
                                  struct faces *faces)
{
    enum { ENOUGH_MS = 120000 };
    struct err_buf why = {.text = ""};
    enum app_err err = faces_find(fixture->pool, sample->data, sample->len,
                                  deadline_in_ms(ENOUGH_MS), faces, &why);
    if (err)
        fail_msg("%s: %s (%s)", app_strerror(err), why.text, why.detail);
}

/* The same of a picture that is encoded as `suffix` says; takes `image` over. */
static inline void find_in(const struct faces_fixture *fixture, VipsImage *image,
                           const char *suffix, struct faces *faces)
{
    struct sample sample = sample_encode(image, suffix);
    find_in_sample(fixture, &sample, faces);
    sample_release(&sample);
}

/* Intersection by union. */
static inline double overlap(const struct detection *found, const struct face_place *place)
{
    double left = place->middle_x - place->width / 2, top = place->middle_y - place->height / 2;
    double width = fmin(found->left + found->width, left + place->width) - fmax(found->left, left);
    double height = fmin(found->top + found->height, top + place->height) - fmax(found->top, top);
    double common = fmax(width, 0) * fmax(height, 0);
    return common / ((double)found->width * found->height + place->width * place->height - common);
}

/* By how many degrees the line from the right eye to the left one is turned, clockwise. */
static inline double eyes_angle(const struct detection *found)
{
    const struct detection_place *right = &found->points[DETECTION_RIGHT_EYE];
    const struct detection_place *left = &found->points[DETECTION_LEFT_EYE];
    return atan2(left->y - right->y, left->x - right->x) * 180 / G_PI;
}

static inline bool is_inside_picture(const struct detection *found, const struct faces *faces)
{
    return found->left >= 0 && found->top >= 0 && found->width > 0 && found->height > 0 &&
           found->left + found->width <= faces->width &&
           found->top + found->height <= faces->height;
}

/* What holds for any detection. */
static inline void assert_is_sound(const struct detection *found, const struct faces *faces)
{
    assert_true(is_inside_picture(found, faces));
    assert_true(found->confidence > 0 && found->confidence < 1);
    for (int i = 0; i < DETECTION_POINT__MAX; i++) {
        assert_true(isfinite(found->points[i].x));
        assert_true(isfinite(found->points[i].y));
    }
}

enum { LEAST_OVERLAP_PERCENT = 35 };

/* Of `count` places those at which a face was found; a face counts for one place. */
static inline size_t count_found(const struct faces *faces, const struct face_place *places,
                                 size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < faces->count; j++) {
            if (100 * overlap(&faces->found[j], &places[i]) >= LEAST_OVERLAP_PERCENT) {
                found++;
                break;
            }
        }
    }
    return found;
}

static inline void print_found(const struct faces *faces)
{
    for (size_t i = 0; i < faces->count; i++) {
        const struct detection *found = &faces->found[i];
        print_message("a face of %d x %d at %d, %d, confidence %.2f\n", found->width, found->height,
                      found->left, found->top, found->confidence);
    }
}

/* Exactly these faces, each at its place. */
static inline void assert_found(const struct faces *faces, const struct face_place *places,
                                size_t count)
{
    for (size_t i = 0; i < faces->count; i++)
        assert_is_sound(&faces->found[i], faces);
    size_t in_place = count_found(faces, places, count);
    if (faces->count == count && in_place == count)
        return;
    print_found(faces);
    fail_msg("%zu faces, %zu of them in place, instead of %zu", faces->count, in_place, count);
}

/* One face, with its eyes in the right order and turned by so many degrees. */
static inline void assert_one_found(const struct faces *faces, const struct face_place *place,
                                    double degrees)
{
    enum { TOLERANCE_DEGREES = 12 };
    assert_found(faces, place, 1);
    if (fabs(eyes_angle(&faces->found[0]) - degrees) > TOLERANCE_DEGREES)
        fail_msg("the eyes are turned by %.1f degrees", eyes_angle(&faces->found[0]));
}

#endif
