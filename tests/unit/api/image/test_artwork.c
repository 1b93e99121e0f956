/* SPDX-License-Identifier: MIT */
#include "api/image/artwork.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/image/artwork_file.h"
#include "support/build_path.h"
#include "support/cmocka.h"
#include "support/sample_artwork.h"

/* A pointer that no function sets. */
static char junk;
#define JUNK ((struct artwork *)(void *)&junk)

enum { COUNT = 2 };

static const unsigned char palette[][4] = {{0, 0, 0, 0}, {200, 100, 50, 255}, {10, 20, 30, 40}};

static unsigned char paint(size_t index, int side, int x, int y)
{
    return (unsigned char)((size_t)(x + y * side + side) * (index + 3) % 251);
}

static void *make_file(size_t *len)
{
    const struct sample_artwork sample = {COUNT, palette, 3, paint};
    return sample_artwork_make(&sample, len);
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

static const unsigned char *colour_at(const struct artwork *artwork, size_t index, int level, int x,
                                      int y)
{
    const unsigned char *pixels = artwork_level(artwork, index, level);
    return artwork_palette(artwork, index)[pixels[(y + 1) * ARTWORK_STRIDE(level) + x + 1]];
}

static void the_rendered_file_holds_enough_different_faces(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct err_buf why = {.text = ""};
    struct artwork *artwork = NULL;
    if (artwork_open(build_path(ARTWORK_FILE_NAME, path, sizeof(path)), &artwork, &why))
        fail_msg("%s", why.text);
    size_t count = artwork_count(artwork), size = ARTWORK_LEVEL_SIZE(0);
    unsigned char *pixels = malloc(size);
    assert_int_equal(count, 80); /* or old pictures would get other emoji */
    assert_non_null(pixels);
    for (size_t i = 0; i < count; i++) {
        for (int level = 1; level < ARTWORK_LEVELS; level++) {
            int side = ARTWORK_SIDE(level);
            assert_true(colour_at(artwork, i, level, 0, 0)[3] < 64); /* the corner is free */
            assert_true(colour_at(artwork, i, level, side / 2, side / 2)[3] > 250);
        }
        assert_int_equal(artwork_unpack(artwork, i, pixels), APP_OK);
        for (size_t k = i + 1; k < count; k++)
            assert_memory_not_equal(artwork_level(artwork, i, 1), artwork_level(artwork, k, 1),
                                    ARTWORK_LEVEL_SIZE(1));
    }
    free(pixels);
    artwork_close(&artwork);
    assert_null(artwork);
    artwork_close(&artwork);
}

/* Each is the mean of four pixels of the one before, in colours of one palette. */
static void all_levels_show_the_same_drawing(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct artwork *artwork = NULL;
    assert_int_equal(
        artwork_open(build_path(ARTWORK_FILE_NAME, path, sizeof(path)), &artwork, NULL), APP_OK);
    for (size_t i = 0; i < artwork_count(artwork); i++) {
        for (int level = 2; level < ARTWORK_LEVELS; level++) {
            long off = 0;
            int side = ARTWORK_SIDE(level);
            for (int k = 0; k < side * side * 4; k++) {
                int x = k / 4 % side, y = k / 4 / side, sum = 2;
                for (int j = 0; j < 4; j++)
                    sum += colour_at(artwork, i, level - 1, 2 * x + j % 2, 2 * y + j / 2)[k % 4];
                off += abs(colour_at(artwork, i, level, x, y)[k % 4] - sum / 4);
            }
            if (off > side * side * 4 * 3)
                fail_msg("emoji %zu, level %d: off by %ld", i, level, off / side / side / 4);
        }
    }
    artwork_close(&artwork);
}

static void a_file_gives_its_pixels_back(void **state)
{
    (void)state;
    size_t len;
    void *file = make_file(&len);
    struct artwork *artwork = sample_artwork_open(file, len);
    unsigned char *largest = malloc(ARTWORK_LEVEL_SIZE(0));
    assert_non_null(largest);
    assert_int_equal(artwork_count(artwork), COUNT);
    assert_memory_equal(artwork_palette(artwork, 1), palette, sizeof(palette));
    assert_int_equal(artwork_unpack(artwork, 1, largest), APP_OK);
    for (int level = 0; level < ARTWORK_LEVELS; level++) {
        const unsigned char *pixels = level ? artwork_level(artwork, 1, level) : largest;
        int side = ARTWORK_SIDE(level), stride = ARTWORK_STRIDE(level);
        assert_int_equal(pixels[0], 0);
        assert_int_equal(pixels[stride * stride - 1], 0);
        for (int i = 0; i < side * side; i++)
            assert_int_equal(pixels[(i / side + 1) * stride + i % side + 1],
                             paint(1, side, i % side, i / side));
    }
    free(largest);
    artwork_close(&artwork);
}

/* With the right checksum, as if the program that wrote it were wrong. */
static void a_level_that_cannot_be_unpacked_is_an_error(void **state)
{
    (void)state;
    static const struct {
        uint32_t skipped, cut;
    } cases[] = {{1, 0}, {0, 1}, {0, 1000}, {5, 5}};
    unsigned char *pixels = malloc(ARTWORK_LEVEL_SIZE(0));
    assert_non_null(pixels);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len;
        void *file = make_file(&len);
        struct artwork_file_emoji *emoji =
            (struct artwork_file_emoji *)((struct artwork_file_header *)file + 1);
        emoji->packed_start += cases[i].skipped;
        emoji->packed_len -= cases[i].skipped + cases[i].cut;
        sample_artwork_sign(file, len);
        struct artwork *artwork = sample_artwork_open(file, len);
        assert_int_equal(artwork_unpack(artwork, 0, pixels), APP_INTERNAL);
        assert_int_equal(artwork_unpack(artwork, 1, pixels), APP_OK);
        artwork_close(&artwork);
    }
    free(pixels);
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
    size_t len;
    char *file = make_file(&len);
    size_t head = sizeof(struct artwork_file_header);
    const size_t cut[] = {head, head + 1, head + sizeof(struct artwork_file_emoji), len - 1};
    for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++)
        assert_data_refused(file, cut[i], "damaged");
    char *longer = realloc(file, len + 1);
    assert_non_null(longer);
    longer[len] = 0;
    assert_data_refused(longer, len + 1, "damaged");
    free(longer);
}

