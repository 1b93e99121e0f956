/* SPDX-License-Identifier: MIT */
#include "lib/picture/picture_memory.h"

#include "lib/base/clock.h"
#include "lib/picture/picture.h"
#include "support/cmocka.h"
#include "support/sample_picture.h"

static int set_up(void **state)
{
    (void)state;
    struct err_buf why;
    return picture_library_init("test", &why);
}

static int without_limit(void **state)
{
    (void)state;
    picture_memory_limit(0);
    return picture_memory_taken() == 0 ? 0 : -1;
}

static enum app_err open_sample(const struct sample *sample, struct picture **picture,
                                struct err_buf *why)
{
    return picture_open(sample->data, sample->len, deadline_in_ms(60000), picture, why);
}

static void what_is_taken_is_limited_and_comes_back(void **state)
{
    (void)state;
    struct err_buf why = {.text = ""};
    picture_memory_limit(100);
    assert_int_equal(picture_memory_take(60, &why), APP_OK);
    assert_int_equal(picture_memory_take(41, &why), APP_UNAVAILABLE);
    assert_int_equal(picture_memory_take(40, &why), APP_OK);
    assert_int_equal(picture_memory_take(1, &why), APP_UNAVAILABLE);
    assert_int_equal(picture_memory_take(101, &why), APP_PICTURE_REFUSED);
    picture_memory_give(100);
    assert_int_equal(picture_memory_take(100, &why), APP_OK);
    picture_memory_give(100);
}

static void a_limit_below_what_is_taken_lets_nothing_in(void **state)
{
    (void)state;
    struct err_buf why = {.text = ""};
    picture_memory_limit(0);
    assert_int_equal(picture_memory_take(50, &why), APP_OK);
    picture_memory_limit(20);
    assert_int_equal(picture_memory_take(1, &why), APP_UNAVAILABLE);
    picture_memory_give(50);
}

static void a_picture_holds_its_pixels_until_it_is_freed(void **state)
{
    (void)state;
    struct picture *picture = NULL;
    struct err_buf why = {.text = ""};
    struct sample sample = sample_encode(sample_photo(100, 50), ".jpg");
    picture_memory_limit(1000 * 1000);
    assert_int_equal(open_sample(&sample, &picture, &why), APP_OK);
    assert_int_equal(picture_memory_taken(), 100 * 50 * 3);
    picture_free(&picture);
    assert_int_equal(picture_memory_taken(), 0);
    sample_release(&sample);
}

static void a_picture_that_needs_more_than_all_of_it_is_refused_unread(void **state)
{
    (void)state;
    struct picture *picture = NULL;
    struct err_buf why = {.text = ""};
    struct sample sample = sample_png_header(4000, 4000); /* there are no pixels to decode */
    picture_memory_limit(32 * 1000 * 1000);
    assert_int_equal(open_sample(&sample, &picture, &why), APP_PICTURE_REFUSED);
    assert_string_equal(why.text, "the picture needs too much memory");
    assert_int_equal(picture_memory_taken(), 0);
    sample_release(&sample);
}

static void a_picture_is_asked_to_come_again_when_others_have_the_memory(void **state)
{
    (void)state;
    struct picture *picture = NULL;
    struct err_buf why = {.text = ""};
    struct sample sample = sample_encode(sample_photo(100, 100), ".png");
    picture_memory_limit(100000);
    assert_int_equal(picture_memory_take(70000, &why), APP_OK);
    assert_int_equal(open_sample(&sample, &picture, &why), APP_UNAVAILABLE);
    assert_string_equal(why.text, "too many large pictures at once, try again later");
    picture_memory_give(70000);
    assert_int_equal(open_sample(&sample, &picture, &why), APP_OK);
    picture_free(&picture);
    sample_release(&sample);
}

static void a_broken_picture_gives_its_memory_back(void **state)
{
    (void)state;
    struct picture *picture = NULL;
    struct err_buf why = {.text = ""};
    struct sample sample = sample_png_header(100, 100);
    picture_memory_limit(1000 * 1000);
    assert_int_equal(open_sample(&sample, &picture, &why), APP_PICTURE_REFUSED);
    assert_string_equal(why.text, "the picture is broken or cut short");
    assert_int_equal(picture_memory_taken(), 0);
    sample_release(&sample);
}

/* Those that arrive in several passes are in memory whole before the first pixel comes out. */
static void progressive_and_interlaced_pictures_are_estimated_higher(void **state)
{
    (void)state;
    static const struct {
        const char *suffix;
        unsigned bytes; /* a pixel: what stays, the decoder, and each pass over all bands */
    } kinds[] = {{".jpg", 3 + 1},
                 {".jpg[interlace]", 3 + 1 + 3 * 2},
                 {".png", 3 + 1},
                 {".png[interlace]", 3 + 1 + 3 * 2},
                 {".webp", 3 + 12}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct picture *picture = NULL;
        struct err_buf why = {.text = ""};
        struct sample sample = sample_encode(sample_photo(100, 100), kinds[i].suffix);
        picture_memory_limit(kinds[i].bytes * 10000 - 1);
        if (open_sample(&sample, &picture, &why) != APP_PICTURE_REFUSED)
            fail_msg("%s was estimated lower", kinds[i].suffix);
        picture_memory_limit(kinds[i].bytes * 10000);
        if (open_sample(&sample, &picture, &why) != APP_OK)
            fail_msg("%s was estimated higher", kinds[i].suffix);
        picture_free(&picture);
        sample_release(&sample);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, without_limit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_taken_is_limited_and_comes_back),
        TEST(a_limit_below_what_is_taken_lets_nothing_in),
        TEST(a_picture_holds_its_pixels_until_it_is_freed),
        TEST(a_picture_that_needs_more_than_all_of_it_is_refused_unread),
        TEST(a_picture_is_asked_to_come_again_when_others_have_the_memory),
        TEST(a_broken_picture_gives_its_memory_back),
        TEST(progressive_and_interlaced_pictures_are_estimated_higher),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
