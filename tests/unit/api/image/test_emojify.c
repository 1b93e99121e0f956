/* SPDX-License-Identifier: MIT */
/* Where pixels must be equal, PNG is asked for; other formats are compared within their noise. */
#include "api/image/emojify.h"

#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api/image/artwork_file.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/picture/picture_private.h"
#include "support/build_path.h"
#include "support/sample_picture.h"

#define KEY "0123456789abcdef0123456789abcdef"

static const double blue[] = {20, 40, 120, 90};
static const struct box middle = {80, 50, 40, 40};

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
static struct emojify_result must_draw(const struct picture *picture, const struct box *faces,
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
static VipsImage *draw_and_decode(struct picture *picture, const struct box *faces, size_t count,
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
    return changed * 100 / inside;
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

static struct box emoji_box(struct box face)
{
    struct box emoji;
    assert_true(geometry_emoji_box(&face, 200, 150, &emoji));
    return emoji;
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
    assert_true(changed_inside(image, &middle) > 95);
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
        assert_true(changed_inside(image, &middle) > 95);
        assert_untouched_outside(image, &emoji, 8, 16);
        g_object_unref(image);
    }
}

static void the_emoji_has_the_colours_of_the_artwork(void **state)
{
    (void)state;
    struct artwork *artwork = open_artwork();
    size_t side = (size_t)artwork_side(artwork);
    size_t index = geometry_choose_emoji(KEY, 0, artwork_count(artwork));
    const unsigned char *centre = artwork_pixels(artwork, index) + (side / 2 * side + side / 2) * 4;
    /* So that the emoji's box is as large as the artwork, and nothing is resampled. */
    struct box face = {50, 40, (int)side * 10 / 14 + 1, 10};
    struct box emoji = emoji_box(face);
    while (emoji.width > (int)side) {
        face.width--;
        emoji = emoji_box(face);
    }
    VipsImage *image = draw_and_decode(open_plain(3), &face, 1, EMOJIFY_PNG);
    int x = emoji.left + emoji.width / 2, y = emoji.top + emoji.height / 2;
    for (int band = 0; band < 3; band++)
        assert_in_range(sample_pixel(image, x, y, band) + 60, centre[band], centre[band] + 120);
    g_object_unref(image);
    artwork_close(&artwork);
}

static void an_emoji_is_clipped_at_every_border(void **state)
{
    (void)state;
    static const struct box faces[] = {{-20, 60, 40, 40}, {180, 60, 40, 40},  {80, -20, 40, 40},
                                       {80, 130, 40, 40}, {-20, -20, 40, 40}, {180, 130, 40, 40}};
    for (size_t i = 0; i < sizeof(faces) / sizeof(faces[0]); i++) {
        struct box emoji = emoji_box(faces[i]);
        VipsImage *image = draw_and_decode(open_plain(3), &faces[i], 1, EMOJIFY_PNG);
        assert_true(changed_inside(image, &emoji) > 50);
        assert_untouched_outside(image, &emoji, 0, 0);
        g_object_unref(image);
    }
}

static void a_face_larger_than_the_picture_covers_all_of_it(void **state)
{
    (void)state;
    static const struct box face = {-100, -75, 400, 300}, huge = {-300, -325, 800, 800};
    static const struct box all = {0, 0, 200, 150};
    VipsImage *image = draw_and_decode(open_plain(3), &face, 1, EMOJIFY_PNG);
    assert_true(changed_inside(image, &all) > 95);
    g_object_unref(image);
    image = draw_and_decode(open_plain(4), &huge, 1, EMOJIFY_PNG);
    assert_true(changed_inside(image, &all) > 95);
    g_object_unref(image);
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
    static const struct box faces[] = {{80, 50, 40, 40},
                                       {1000, 50, 40, 40},
                                       {10, 10, 0, 9},
                                       {INT_MIN, 0, INT_MAX, 5},
                                       {5, 5, 9, 9}};
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
    static struct box faces[LIMIT_FACES + 1];
    for (size_t i = 0; i < LIMIT_FACES; i++)
        faces[i] = (struct box){(int)(i % 16) * 5, (int)(i / 16) * 5, 4, 4};
    faces[LIMIT_FACES] = (struct box){150, 100, 30, 30};
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
    static const struct box faces[] = {{20, 50, 40, 40}, {120, 50, 40, 40}};
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

static void assert_refused(const struct picture *picture, const struct box *faces, size_t count,
                           const struct emojify_options *options, const char *text)
{
    struct emojify_result result = {(void *)1, 2, "junk", 3};
    struct err_buf why = {.text = ""};
    assert_int_equal(emojify_draw(picture, faces, count, options, &result, &why),
                     APP_PICTURE_REFUSED);
    assert_string_equal(why.text, text);
    assert_ptr_equal(result.data, (void *)1);
    assert_int_equal(result.len, 2);
    assert_int_equal(result.drawn, 3);
    assert_string_equal(vips_error_buffer(), "");
}

static void drawing_stops_at_the_deadline(void **state)
{
    (void)state;
    /* Together they would take many seconds. */
    static struct box faces[100];
    for (size_t i = 0; i < 100; i++)
        faces[i] = (struct box){0, 0, 2000, 2000};
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

static void *draw_in_a_thread(void *data)
{
    const struct artwork *artwork = data;
    uintptr_t wrong = 0;
    for (int i = 0; i < 5; i++) {
        struct sample sample = sample_encode(sample_plain(200, 150, 3, blue), ".png");
        struct picture *picture = open_picture(sample);
        struct emojify_options options = make_options(artwork, EMOJIFY_AUTO);
        struct emojify_result result;
        struct err_buf why;
        if (emojify_draw(picture, &middle, 1, &options, &result, &why))
            wrong++;
        else
            free(result.data);
        picture_free(&picture);
    }
    picture_thread_release();
    return (void *)wrong;
}

static void several_threads_draw_with_one_artwork(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct artwork *artwork = open_artwork();
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, draw_in_a_thread, artwork), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *wrong = (void *)1;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    artwork_close(&artwork);
}

static int start(void **state)
{
    (void)state;
    struct err_buf why = {.text = ""};
    return picture_library_init("test_emojify", &why) ? -1 : 0;
}

static int stop(void **state)
{
    (void)state;
    picture_library_release();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_face_is_covered_and_the_rest_is_untouched),
        cmocka_unit_test(lossy_formats_change_the_rest_by_noise_only),
        cmocka_unit_test(the_emoji_has_the_colours_of_the_artwork),
        cmocka_unit_test(an_emoji_is_clipped_at_every_border),
        cmocka_unit_test(a_face_larger_than_the_picture_covers_all_of_it),
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
    return cmocka_run_group_tests(tests, start, stop);
}