static void a_changed_byte_is_noticed(void **state)
{
    (void)state;
    enum { STEP = 4099 }; /* a prime, so that it meets all parts */
    size_t len;
    unsigned char *file = make_file(&len);
    for (size_t i = 0; i < len; i += i < sizeof(struct artwork_file_header) ? 1 : STEP) {
        file[i] ^= 0x20;
        assert_data_refused(file, len, "damaged");
        file[i] ^= 0x20;
    }
    free(file);
}

/* With the right checksum. */
static void numbers_that_point_out_of_the_file_are_refused(void **state)
{
    (void)state;
    static const uint64_t counts[] = {0, COUNT + 1, 4097, UINT64_MAX, UINT64_MAX / 2 + 1};
    size_t len;
    void *file = make_file(&len);
    struct artwork_file_header *header = file;
    struct artwork_file_emoji *last = (struct artwork_file_emoji *)(header + 1) + COUNT - 1;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        header->count = counts[i];
        sample_artwork_sign(file, len);
        assert_data_refused(file, len, "damaged");
    }
    header->count = COUNT;
    const uint32_t start = last->packed_start, packed_len = last->packed_len;
    const uint32_t packed[][2] = {{start, packed_len + 1}, {start + 1, packed_len},
                                  {start, UINT32_MAX},     {UINT32_MAX, packed_len},
                                  {UINT32_MAX, 1},         {(uint32_t)len + 1, 0}};
    for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++) {
        last->packed_start = packed[i][0];
        last->packed_len = packed[i][1];
        sample_artwork_sign(file, len);
        assert_data_refused(file, len, "damaged");
    }
    free(file);
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
    size_t len;
    void *file = make_file(&len);
    write_file(beside_program(place, path), file, len);
    free(file);
    struct artwork *artwork = NULL;
    enum app_err err = artwork_open(NULL, &artwork, NULL);
    unlink(path);
    assert_int_equal(err, APP_OK);
    assert_int_equal(artwork_count(artwork), COUNT);
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
        cmocka_unit_test(all_levels_show_the_same_drawing),
        cmocka_unit_test(a_file_gives_its_pixels_back),
        cmocka_unit_test(a_level_that_cannot_be_unpacked_is_an_error),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(a_file_of_any_other_length_is_refused),
        cmocka_unit_test(a_changed_byte_is_noticed),
        cmocka_unit_test(numbers_that_point_out_of_the_file_are_refused),
        cmocka_unit_test(without_a_path_the_file_is_found_beside_the_program_or_in_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
