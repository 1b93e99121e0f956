/* SPDX-License-Identifier: MIT */
/* The refusals come first, since the bomb test looks at the process' peak of memory. */
#include "lib/picture/picture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "unit/lib/picture/picture_fixture.h"

static const char *const suffixes[] = {".jpg[Q=80]", ".png", ".webp", ".gif"};
enum { SUFFIX_COUNT = sizeof(suffixes) / sizeof(suffixes[0]) };

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static long peak_kilobytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* --- Refused ------------------------------------------------------------------- */

static void a_png_that_claims_too_many_pixels_is_refused_without_decoding(void **state)
{
    (void)state;
    long memory = peak_kilobytes();
    double cpu = cpu_ms();
    must_refuse(sample_png_header(12000, 12000), APP_PICTURE_REFUSED,
                "too many pixels: 12000 x 12000");
    assert_true(cpu_ms() - cpu < 500);
    assert_true(peak_kilobytes() - memory < 64 * 1024);
}

static void the_pixel_limit_itself_is_allowed(void **state)
{
    (void)state;
    /* There are no pixels in these, so the first gets past the check and fails in the decoder. */
    must_refuse(sample_png_header(10000, 5000), APP_PICTURE_REFUSED, "broken");
    must_refuse(sample_png_header(10000, 5001), APP_PICTURE_REFUSED, "too many pixels");
}

static void a_side_longer_than_jpeg_can_hold_is_refused(void **state)
{
    (void)state;
    must_refuse(sample_png_header(LIMIT_PICTURE_SIDE, 1), APP_PICTURE_REFUSED, "broken");
    must_refuse(sample_png_header(LIMIT_PICTURE_SIDE + 1, 1), APP_PICTURE_REFUSED, "too wide");
    must_refuse(sample_png_header(1, LIMIT_PICTURE_SIDE + 1), APP_PICTURE_REFUSED, "too high");
}

static void what_is_not_one_of_four_formats_is_not_a_picture(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"", 0},
        {"hello, world", 12},
        {"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>", 63},
        {"<?xml version=\"1.0\"?><svg/>", 27},
        {"%PDF-1.7\n", 9},
        {"II*\0\x08\0\0\0\0\0\0\0", 12},
        {"MM\0*\0\0\0\x08\0\0\0\0", 12},
        {"\0\0\0\x18"
         "ftypheic\0\0\0\0",
         16},
        {"\0\0\0\x18"
         "ftypavif\0\0\0\0",
         16},
        {"BM\x36\0\0\0\0\0\0\0\x36\0", 12},
        {"\xff\x0a\0\0", 4},
        {"P6 1 1 255\nabc", 14},
        {"RIFF\x24\0\0\0WAVEfmt ", 16},
        {"RIFF\x24\0\0\0WEBP", 12},
        {"GIF88a\x01\0\x01\0", 10},
        {"\x89PNG\r\n\x1a", 7},
        {"\xff\xd8", 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sample sample = {malloc(cases[i].len + 1), cases[i].len};
        assert_non_null(sample.data);
        memcpy(sample.data, cases[i].bytes, cases[i].len);
        must_refuse(sample, APP_NOT_A_PICTURE, "JPEG, PNG, WebP, GIF");
    }
}

static void every_other_loader_of_the_library_is_blocked(void **state)
{
    (void)state;
    struct sample tiff = sample_encode(sample_photo(20, 20), ".tif");
    VipsImage *image = vips_image_new_from_buffer(tiff.data, tiff.len, "", NULL);
    assert_null(image);
    assert_non_null(strstr(vips_error_buffer(), "blocked"));
    vips_error_clear();
    must_refuse(tiff, APP_NOT_A_PICTURE, "JPEG, PNG, WebP, GIF");
}

static void garbage_after_a_magic_is_a_broken_picture(void **state)
{
    (void)state;
    static const char *const magics[] = {"\xff\xd8\xff\xe0", "\x89PNG\r\n\x1a\n", "GIF89a",
                                         "RIFF....WEBPVP8 ", "RIFF....WEBPVP8X"};
    unsigned seed = 1;
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        size_t magic_len = strlen(magics[i]);
        struct sample sample = {malloc(5000), 5000};
        assert_non_null(sample.data);
        for (size_t k = 0; k < sample.len; k++)
            sample.data[k] = (unsigned char)rand_r(&seed);
        memcpy(sample.data, magics[i], magic_len);
        must_refuse(sample_cut(&sample, magic_len), APP_PICTURE_REFUSED, "broken");
        must_refuse(sample, APP_PICTURE_REFUSED, "");
    }
}

