/* SPDX-License-Identifier: MIT */
/* Where pixels must be equal, PNG is asked for; other formats are compared within their noise. */
#include "api/image/emojify.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/image/artwork_file.h"
#include "api/image/geometry.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/picture/picture_private.h"
#include "support/build_path.h"
#include "support/cmocka.h"
#include "support/sample_picture.h"

#define KEY "0123456789abcdef0123456789abcdef"

static const double blue[] = {20, 40, 120, 90};
static const struct face middle = {.box = {80, 50, 40, 40}};

static struct artwork *open_artwork(void)
{
    char path[PATH_MAX];
    struct err_buf why = {.text = ""};
    struct artwork *artwork = NULL;
    if (artwork_open(build_path(ARTWORK_FILE_NAME, path, sizeof(path)), &artwork, &why))
        fail_msg("%s", why.text);
    return artwork;
}

static struct picture *open_picture(struct sample sample)
{
    struct err_buf why = {.text = ""};
    struct picture *picture = NULL;
    if (picture_open(sample.data, sample.len, deadline_in_ms(60000), &picture, &why))
        fail_msg("%s (%s)", why.text, why.detail);
    sample_release(&sample);
    return picture;
}

/* A picture of one colour, 200 x 150. */
static struct picture *open_plain(int bands)
{
    static const double see_through[] = {20, 40, 120, 90};
    return open_picture(sample_encode(sample_plain(200, 150, bands, see_through), ".png"));
}

static struct emojify_options make_options(const struct artwork *artwork,
                                           enum emojify_format format)
{
    return (struct emojify_options){artwork, format, KEY, deadline_in_ms(60000)};
}

/* The result is the caller's to free. */
static struct emojify_result must_draw(const struct picture *picture, const struct face *faces,
                                       size_t count, const struct emojify_options *options)
{
    struct emojify_result result = {NULL, 0, NULL, 12345};
    struct err_buf why = {.text = ""};
    if (emojify_draw(picture, faces, count, options, &result, &why))
        fail_msg("%s (%s)", why.text, why.detail);
    assert_non_null(result.data);
    assert_true(result.len > 0);
    return result;
}

/* Draw as PNG (or as `format`) and decode again; frees what was drawn from. */
static VipsImage *draw_and_decode(struct picture *picture, const struct face *faces, size_t count,
                                  enum emojify_format format)
{
    struct artwork *artwork = open_artwork();
    struct emojify_options options = make_options(artwork, format);
    struct emojify_result result = must_draw(picture, faces, count, &options);
    VipsImage *image = sample_decode(result.data, result.len);
    free(result.data);
    picture_free(&picture);
    artwork_close(&artwork);
    return image;
}

static bool is_blue(VipsImage *image, int x, int y, int tolerance)
{
    for (int band = 0; band < 3; band++) {
        if (abs(sample_pixel(image, x, y, band) - (int)blue[band]) > tolerance)
            return false;
    }
    return true;
}

static bool is_inside(const struct box *box, int x, int y)
{
    return x >= box->left && x < box->left + box->width && y >= box->top &&
           y < box->top + box->height;
}

/* Share in percent of the box's pixels (those within the picture) that are blue no more. */
static int changed_inside(VipsImage *image, const struct box *box)
{
    int inside = 0, changed = 0;
    for (int y = 0; y < vips_image_get_height(image); y++) {
        for (int x = 0; x < vips_image_get_width(image); x++) {
            if (is_inside(box, x, y)) {
                inside++;
                changed += !is_blue(image, x, y, 16);
            }
        }
    }
    assert_true(inside > 0);
    return inside > 0 ? changed * 100 / inside : 0;
}

static void assert_untouched_outside(VipsImage *image, const struct box *box, int tolerance,
                                     int margin)
{
    struct box wide = {box->left - margin, box->top - margin, box->width + 2 * margin,
                       box->height + 2 * margin};
    for (int y = 0; y < vips_image_get_height(image); y++) {
        for (int x = 0; x < vips_image_get_width(image); x++) {
            if (!is_inside(&wide, x, y) && !is_blue(image, x, y, tolerance))
                fail_msg("the pixel %d,%d has changed", x, y);
        }
    }
}

