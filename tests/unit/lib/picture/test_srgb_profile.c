/* SPDX-License-Identifier: MIT */
/* Profiles are those that come with libvips, and such as are put together here. */
#include "lib/picture/srgb_profile.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include "lib/picture/picture.h"
#include "support/cmocka.h"
#include "support/sample_picture.h"

enum { TAGS = 6, TABLE = 256, MAX = 4096 };

struct profile {
    unsigned char data[MAX];
    size_t len;
};

/* In memory of its own size, so that a sanitizer sees each byte beyond the end. */
static bool is_srgb(const void *data, size_t len)
{
    unsigned char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    bool is = srgb_profile_is(copy, len);
    free(copy);
    return is;
}

static void put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void put_fixed(unsigned char *at, double value)
{
    put_u32(at, (uint32_t)(int32_t)lround(value * 65536));
}

static double srgb_decode(double x)
{
    return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
}

/* The parameters of sRGB's curve, and of kind 3. */
static const double srgb_parameters[] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};

static size_t put_parametric(unsigned char *at, const double *parameters)
{
    static const unsigned char head[12] = {'p', 'a', 'r', 'a', 0, 0, 0, 0, 0, 3};
    memcpy(at, head, sizeof(head));
    for (size_t i = 0; i < 5; i++)
        put_fixed(at + 12 + 4 * i, parameters[i]);
    return 32;
}

static size_t put_table(unsigned char *at, double (*curve)(double x))
{
    static const unsigned char head[8] = {'c', 'u', 'r', 'v'};
    memcpy(at, head, sizeof(head));
    put_u32(at + 8, TABLE);
    for (int i = 0; i < TABLE; i++) {
        unsigned value = (unsigned)lround(curve(i / (TABLE - 1.0)) * 65535);
        at[12 + 2 * i] = (unsigned char)(value >> 8);
        at[13 + 2 * i] = (unsigned char)value;
    }
    return 12 + 2 * (size_t)TABLE;
}

/* Three primaries and one curve, which all three channels share. */
static struct profile make_profile(double red_x, const double *parameters, double (*curve)(double))
{
    static const char *const names[TAGS] = {"rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC"};
    const double xyz[3][3] = {
        {red_x, 0.22249, 0.01392}, {0.38515, 0.71687, 0.09708}, {0.14307, 0.06061, 0.71410}};
    struct profile made = {.len = 132 + TAGS * 12};
    size_t offset = 0, size = 0;
    memcpy(made.data + 12, "mntrRGB XYZ ", 12);
    put_u32(made.data + 128, TAGS);
    for (size_t i = 0; i < TAGS; i++) {
        unsigned char *entry = made.data + 132 + 12 * i;
        if (i <= 3) {
            unsigned char *at = made.data + made.len;
            offset = made.len;
            static const unsigned char head[8] = {'X', 'Y', 'Z', ' '};
            memcpy(at, head, sizeof(head));
            for (size_t j = 0; j < 3 && i < 3; j++)
                put_fixed(at + 8 + 4 * j, xyz[i][j]);
            size = i < 3 ? 20 : curve ? put_table(at, curve) : put_parametric(at, parameters);
            made.len += size;
        }
        memcpy(entry, names[i], 4);
        put_u32(entry + 4, (uint32_t)offset);
        put_u32(entry + 8, (uint32_t)size);
    }
    return made;
}

static bool builtin_is_srgb(const char *name)
{
    VipsBlob *blob;
    size_t len;
    assert_int_equal(vips_profile_load(name, &blob, NULL), 0);
    const void *data = vips_blob_get(blob, &len);
    bool is = is_srgb(data, len);
    vips_area_unref(VIPS_AREA(blob));
    return is;
}

static void a_common_profile_of_srgb_is_known_and_another_is_not(void **state)
{
    (void)state;
    assert_true(builtin_is_srgb("srgb"));
    assert_false(builtin_is_srgb("p3"));
    assert_false(builtin_is_srgb("cmyk"));
}

static void the_curve_may_be_a_formula_or_a_table(void **state)
{
    (void)state;
    struct profile formula = make_profile(0.43607, srgb_parameters, NULL);
    struct profile table = make_profile(0.43607, NULL, srgb_decode);
    assert_true(is_srgb(formula.data, formula.len));
    assert_true(is_srgb(table.data, table.len));
}

static double gamma_22(double x)
{
    return pow(x, 2.2);
}

static void other_primaries_or_another_curve_are_not_srgb(void **state)
{
    (void)state;
    static const double steeper[] = {2.5, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
    struct profile primary = make_profile(0.44, srgb_parameters, NULL);
    struct profile formula = make_profile(0.43607, steeper, NULL);
    struct profile table = make_profile(0.43607, NULL, gamma_22);
    assert_false(is_srgb(primary.data, primary.len));
    assert_false(is_srgb(formula.data, formula.len));
    assert_false(is_srgb(table.data, table.len));
}

static void a_profile_with_tables_before_the_matrix_is_not_looked_into(void **state)
{
    (void)state;
    struct profile profile = make_profile(0.43607, srgb_parameters, NULL);
    /* One more tag in the place of the first primary's data, which moves to the end. */
    memmove(profile.data + 132 + 12, profile.data + 132, profile.len - 132);
    profile.len += 12;
    put_u32(profile.data + 128, TAGS + 1);
    for (size_t i = 0; i < TAGS; i++) {
        unsigned char *offset = profile.data + 132 + 12 * (i + 1) + 4;
        put_u32(offset, ((uint32_t)offset[2] << 8 | offset[3]) + 12);
    }
    memcpy(profile.data + 132, "zzzz", 4);
    put_u32(profile.data + 136, 132);
    put_u32(profile.data + 140, 12);
    assert_true(is_srgb(profile.data, profile.len));
    memcpy(profile.data + 132, "A2B0", 4);
    assert_false(is_srgb(profile.data, profile.len));
}

static void no_cut_or_changed_profile_is_read_beyond_its_end(void **state)
{
    (void)state;
    struct profile profiles[] = {make_profile(0.43607, srgb_parameters, NULL),
                                 make_profile(0.43607, NULL, srgb_decode)};
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        struct profile *profile = &profiles[i];
        for (size_t len = 0; len < profile->len; len++)
            assert_false(is_srgb(profile->data, len));
        for (size_t at = 128; at < profile->len; at++) {
            unsigned char was = profile->data[at];
            profile->data[at] = 0xff;
            (void)is_srgb(profile->data, profile->len);
            profile->data[at] = was;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_common_profile_of_srgb_is_known_and_another_is_not),
        cmocka_unit_test(the_curve_may_be_a_formula_or_a_table),
        cmocka_unit_test(other_primaries_or_another_curve_are_not_srgb),
        cmocka_unit_test(a_profile_with_tables_before_the_matrix_is_not_looked_into),
        cmocka_unit_test(no_cut_or_changed_profile_is_read_beyond_its_end),
    };
    return cmocka_run_group_tests(tests, sample_library_start, sample_library_stop);
}