static void a_cut_picture_is_refused_wherever_it_is_cut(void **state)
{
    (void)state;
    /* The end marks that every viewer can do without. */
    enum { SPARE = 24, MAGIC = 16, STEPS = 60 };
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        struct sample whole = sample_encode(sample_photo(150, 100), suffixes[i]);
        for (size_t step = 0; step < STEPS; step++) {
            size_t len = MAGIC + (whole.len - SPARE - MAGIC) * step / (STEPS - 1);
            must_refuse(sample_cut(&whole, len), APP_PICTURE_REFUSED, "broken");
        }
        sample_release(&whole);
    }
}

/* A JPEG without its end-of-image marker is whole, one that also lacks data is not. */
static void a_jpeg_that_lacks_only_its_end_marker_is_opened(void **state)
{
    (void)state;
    static const char *const kinds[] = {".jpg", ".jpg[interlace]"};
    for (size_t i = 0; i < 2; i++) {
        struct sample jpeg = sample_encode(sample_photo(200, 150), kinds[i]);
        struct picture *whole = must_open(sample_cut(&jpeg, jpeg.len));
        for (size_t missing = 1; missing <= 2; missing++) {
            struct picture *picture = must_open(sample_cut(&jpeg, jpeg.len - missing));
            assert_memory_equal(picture_pixels(picture), picture_pixels(whole), 200 * 150 * 3);
            picture_free(&picture);
        }
        must_refuse(sample_cut(&jpeg, jpeg.len - 100), APP_PICTURE_REFUSED, "broken");
        must_refuse(sample_cut(&jpeg, jpeg.len / 2), APP_PICTURE_REFUSED, "broken");
        picture_free(&whole);
        sample_release(&jpeg);
    }
}

static void damaged_pictures_are_opened_or_refused_but_do_no_harm(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        struct sample whole = sample_encode(sample_add_metadata(sample_photo(40, 30)), suffixes[i]);
        for (int round = 0; round < 200; round++) {
            struct sample damaged = sample_cut(&whole, whole.len);
            for (int k = 0; k < 4; k++)
                damaged.data[(size_t)rand_r(&seed) % damaged.len] = (unsigned char)rand_r(&seed);
            struct picture *picture = NULL;
            struct err_buf why = {.text = ""};
            enum app_err err = open_sample(&damaged, &picture, &why);
            assert_true(err == APP_OK || err == APP_PICTURE_REFUSED || err == APP_NOT_A_PICTURE);
            assert_true(err == APP_OK || why.text[0]);
            picture_free(&picture);
            sample_release(&damaged);
        }
        sample_release(&whole);
    }
}

static void nothing_is_printed_about_broken_pictures(void **state)
{
    (void)state;
    char path[] = "/tmp/test_picture.XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    unlink(path);
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        struct sample whole = sample_encode(sample_photo(60, 60), suffixes[i]);
        struct err_buf why;
        struct picture *picture = NULL;
        struct sample cut = sample_cut(&whole, whole.len / 2);
        (void)open_sample(&cut, &picture, &why);
        whole.data[whole.len / 2] ^= 0x55;
        (void)open_sample(&whole, &picture, &why);
        picture_free(&picture);
        sample_release(&cut);
        sample_release(&whole);
    }
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_int_equal(lseek(file, 0, SEEK_END), 0);
    close(file);
}

static void the_decoders_words_go_to_the_log_and_not_to_the_client(void **state)
{
    (void)state;
    struct sample whole = sample_encode(sample_photo(100, 100), ".png");
    struct sample cut = sample_cut(&whole, whole.len / 2);
    struct err_buf why = {.text = ""};
    struct picture *picture = JUNK;
    assert_int_equal(open_sample(&cut, &picture, &why), APP_PICTURE_REFUSED);
    assert_string_equal(why.text, "the picture is broken or cut short");
    assert_non_null(strstr(why.detail, "png"));
    assert_string_equal(vips_error_buffer(), "");
    sample_release(&cut);
    sample_release(&whole);
}

/* --- Deadlines --------------------------------------------------------------------- */

static void a_deadline_in_the_past_refuses_at_once(void **state)
{
    (void)state;
    struct sample sample = sample_encode(sample_photo(8, 8), ".png");
    struct err_buf why = {.text = ""};
    struct picture *picture = JUNK;
    assert_int_equal(picture_open(sample.data, sample.len, clock_now_ns(), &picture, &why),
                     APP_PICTURE_REFUSED);
    assert_string_equal(why.text, "the picture takes too long to process");
    assert_ptr_equal(picture, JUNK);
    sample_release(&sample);
}

