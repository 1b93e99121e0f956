/* SPDX-License-Identifier: MIT */
/* Pictures of the tests' own, opened; what several tests of lib/picture ask of them. */
#ifndef TESTS_UNIT_LIB_PICTURE_PICTURE_FIXTURE_H
#define TESTS_UNIT_LIB_PICTURE_PICTURE_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/picture/picture.h"
#include "lib/picture/picture_private.h"
#include "support/cmocka.h"
#include "support/sample_picture.h"

/* A pointer that no function sets. */
static char junk;
#define JUNK ((struct picture *)(void *)&junk)

static inline enum app_err open_sample(const struct sample *sample, struct picture **picture,
                                       struct err_buf *why)
{
    return picture_open(sample->data, sample->len, deadline_in_ms(60000), picture, why);
}

/* Open, free the encoded bytes at once, and give the picture. */
static inline struct picture *must_open(struct sample sample)
{
    struct err_buf why = {.text = ""};
    struct picture *picture = JUNK;
    if (open_sample(&sample, &picture, &why))
        fail_msg("%s (%s)", why.text, why.detail);
    sample_release(&sample);
    return picture;
}

static inline void must_refuse(struct sample sample, enum app_err expected, const char *text)
{
    struct err_buf why = {.text = ""};
    struct picture *picture = JUNK;
    assert_int_equal(open_sample(&sample, &picture, &why), expected);
    assert_ptr_equal(picture, JUNK);
    if (!strstr(why.text, text))
        fail_msg("\"%s\" does not say \"%s\"", why.text, text);
    sample_release(&sample);
}

static inline int pixel(const struct picture *picture, int x, int y, int band)
{
    return sample_pixel(picture->image, x, y, band);
}

static inline void assert_near(int value, int expected, int tolerance)
{
    if (abs(value - expected) > tolerance)
        fail_msg("%d is not %d within %d", value, expected, tolerance);
}

static inline void assert_pixel(const struct picture *picture, int x, int y, const int colour[3],
                                int tolerance)
{
    for (int band = 0; band < 3; band++)
        assert_near(pixel(picture, x, y, band), colour[band], tolerance);
}

#endif