/* Where the emoji of an upright face lies on a picture of 200 x 150. */
static struct box emoji_box(struct face face)
{
    struct placement place;
    assert_true(geometry_place(&face, 200, 150, &place));
    return (struct box){(int)(place.x - place.side / 2), (int)(place.y - place.side / 2),
                        (int)place.side, (int)place.side};
}

static struct face boxed(int left, int top, int width, int height)
{
    return (struct face){.box = {left, top, width, height}};
}

/* A face from the front, turned by `angle`, in a box of `side` around x,y. */
static struct face turned_face(int x, int y, int side, double angle)
{
    static const struct face_point upright[FACE_POINT__MAX] = {
        [FACE_RIGHT_EYE] = {-0.2, -0.17}, [FACE_LEFT_EYE] = {0.2, -0.17},
        [FACE_NOSE] = {0, 0.06},          [FACE_MOUTH] = {0, 0.26},
        [FACE_RIGHT_EAR] = {-0.41, -0.1}, [FACE_LEFT_EAR] = {0.41, -0.1},
    };
    struct face face = boxed(x - side / 2, y - side / 2, side, side);
    face.has_points = true;
    for (int i = 0; i < FACE_POINT__MAX; i++) {
        double right = upright[i].x * side, down = upright[i].y * side;
        face.points[i].x = x + right * cos(angle) - down * sin(angle);
        face.points[i].y = y + down * cos(angle) + right * sin(angle);
    }
    return face;
}

static void a_face_is_covered_and_the_rest_is_untouched(void **state)
{
    (void)state;
    struct box emoji = emoji_box(middle);
    VipsImage *image = draw_and_decode(open_plain(3), &middle, 1, EMOJIFY_PNG);
    assert_int_equal(vips_image_get_width(image), 200);
    assert_int_equal(vips_image_get_height(image), 150);
    assert_int_equal(vips_image_get_bands(image), 3);
    /* The emoji is round: its corners stay as they were. */
    assert_true(changed_inside(image, &emoji) > 60);
    assert_true(changed_inside(image, &middle.box) > 95);
    assert_untouched_outside(image, &emoji, 0, 0);
    assert_true(is_blue(image, emoji.left, emoji.top, 0));
    g_object_unref(image);
}

static void lossy_formats_change_the_rest_by_noise_only(void **state)
{
    (void)state;
    static const enum emojify_format formats[] = {EMOJIFY_JPEG, EMOJIFY_WEBP};
    struct box emoji = emoji_box(middle);
    for (size_t i = 0; i < 2; i++) {
        VipsImage *image = draw_and_decode(open_plain(3), &middle, 1, formats[i]);
        assert_true(changed_inside(image, &middle.box) > 95);
        assert_untouched_outside(image, &emoji, 8, 16);
        g_object_unref(image);
    }
}

static void the_emoji_has_the_colours_of_the_artwork(void **state)
{
    (void)state;
    enum { LEVEL = 2, SIDE = ARTWORK_SIDE(LEVEL) };
    struct artwork *artwork = open_artwork();
    size_t index = geometry_choose_emoji(KEY, 0, artwork_count(artwork));
    const unsigned char *pixels = artwork_level(artwork, index, LEVEL) + ARTWORK_STRIDE(LEVEL) + 1;
    /* The emoji's box is as large as the level, so that nothing is resampled. */
    struct face face = boxed(50, 40, (SIDE * 100 + 70) / 140, 10);
    struct box emoji = emoji_box(face);
    assert_int_equal(emoji.width, SIDE);
    VipsImage *image = draw_and_decode(open_plain(3), &face, 1, EMOJIFY_PNG);
    for (int i = 0; i < SIDE * SIDE; i++) {
        int x = i % SIDE, y = i / SIDE;
        const unsigned char *colour =
            artwork_palette(artwork, index)[pixels[y * ARTWORK_STRIDE(LEVEL) + x]];
        if (colour[3] < 255 || emoji.top + y < 0 || emoji.top + y >= 150)
            continue;
        for (int band = 0; band < 3; band++)
            assert_int_equal(sample_pixel(image, emoji.left + x, emoji.top + y, band),
                             colour[band]);
    }
    g_object_unref(image);
    artwork_close(&artwork);
}