/* Of the work, what a stop must save at least. ThreadSanitizer makes our part of it dear. */
#ifdef __SANITIZE_THREAD__
#define SAVED 0.1
#else
#define SAVED 0.5
#endif

/* Whether opening stops at a deadline of `ms` and saves that much. */
static void assert_stops_early(const struct sample *sample, int64_t ms)
{
    struct err_buf why = {.text = ""};
    struct picture *picture = NULL;
    double begin = cpu_ms();
    assert_int_equal(open_sample(sample, &picture, &why), APP_OK);
    double whole = cpu_ms() - begin;
    picture_free(&picture);

    picture = JUNK;
    begin = cpu_ms();
    assert_int_equal(picture_open(sample->data, sample->len, deadline_in_ms(ms), &picture, &why),
                     APP_PICTURE_REFUSED);
    assert_string_equal(why.text, "the picture takes too long to process");
    assert_ptr_equal(picture, JUNK);
    if (cpu_ms() - begin > whole * (1 - SAVED))
        fail_msg("stopping took %.0f ms, opening %.0f ms", cpu_ms() - begin, whole);
}

static void decoding_stops_at_the_deadline(void **state)
{
    (void)state;
    static const double grey[] = {90, 90, 90};
    struct sample sample =
        sample_encode(sample_plain(6000, 6000, 3, grey), ".png[compression=1,filter=8]");
    assert_stops_early(&sample, 5);
    sample_release(&sample);
}

/* No pixel comes before the last scan is read, so this is stopped in the reading. */
static void a_jpeg_of_many_scans_stops_at_the_deadline(void **state)
{
    (void)state;
    struct sample many = sample_many_scans(LIMIT_PICTURE_SCANS - 1); /* beside the first */
    assert_stops_early(&many, 20);
    sample_release(&many);
}

static void a_jpeg_of_too_many_scans_is_refused_before_decoding(void **state)
{
    (void)state;
    struct sample many = sample_many_scans(LIMIT_PICTURE_SCANS);
    struct err_buf why = {.text = ""};
    struct picture *picture = JUNK;
    double begin = cpu_ms();
    assert_int_equal(open_sample(&many, &picture, &why), APP_PICTURE_REFUSED);
    assert_string_equal(why.text, "the picture has more than 100 scans");
    assert_ptr_equal(picture, JUNK);
    assert_true(cpu_ms() - begin < 10);
    sample_release(&many);
}

/* --- Pixels ------------------------------------------------------------------------- */

static void exif_orientation_turns_the_picture_upright(void **state)
{
    (void)state;
    static const double dark[] = {10, 10, 10}, light[] = {240, 240, 240};
    /* The stored picture is dark with a light left edge; where that edge must be afterwards. */
    static const struct {
        int orientation, width, height, light_x, light_y;
    } cases[] = {{1, 64, 32, 2, 16},
                 {3, 64, 32, 61, 16},
                 {6, 32, 64, 16, 2},
                 {8, 32, 64, 16, 61},
                 {2, 64, 32, 61, 16}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        VipsImage *base = sample_plain(64, 32, 3, dark), *edge = sample_plain(16, 32, 3, light);
        VipsImage *joined;
        assert_int_equal(vips_insert(base, edge, &joined, 0, 0, NULL), 0);
        vips_image_set_int(joined, VIPS_META_ORIENTATION, cases[i].orientation);
        g_object_unref(base);
        g_object_unref(edge);
        struct picture *picture = must_open(sample_encode(joined, ".jpg[Q=95]"));
        assert_int_equal(picture_width(picture), cases[i].width);
        assert_int_equal(picture_height(picture), cases[i].height);
        assert_near(pixel(picture, cases[i].light_x, cases[i].light_y, 0), 240, 12);
        assert_near(pixel(picture, cases[i].width - 1 - cases[i].light_x,
                          cases[i].height - 1 - cases[i].light_y, 0),
                    10, 12);
        picture_free(&picture);
    }
}

static void only_the_first_frame_of_an_animation_is_taken(void **state)
{
    (void)state;
    static const double first[] = {200, 30, 30}, second[] = {30, 30, 200};
    static const int expected[] = {200, 30, 30};
    static const char *const all[] = {".gif", ".webp[lossless]"};
    for (size_t i = 0; i < 2; i++) {
        VipsImage *frames[] = {sample_plain(20, 10, 3, first), sample_plain(20, 10, 3, second)};
        VipsImage *strip;
        assert_int_equal(vips_arrayjoin(frames, &strip, 2, "across", 1, NULL), 0);
        vips_image_set_int(strip, VIPS_META_PAGE_HEIGHT, 10);
        g_object_unref(frames[0]);
        g_object_unref(frames[1]);
        struct picture *picture = must_open(sample_encode(strip, all[i]));
        assert_int_equal(picture_height(picture), 10);
        assert_pixel(picture, 10, 5, expected, 6);
        picture_free(&picture);
    }
}

