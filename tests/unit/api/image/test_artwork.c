/* SPDX-License-Identifier: MIT */
#include "api/image/artwork.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/image/artwork_file.h"
#include "support/build_path.h"

#define JUNK ((struct artwork *)(uintptr_t)0x5a5a)

enum { SMALL_COUNT = 3, SMALL_SIDE = 2, SMALL_PIXELS = SMALL_COUNT * SMALL_SIDE * SMALL_SIDE * 4 };

struct small_file {
    struct artwork_file_header header;
    unsigned char pixels[SMALL_PIXELS];
};

static struct small_file make_small_file(void)
{
    struct small_file file = {
        .header = {.magic = ARTWORK_FILE_MAGIC, .count = SMALL_COUNT, .side = SMALL_SIDE}};
    for (size_t i = 0; i < SMALL_PIXELS; i++)
        file.pixels[i] = (unsigned char)(i * 7);
    file.header.checksum = artwork_file_checksum(&file.header, file.pixels);
    return file;
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void assert_refused(const char *path, const char *reason)
{
    struct err_buf why = {.text = ""};
    struct artwork *artwork = JUNK;
    assert_int_equal(artwork_open(path, &artwork, &why), APP_CONFIG);
    assert_ptr_equal(artwork, JUNK);
    if (!strstr(why.text, reason))
        fail_msg("\"%s\" does not say \"%s\"", why.text, reason);
}

/* Refused when written to a file of its own. */
static void assert_data_refused(const void *data, size_t len, const char *reason)
{
    char path[] = "/tmp/test_artwork.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_file(path, data, len);
    assert_refused(path, reason);
    unlink(path);
}

static void the_rendered_file_holds_enough_different_faces(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct err_buf why = {.text = ""};
    struct artwork *artwork = NULL;
    if (artwork_open(build_path(ARTWORK_FILE_NAME, path, sizeof(path)), &artwork, &why))
        fail_msg("%s", why.text);
    size_t side = (size_t)artwork_side(artwork), count = artwork_count(artwork);
    assert_true(count >= 66);
    assert_true(side >= 100);
    for (size_t i = 0; i < count; i++) {
        const unsigned char *pixels = artwork_pixels(artwork, i);
        const unsigned char *centre = pixels + (side / 2 * side + side / 2) * 4;
        assert_true(pixels[3] < 64); /* the corner is free */
        assert_int_equal(centre[3], 255);
        for (size_t k = i + 1; k < count; k++)
            assert_memory_not_equal(pixels, artwork_pixels(artwork, k), side * side * 4);
    }
    artwork_close(&artwork);
    assert_null(artwork);
    artwork_close(&artwork);
}

static void a_file_gives_its_pixels_back(void **state)
{
    (void)state;
    char path[] = "/tmp/test_artwork.XXXXXX";
    close(mkstemp(path));
    struct small_file file = make_small_file();
    write_file(path, &file, sizeof(file));
    struct artwork *artwork = NULL;
    assert_int_equal(artwork_open(path, &artwork, NULL), APP_OK);
    assert_int_equal(artwork_count(artwork), SMALL_COUNT);
    assert_int_equal(artwork_side(artwork), SMALL_SIDE);
    assert_memory_equal(artwork_pixels(artwork, 2), file.pixels + 32, 16);
    artwork_close(&artwork);
    unlink(path);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    assert_refused("/nonexistent/emoji", "/nonexistent/emoji: No such file");
    assert_refused("/tmp", "/tmp: Invalid argument");
    assert_data_refused("", 0, "Invalid argument");
}

static void a_file_of_any_other_length_is_refused(void **state)
{
    (void)state;
    struct small_file file = make_small_file();
    unsigned char longer[sizeof(file) + 1] = {0};
    memcpy(longer, &file, sizeof(file));
    for (size_t len = sizeof(file.header); len <= sizeof(longer); len++) {
        if (len != sizeof(file))
            assert_data_refused(longer, len, "damaged");
    }
}

static void every_changed_byte_is_noticed(void **state)
{
    (void)state;
    struct small_file file = make_small_file();
    unsigned char *bytes = (unsigned char *)&file;
    for (size_t i = 0; i < sizeof(file); i++) {
        bytes[i] ^= 0x20;
        assert_data_refused(&file, sizeof(file), "damaged");
        bytes[i] ^= 0x20;
    }
}

static void absurd_numbers_are_refused_before_they_are_multiplied(void **state)
{
    (void)state;
    static const uint32_t numbers[][2] = {{0, 2},           {3, 0},    {UINT32_MAX, UINT32_MAX},
                                          {1U << 31, 1024}, {1, 1025}, {4097, 2}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct small_file file = make_small_file();
        file.header.count = numbers[i][0];
        file.header.side = numbers[i][1];
        assert_data_refused(&file, sizeof(file), "damaged");
    }
}

/* `name` below the test program's directory. */
static const char *beside_program(const char *name, char path[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
    assert_true(len > 0);
    path[len] = '\0';
    char *end = strrchr(path, '/') + 1;
    (void)snprintf(end, (size_t)(path + PATH_MAX - end), "%s", name);
    return path;
}

static void assert_found_at(const char *place)
{
    char path[PATH_MAX];
    struct small_file file = make_small_file();
    write_file(beside_program(place, path), &file, sizeof(file));
    struct artwork *artwork = NULL;
    enum app_err err = artwork_open(NULL, &artwork, NULL);
    unlink(path);
    assert_int_equal(err, APP_OK);
    assert_int_equal(artwork_count(artwork), SMALL_COUNT);
    artwork_close(&artwork);
}

static void without_a_path_the_file_is_found_beside_the_program_or_in_share(void **state)
{
    (void)state;
    char share[PATH_MAX], ours[PATH_MAX];
    assert_refused(NULL, "neither in");
    assert_found_at("emoji.artwork");
    (void)mkdir(beside_program("../share", share), 0755);
    (void)mkdir(beside_program("../share/emojify-api", ours), 0755);
    assert_found_at("../share/emojify-api/emoji.artwork");
    (void)rmdir(ours);
    (void)rmdir(share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rendered_file_holds_enough_different_faces),
        cmocka_unit_test(a_file_gives_its_pixels_back),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(a_file_of_any_other_length_is_refused),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(absurd_numbers_are_refused_before_they_are_multiplied),
        cmocka_unit_test(without_a_path_the_file_is_found_beside_the_program_or_in_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