/* The picture with the face turned, looked at along with the head, is that with the face upright.
 */
static void the_emoji_is_turned_with_the_head(void **state)
{
    (void)state;
    static const double angle = 40 * M_PI / 180;
    const struct face faces[2] = {turned_face(200, 200, 120, 0), turned_face(200, 200, 120, angle)};
    struct placement places[2];
    VipsImage *images[2];
    int same = 0, as_before = 0, count = 0;
    for (int i = 0; i < 2; i++) {
        assert_true(geometry_place(&faces[i], 400, 400, &places[i]));
        struct picture *picture =
            open_picture(sample_encode(sample_plain(400, 400, 3, blue), ".png"));
        images[i] = draw_and_decode(picture, &faces[i], 1, EMOJIFY_PNG);
    }
    assert_true(fabs(places[1].angle - angle) < 1e-6);
    assert_true(fabs(places[1].side - places[0].side) < 1e-6);
    for (int y = -70; y <= 70; y += 2) {
        for (int x = -70; x <= 70; x += 2, count++) {
            int right = (int)lround(places[1].x + x * cos(angle) - y * sin(angle) - 0.5);
            int down = (int)lround(places[1].y + y * cos(angle) + x * sin(angle) - 0.5);
            int upright = sample_pixel(images[0], (int)lround(places[0].x + x - 0.5),
                                       (int)lround(places[0].y + y - 0.5), 2);
            same += abs(sample_pixel(images[1], right, down, 2) - upright) < 32;
            as_before +=
                abs(sample_pixel(images[1], (int)places[1].x + x, (int)places[1].y + y, 2) -
                    upright) < 32;
        }
    }
    assert_true(same > count * 95 / 100);
    assert_true(as_before < count * 90 / 100);
    g_object_unref(images[0]);
    g_object_unref(images[1]);
}

/* Pixels along the row through the middle of the face that are neither picture nor emoji. */
static int edge_width(VipsImage *image, int y)
{
    enum { INSIDE = 20 };
    int first = 0, width = 0;
    while (is_blue(image, first, y, 0))
        first++;
    int full = sample_pixel(image, first + INSIDE, y, 0) - (int)blue[0];
    for (int x = first; x < first + INSIDE; x++) {
        int share = (sample_pixel(image, x, y, 0) - (int)blue[0]) * 100 / full;
        width += share < 90;
    }
    return width;
}

static void a_large_emoji_has_a_sharp_edge(void **state)
{
    (void)state;
    static const double angles[] = {0, 0.3};
    for (size_t i = 0; i < 2; i++) {
        const struct face face = turned_face(750, 700, 900, angles[i]);
        struct picture *picture =
            open_picture(sample_encode(sample_plain(1500, 1400, 3, blue), ".png"));
        VipsImage *image = draw_and_decode(picture, &face, 1, EMOJIFY_PNG);
        assert_in_range(edge_width(image, 640), 1, 7); /* the emoji has 1430 pixels */
        g_object_unref(image);
    }
}

static void a_later_emoji_lies_on_top(void **state)
{
    (void)state;
    const struct face faces[] = {boxed(60, 50, 40, 40), boxed(90, 50, 40, 40)};
    const struct face alone[] = {boxed(500, 500, 40, 40), boxed(90, 50, 40, 40)};
    VipsImage *both = draw_and_decode(open_plain(3), faces, 2, EMOJIFY_PNG);
    VipsImage *later = draw_and_decode(open_plain(3), alone, 2, EMOJIFY_PNG);
    for (int i = 0; i < 30 * 30; i++) { /* within its edge */
        int x = 95 + i % 30, y = 53 + i / 30;
        for (int band = 0; band < 3; band++)
            assert_int_equal(sample_pixel(both, x, y, band), sample_pixel(later, x, y, band));
    }
    assert_false(is_blue(both, 65, 68, 16));
    assert_true(is_blue(later, 65, 68, 0));
    g_object_unref(both);
    g_object_unref(later);
}