static void metadata_ends_here(void **state)
{
    (void)state;
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        struct picture *picture =
            must_open(sample_encode(sample_add_metadata(sample_photo(20, 20)), suffixes[i]));
        gchar **names = vips_image_get_fields(picture->image);
        for (gchar **name = names; *name; name++) {
            assert_false(g_str_has_prefix(*name, "exif"));
            assert_false(g_str_has_prefix(*name, "png-comment"));
            assert_string_not_equal(*name, VIPS_META_XMP_NAME);
            assert_string_not_equal(*name, VIPS_META_ICC_NAME);
        }
        g_strfreev(names);
        picture_free(&picture);
    }
}

/* --- For a face detector ----------------------------------------------------------------- */

static struct picture *must_open_reduced(struct sample sample, int least_side)
{
    struct picture *picture = NULL;
    struct err_buf why = {.text = ""};
    if (picture_open_reduced(sample.data, sample.len, least_side, deadline_in_ms(60000), &picture,
                             &why))
        fail_msg("%s (%s)", why.text, why.detail);
    sample_release(&sample);
    assert_false(picture_has_alpha(picture));
    return picture;
}

static int byte_at(const struct picture *picture, int x, int y, int band)
{
    size_t row = (size_t)picture_width(picture) * 3;
    return picture_pixels(picture)[(size_t)y * row + (size_t)x * 3 + (size_t)band];
}

static void a_reduced_picture_keeps_enough_pixels_and_knows_its_full_size(void **state)
{
    (void)state;
    static const double colour[] = {200, 100, 50};
    static const struct {
        int width, height, least_side;
    } cases[] = {{100, 60, 100}, {100, 60, 101}, {100, 60, 99}, {100, 60, 50}, {60, 100, 33},
                 {1000, 1, 10},  {1, 1000, 10},  {1, 1, 1},     {640, 480, 40}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int width = cases[i].width, height = cases[i].height, least = cases[i].least_side;
        for (size_t format = 0; format < SUFFIX_COUNT; format++) {
            struct picture *picture = must_open_reduced(
                sample_encode(sample_plain(width, height, 3, colour), suffixes[format]), least);
            assert_int_equal(picture_full_width(picture), width);
            assert_int_equal(picture_full_height(picture), height);
            int longer = MAX(picture_width(picture), picture_height(picture));
            assert_in_range(longer, MIN(least, MAX(width, height)), 2 * least);
            double factor = (double)MAX(width, height) / longer;
            assert_near(picture_width(picture), (int)MAX(1, width / factor), 1);
            assert_near(picture_height(picture), (int)MAX(1, height / factor), 1);
            for (int band = 0; band < 3; band++)
                assert_near(
                    byte_at(picture, picture_width(picture) - 1, picture_height(picture) - 1, band),
                    (int)colour[band], 6);
            picture_free(&picture);
        }
    }
}

static void a_reduced_picture_is_upright(void **state)
{
    (void)state;
    VipsImage *photo = sample_photo(300, 200);
    vips_image_set_int(photo, VIPS_META_ORIENTATION, 6);
    struct picture *picture = must_open_reduced(sample_encode(photo, ".jpg"), 100);
    assert_int_equal(picture_full_width(picture), 200);
    assert_int_equal(picture_full_height(picture), 300);
    assert_true(picture_height(picture) > picture_width(picture));
    picture_free(&picture);
}

static void transparent_parts_of_a_reduced_picture_are_white(void **state)
{
    (void)state;
    static const double hidden[] = {0, 0, 0, 0}, half[] = {0, 0, 0, 128};
    struct picture *picture =
        must_open_reduced(sample_encode(sample_plain(8, 8, 4, hidden), ".png"), 100);
    assert_int_equal(byte_at(picture, 3, 3, 1), 255);
    picture_free(&picture);
    picture = must_open_reduced(sample_encode(sample_plain(8, 8, 4, half), ".png"), 4);
    assert_near(byte_at(picture, 1, 1, 1), 127, 1);
    picture_free(&picture);
}

