/* SPDX-License-Identifier: MIT */
/* Numbers are big-endian, fractions are fixed point with 16 bits behind the point. */
#include "lib/picture/srgb_profile.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    HEADER = 128,
    TAG_ENTRY = 12, /* signature, offset, size */
    TAGS_MAX = 64,
    TYPE_HEADER = 8, /* signature and four zeros, of each tag's data */
    XYZ_SIZE = TYPE_HEADER + 12,
    CURVE_ENTRIES_AT = TYPE_HEADER + 4,
    PARAMETERS = 7,
    CURVE_LEAST = 16 /* entries; fewer are no approximation */
};

/* Of linear light. Makers round and adapt to D50 a little differently. */
#define PRIMARY_TOLERANCE 0.001
/* Of one 8-bit step. */
#define CURVE_TOLERANCE 0.5

static const struct {
    const char *signature;
    double xyz[3]; /* under D50 */
} primaries[] = {
    {"rXYZ", {0.43607, 0.22249, 0.01392}},
    {"gXYZ", {0.38515, 0.71687, 0.09708}},
    {"bXYZ", {0.14307, 0.06061, 0.71410}},
};
static const char *const curves[] = {"rTRC", "gTRC", "bTRC"};

struct span {
    const unsigned char *data;
    size_t len;
};

static uint32_t read_u32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static unsigned read_u16(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static double read_fixed(const unsigned char *at)
{
    return (int32_t)read_u32(at) / 65536.0;
}

static bool find_tag(const struct span *profile, const char *signature, struct span *tag)
{
    size_t count = read_u32(profile->data + HEADER);
    if (count > TAGS_MAX || HEADER + 4 + count * TAG_ENTRY > profile->len)
        return false;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *entry = profile->data + HEADER + 4 + i * TAG_ENTRY;
        size_t offset = read_u32(entry + 4), size = read_u32(entry + 8);
        if (memcmp(entry, signature, 4) != 0)
            continue;
        if (size < TYPE_HEADER || offset > profile->len || size > profile->len - offset)
            return false;
        *tag = (struct span){profile->data + offset, size};
        return true;
    }
    return false;
}

static bool is_primary(const struct span *profile, const char *signature, const double xyz[3])
{
    struct span tag;
    if (!find_tag(profile, signature, &tag) || tag.len < XYZ_SIZE ||
        memcmp(tag.data, "XYZ ", 4) != 0)
        return false;
    for (size_t i = 0; i < 3; i++) {
        if (fabs(read_fixed(tag.data + TYPE_HEADER + 4 * i) - xyz[i]) > PRIMARY_TOLERANCE)
            return false;
    }
    return true;
}

static double srgb_encode(double linear)
{
    return linear <= 0.0031308 ? linear * 12.92 : 1.055 * pow(linear, 1 / 2.4) - 0.055;
}

/* A parametric curve's kinds 3 and 4 (ICC.1:2010, 10.16), which alone have a linear foot. */
static double parametric(const double parameters[PARAMETERS], double x)
{
    const double *p = parameters; /* g a b c d e f */
    return x >= p[4] ? pow(p[1] * x + p[2], p[0]) + p[5] : p[3] * x + p[6];
}

static bool read_parameters(const struct span *tag, double parameters[PARAMETERS])
{
    if (tag->len < CURVE_ENTRIES_AT)
        return false;
    unsigned kind = read_u16(tag->data + TYPE_HEADER);
    size_t count = kind == 3 ? 5 : kind == 4 ? 7 : 0;
    if (count == 0 || tag->len < CURVE_ENTRIES_AT + 4 * count)
        return false;
    for (size_t i = 0; i < PARAMETERS; i++)
        parameters[i] = i < count ? read_fixed(tag->data + CURVE_ENTRIES_AT + 4 * i) : 0;
    return true;
}

/* `table` are `count` 16-bit entries over 0 to 1. */
static double interpolate(const unsigned char *table, size_t count, double x)
{
    double at = x * (double)(count - 1);
    size_t below = (size_t)at;
    if (below + 1 >= count)
        return read_u16(table + 2 * (count - 1)) / 65535.0;
    double low = read_u16(table + 2 * below), high = read_u16(table + 2 * below + 2);
    return (low + (high - low) * (at - (double)below)) / 65535.0;
}

static bool is_curve(const struct span *profile, const char *signature)
{
    struct span tag;
    double parameters[PARAMETERS] = {0};
    size_t count = 0;
    if (!find_tag(profile, signature, &tag) || tag.len < CURVE_ENTRIES_AT)
        return false;
    if (memcmp(tag.data, "curv", 4) == 0)
        count = read_u32(tag.data + TYPE_HEADER);
    else if (memcmp(tag.data, "para", 4) != 0 || !read_parameters(&tag, parameters))
        return false;
    bool is_table = tag.data[0] == 'c';
    if (is_table && (count < CURVE_LEAST || count > (tag.len - CURVE_ENTRIES_AT) / 2))
        return false;
    for (int value = 0; value < 256; value++) {
        double x = value / 255.0;
        double linear = is_table ? interpolate(tag.data + CURVE_ENTRIES_AT, count, x)
                                 : parametric(parameters, x);
        /* Not "more than": a curve may give what is no number. */
        if (!(fabs(srgb_encode(linear) * 255 - value) <= CURVE_TOLERANCE))
            return false;
    }
    return true;
}

bool srgb_profile_is(const unsigned char *profile, size_t len)
{
    const struct span whole = {profile, len};
    struct span tables;
    if (len < HEADER + 4 || memcmp(profile + 12, "mntrRGB XYZ ", 12) != 0)
        return false;
    if (find_tag(&whole, "A2B0", &tables))
        return false; /* which would go before the matrix */
    for (size_t i = 0; i < 3; i++) {
        if (!is_primary(&whole, primaries[i].signature, primaries[i].xyz) ||
            !is_curve(&whole, curves[i]))
            return false;
    }
    return true;
}