static void an_emoji_is_clipped_at_every_border(void **state)
{
    (void)state;
    static const int places[][2] = {{0, 80}, {200, 80}, {100, 0}, {100, 150}, {0, 0}, {200, 150}};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const struct face face = boxed(places[i][0] - 20, places[i][1] - 20, 40, 40);
        struct box emoji = emoji_box(face);
        VipsImage *image = draw_and_decode(open_plain(3), &face, 1, EMOJIFY_PNG);
        assert_true(changed_inside(image, &emoji) > 50);
        assert_untouched_outside(image, &emoji, 0, 0);
        g_object_unref(image);

        const struct face turned = turned_face(places[i][0], places[i][1], 40, 0.5);
        const struct box wide = {places[i][0] - 50, places[i][1] - 50, 100, 100};
        image = draw_and_decode(open_plain(3), &turned, 1, EMOJIFY_PNG);
        assert_true(changed_inside(image, &turned.box) > 95);
        assert_untouched_outside(image, &wide, 0, 0);
        g_object_unref(image);
    }
}

static void a_face_larger_than_the_picture_covers_all_of_it(void **state)
{
    (void)state;
    const struct face faces[] = {boxed(-100, -75, 400, 300), boxed(-300, -325, 800, 800),
                                 turned_face(100, 75, 800, 0.5)};
    static const struct box all = {0, 0, 200, 150};
    for (size_t i = 0; i < sizeof(faces) / sizeof(faces[0]); i++) {
        VipsImage *image = draw_and_decode(open_plain(i == 1 ? 4 : 3), &faces[i], 1, EMOJIFY_PNG);
        assert_true(changed_inside(image, &all) > 95);
        g_object_unref(image);
    }
}

/* Rows are drawn in pieces. */
static void a_wide_emoji_has_no_gaps(void **state)
{
    (void)state;
    const struct face faces[] = {boxed(0, -1480, 3000, 3000), turned_face(1500, 20, 3000, 0.2)};
    static const struct box all = {200, 0, 2600, 40};
    for (size_t i = 0; i < 2; i++) {
        struct picture *picture =
            open_picture(sample_encode(sample_plain(3000, 40, 3, blue), ".png"));
        VipsImage *image = draw_and_decode(picture, &faces[i], 1, EMOJIFY_PNG);
        assert_int_equal(changed_inside(image, &all), 100);
        g_object_unref(image);
    }
}

static void alpha_is_kept_where_nothing_is_drawn_and_full_where_something_is(void **state)
{
    (void)state;
    static const enum emojify_format formats[] = {EMOJIFY_PNG, EMOJIFY_WEBP};
    struct box emoji = emoji_box(middle);
    for (size_t i = 0; i < 2; i++) {
        VipsImage *image = draw_and_decode(open_plain(4), &middle, 1, formats[i]);
        assert_int_equal(vips_image_get_bands(image), 4);
        assert_int_equal(sample_pixel(image, 3, 3, 3), 90);
        assert_int_equal(sample_pixel(image, 197, 147, 3), 90);
        assert_int_equal(
            sample_pixel(image, emoji.left + emoji.width / 2, emoji.top + emoji.height / 2, 3),
            255);
        g_object_unref(image);
    }
}

static void without_alpha_in_the_format_transparent_becomes_white(void **state)
{
    (void)state;
    static const double hidden[] = {0, 0, 0, 0};
    struct picture *picture = open_picture(sample_encode(sample_plain(64, 64, 4, hidden), ".png"));
    VipsImage *image = draw_and_decode(picture, NULL, 0, EMOJIFY_JPEG);
    assert_int_equal(vips_image_get_bands(image), 3);
    assert_true(sample_pixel(image, 30, 30, 1) > 250);
    g_object_unref(image);
}