static void reducing_averages_areas(void **state)
{
    (void)state;
    VipsImage *lines, *bytes;
    assert_int_equal(vips_grey(&lines, 512, 512, "uchar", TRUE, NULL), 0);
    assert_int_equal(vips_linear1(lines, &bytes, 1.0, 0.0, "uchar", TRUE, NULL), 0);
    g_object_unref(lines);
    struct picture *picture = must_open_reduced(sample_encode(bytes, ".png"), 16);
    for (int x = 1; x < 15; x++)
        assert_near(byte_at(picture, x, 8, 0), (int)((x + 0.5) * 16), 3);
    picture_free(&picture);
}

static void reducing_refuses_what_opening_refuses(void **state)
{
    (void)state;
    struct sample photo = sample_encode(sample_photo(400, 400), ".jpg");
    struct sample cut = sample_cut(&photo, photo.len / 2);
    struct sample large = sample_png_header(20000, 20000);
    const struct sample *refused[] = {&cut, &large};
    for (size_t i = 0; i < 2; i++) {
        struct picture *picture = JUNK;
        struct err_buf why = {.text = ""};
        assert_int_equal(picture_open_reduced(refused[i]->data, refused[i]->len, 100,
                                              deadline_in_ms(60000), &picture, &why),
                         APP_PICTURE_REFUSED);
        assert_ptr_equal(picture, JUNK);
        assert_true(strlen(why.text) > 0);
    }
    sample_release(&large);
    sample_release(&cut);
    sample_release(&photo);
}

/* --- Threads ---------------------------------------------------------------------------- */

struct job {
    struct sample sample;
    int wrong;
};

static void *open_in_a_thread(void *data)
{
    struct job *job = data;
    struct sample *sample = &job->sample;
    for (int i = 0; i < 5; i++) {
        struct picture *picture = NULL;
        struct err_buf why;
        if (open_sample(sample, &picture, &why) || picture_width(picture) != 300)
            job->wrong++;
        picture_free(&picture);
        if (picture_open(sample->data, sample->len / 2, deadline_in_ms(60000), &picture, &why) !=
            APP_PICTURE_REFUSED)
            job->wrong++;
    }
    picture_thread_release();
    return NULL;
}

static void several_threads_open_pictures_at_once(void **state)
{
    (void)state;
    enum { THREADS = SUFFIX_COUNT };
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        jobs[i] = (struct job){sample_encode(sample_photo(300, 200), suffixes[i]), 0};
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_in_a_thread, &jobs[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].wrong, 0);
        sample_release(&jobs[i].sample);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_png_that_claims_too_many_pixels_is_refused_without_decoding),
        cmocka_unit_test(the_pixel_limit_itself_is_allowed),
        cmocka_unit_test(a_side_longer_than_jpeg_can_hold_is_refused),
        cmocka_unit_test(what_is_not_one_of_four_formats_is_not_a_picture),
        cmocka_unit_test(every_other_loader_of_the_library_is_blocked),
        cmocka_unit_test(garbage_after_a_magic_is_a_broken_picture),
        cmocka_unit_test(a_cut_picture_is_refused_wherever_it_is_cut),
        cmocka_unit_test(a_jpeg_that_lacks_only_its_end_marker_is_opened),
        cmocka_unit_test(damaged_pictures_are_opened_or_refused_but_do_no_harm),
        cmocka_unit_test(nothing_is_printed_about_broken_pictures),
        cmocka_unit_test(the_decoders_words_go_to_the_log_and_not_to_the_client),
        cmocka_unit_test(a_deadline_in_the_past_refuses_at_once),
        cmocka_unit_test(decoding_stops_at_the_deadline),
        cmocka_unit_test(a_jpeg_of_many_scans_stops_at_the_deadline),
        cmocka_unit_test(a_jpeg_of_too_many_scans_is_refused_before_decoding),
        cmocka_unit_test(exif_orientation_turns_the_picture_upright),
        cmocka_unit_test(only_the_first_frame_of_an_animation_is_taken),
        cmocka_unit_test(metadata_ends_here),
        cmocka_unit_test(a_reduced_picture_keeps_enough_pixels_and_knows_its_full_size),
        cmocka_unit_test(a_reduced_picture_is_upright),
        cmocka_unit_test(transparent_parts_of_a_reduced_picture_are_white),
        cmocka_unit_test(reducing_averages_areas),
        cmocka_unit_test(reducing_refuses_what_opening_refuses),
        cmocka_unit_test(several_threads_open_pictures_at_once),
    };
    return cmocka_run_group_tests(tests, sample_library_start, sample_library_stop);
}