static void the_format_is_the_one_asked_for(void **state)
{
    (void)state;
    static const struct {
        int bands;
        enum emojify_format format;
        const char *content_type, *magic;
    } cases[] = {
        {3, EMOJIFY_AUTO, "image/jpeg", "\xff\xd8\xff"},
        {4, EMOJIFY_AUTO, "image/png", "\x89PNG"},
        {3, EMOJIFY_JPEG, "image/jpeg", "\xff\xd8\xff"},
        {4, EMOJIFY_JPEG, "image/jpeg", "\xff\xd8\xff"},
        {3, EMOJIFY_PNG, "image/png", "\x89PNG"},
        {3, EMOJIFY_WEBP, "image/webp", "RIFF"},
    };
    struct artwork *artwork = open_artwork();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct picture *picture = open_plain(cases[i].bands);
        struct emojify_options options = make_options(artwork, cases[i].format);
        struct emojify_result result = must_draw(picture, &middle, 1, &options);
        assert_string_equal(result.content_type, cases[i].content_type);
        assert_memory_equal(result.data, cases[i].magic, strlen(cases[i].magic));
        assert_int_equal(result.drawn, 1);
        free(result.data);
        picture_free(&picture);
    }
    artwork_close(&artwork);
}

static void a_picture_too_large_for_webp_becomes_a_jpeg(void **state)
{
    (void)state;
    static const int widths[] = {16383, 16384};
    static const char *const types[] = {"image/webp", "image/jpeg"};
    struct artwork *artwork = open_artwork();
    struct emojify_options options = make_options(artwork, EMOJIFY_WEBP);
    for (size_t i = 0; i < 2; i++) {
        struct picture *picture =
            open_picture(sample_encode(sample_plain(widths[i], 4, 3, blue), ".png"));
        struct emojify_result result = must_draw(picture, NULL, 0, &options);
        assert_string_equal(result.content_type, types[i]);
        free(result.data);
        picture_free(&picture);
    }
    artwork_close(&artwork);
}

static void a_picture_without_faces_is_encoded_as_it_is(void **state)
{
    (void)state;
    VipsImage *image = draw_and_decode(open_plain(3), NULL, 0, EMOJIFY_PNG);
    static const struct box nowhere = {-1, -1, 0, 0};
    assert_untouched_outside(image, &nowhere, 0, 0);
    g_object_unref(image);
}

static void only_faces_inside_the_picture_are_counted(void **state)
{
    (void)state;
    const struct face faces[] = {boxed(80, 50, 40, 40), boxed(1000, 50, 40, 40),
                                 boxed(10, 10, 0, 9), boxed(INT_MIN, 0, INT_MAX, 5),
                                 boxed(5, 5, 9, 9)};
    struct artwork *artwork = open_artwork();
    struct picture *picture = open_plain(3);
    struct emojify_options options = make_options(artwork, EMOJIFY_AUTO);
    struct emojify_result result = must_draw(picture, faces, 5, &options);
    assert_int_equal(result.drawn, 2);
    free(result.data);
    picture_free(&picture);
    artwork_close(&artwork);
}

static void faces_beyond_the_limit_are_not_drawn(void **state)
{
    (void)state;
    static struct face faces[LIMIT_FACES + 1];
    for (size_t i = 0; i < LIMIT_FACES; i++)
        faces[i] = boxed((int)(i % 16) * 5, (int)(i / 16) * 5, 4, 4);
    faces[LIMIT_FACES] = boxed(150, 100, 30, 30);
    struct artwork *artwork = open_artwork();
    struct picture *picture = open_plain(3);
    struct emojify_options options = make_options(artwork, EMOJIFY_PNG);
    struct emojify_result result = must_draw(picture, faces, LIMIT_FACES + 1, &options);
    assert_int_equal(result.drawn, LIMIT_FACES);
    VipsImage *image = sample_decode(result.data, result.len);
    assert_true(is_blue(image, 165, 115, 0));
    assert_false(is_blue(image, 2, 2, 16) && is_blue(image, 77, 77, 16));
    g_object_unref(image);
    free(result.data);
    picture_free(&picture);
    artwork_close(&artwork);
}

static void neighbouring_faces_get_different_emoji(void **state)
{
    (void)state;
    enum { SIDE = 56 }; /* of the emoji over a face of 40 */
    const struct face faces[] = {boxed(20, 50, 40, 40), boxed(120, 50, 40, 40)};
    struct box left = emoji_box(faces[0]), right = emoji_box(faces[1]);
    assert_int_equal(left.width, SIDE);
    VipsImage *image = draw_and_decode(open_plain(3), faces, 2, EMOJIFY_PNG);
    int differences = 0;
    for (int i = 0; i < SIDE * SIDE; i++)
        differences += sample_pixel(image, left.left + i % SIDE, left.top + i / SIDE, 1) !=
                       sample_pixel(image, right.left + i % SIDE, right.top + i / SIDE, 1);
    assert_true(differences > 100);
    g_object_unref(image);
}

static struct sample draw_with_key(const char *key)
{
    struct artwork *artwork = open_artwork();
    struct picture *picture = open_plain(3);
    struct emojify_options options = make_options(artwork, EMOJIFY_JPEG);
    options.key = key;
    struct emojify_result result = must_draw(picture, &middle, 1, &options);
    picture_free(&picture);
    artwork_close(&artwork);
    return (struct sample){result.data, result.len};
}

static void the_same_key_gives_the_same_bytes_and_another_key_others(void **state)
{
    (void)state;
    struct sample first = draw_with_key(KEY), second = draw_with_key(KEY);
    struct sample other = draw_with_key("fedcba98765432100123456789abcdef");
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, first.len);
    assert_true(other.len != first.len || memcmp(other.data, first.data, first.len) != 0);
    sample_release(&first);
    sample_release(&second);
    sample_release(&other);
}

static bool contains(const struct sample *sample, const char *text)
{
    return memmem(sample->data, sample->len, text, strlen(text)) != NULL;
}

static void no_metadata_of_the_source_is_in_the_result(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".jpg", ".png", ".webp"};
    /* The last two only outside WebP, where libvips writes an EXIF block of its own. */
    static const char *const words[] = {SAMPLE_SECRET, "xmp",  "adobe:", "ICC_PROFILE", "iCCP",
                                        "tEXt",        "zTXt", "iTXt",   "Exif",        "eXIf"};
    enum { WORD_COUNT = sizeof(words) / sizeof(words[0]) };
    struct artwork *artwork = open_artwork();
    for (size_t i = 0; i < 3; i++) {
        struct sample source =
            sample_encode(sample_add_metadata(sample_photo(60, 40)), suffixes[i]);
        VipsImage *plain = sample_decode(source.data, source.len);
        assert_true(vips_image_get_typeof(plain, VIPS_META_XMP_NAME));
        if (i == 0)
            assert_true(vips_image_get_typeof(plain, "exif-ifd3-GPSLatitude"));
        g_object_unref(plain);
        struct picture *picture = open_picture(source);
        for (int format = EMOJIFY_JPEG; format < EMOJIFY_FORMAT__MAX; format++) {
            struct emojify_options options = make_options(artwork, (enum emojify_format)format);
            struct emojify_result result = must_draw(picture, &middle, 1, &options);
            struct sample drawn = {result.data, result.len};
            for (size_t k = 0; k < WORD_COUNT - (format == EMOJIFY_WEBP ? 2 : 0); k++) {
                if (contains(&drawn, words[k]))
                    fail_msg("%s of %s holds %s", result.content_type, suffixes[i], words[k]);
            }
            sample_release(&drawn);
        }
        picture_free(&picture);
    }
    artwork_close(&artwork);
}

static void assert_refused(const struct picture *picture, const struct face *faces, size_t count,
                           const struct emojify_options *options, const char *text)
{
    char junk;
    struct emojify_result result = {&junk, 2, "junk", 3};
    struct err_buf why = {.text = ""};
    assert_int_equal(emojify_draw(picture, faces, count, options, &result, &why),
                     APP_PICTURE_REFUSED);
    assert_string_equal(why.text, text);
    assert_ptr_equal(result.data, &junk);
    assert_int_equal(result.len, 2);
    assert_int_equal(result.drawn, 3);
    assert_string_equal(vips_error_buffer(), "");
}

static void drawing_stops_at_the_deadline(void **state)
{
    (void)state;
    /* Together they would take many seconds. */
    static struct face faces[100];
    for (size_t i = 0; i < 100; i++)
        faces[i] = boxed(0, 0, 2000, 2000);
    struct artwork *artwork = open_artwork();
    struct picture *picture =
        open_picture(sample_encode(sample_plain(2000, 2000, 3, blue), ".png"));
    for (int format = EMOJIFY_JPEG; format < EMOJIFY_FORMAT__MAX; format++) {
        struct emojify_options options = make_options(artwork, (enum emojify_format)format);
        int64_t begin = clock_now_ns();
        options.deadline_ns = begin + 100 * NS_PER_MS;
        assert_refused(picture, faces, 100, &options, "the picture takes too long to process");
        assert_true(clock_now_ns() - begin < 5 * NS_PER_S);
    }
    struct emojify_options late = make_options(artwork, EMOJIFY_AUTO);
    late.deadline_ns = clock_now_ns();
    assert_refused(picture, NULL, 0, &late, "the picture takes too long to process");
    picture_free(&picture);
    artwork_close(&artwork);
}

static void a_result_above_the_limit_is_refused(void **state)
{
    (void)state;
    VipsImage *noise, *bytes;
    assert_int_equal(vips_gaussnoise(&noise, 5000, 4000, "mean", 128.0, "sigma", 60.0, NULL), 0);
    assert_int_equal(vips_cast_uchar(noise, &bytes, NULL), 0);
    g_object_unref(noise);
    /* One band is below the limit, three equal ones need more in PNG. */
    struct picture *picture = open_picture(sample_encode(bytes, ".jpg[Q=50]"));
    struct artwork *artwork = open_artwork();
    struct emojify_options options = make_options(artwork, EMOJIFY_PNG);
    assert_refused(picture, &middle, 1, &options, "the emojified picture is too large");
    picture_free(&picture);
    artwork_close(&artwork);
}

struct job {
    const struct artwork *artwork;
    int wrong;
};

static void *draw_in_a_thread(void *data)
{
    struct job *job = data;
    for (int i = 0; i < 5; i++) {
        struct picture *picture =
            open_picture(sample_encode(sample_plain(200, 150, 3, blue), ".png"));
        struct emojify_options options = make_options(job->artwork, EMOJIFY_AUTO);
        struct emojify_result result = {.data = NULL};
        struct err_buf why;
        if (emojify_draw(picture, &middle, 1, &options, &result, &why))
            job->wrong++;
        free(result.data);
        picture_free(&picture);
    }
    picture_thread_release();
    return NULL;
}

static void several_threads_draw_with_one_artwork(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct artwork *artwork = open_artwork();
    struct job jobs[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){artwork, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, draw_in_a_thread, &jobs[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].wrong, 0);
    }
    artwork_close(&artwork);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_face_is_covered_and_the_rest_is_untouched),
        cmocka_unit_test(lossy_formats_change_the_rest_by_noise_only),
        cmocka_unit_test(the_emoji_has_the_colours_of_the_artwork),
        cmocka_unit_test(the_emoji_is_turned_with_the_head),
        cmocka_unit_test(a_large_emoji_has_a_sharp_edge),
        cmocka_unit_test(a_later_emoji_lies_on_top),
        cmocka_unit_test(an_emoji_is_clipped_at_every_border),
        cmocka_unit_test(a_face_larger_than_the_picture_covers_all_of_it),
        cmocka_unit_test(a_wide_emoji_has_no_gaps),
        cmocka_unit_test(alpha_is_kept_where_nothing_is_drawn_and_full_where_something_is),
        cmocka_unit_test(without_alpha_in_the_format_transparent_becomes_white),
        cmocka_unit_test(the_format_is_the_one_asked_for),
        cmocka_unit_test(a_picture_too_large_for_webp_becomes_a_jpeg),
        cmocka_unit_test(a_picture_without_faces_is_encoded_as_it_is),
        cmocka_unit_test(only_faces_inside_the_picture_are_counted),
        cmocka_unit_test(faces_beyond_the_limit_are_not_drawn),
        cmocka_unit_test(neighbouring_faces_get_different_emoji),
        cmocka_unit_test(the_same_key_gives_the_same_bytes_and_another_key_others),
        cmocka_unit_test(no_metadata_of_the_source_is_in_the_result),
        cmocka_unit_test(drawing_stops_at_the_deadline),
        cmocka_unit_test(a_result_above_the_limit_is_refused),
        cmocka_unit_test(several_threads_draw_with_one_artwork),
    };
    return cmocka_run_group_tests(tests, sample_library_start, sample_library_stop);
}
