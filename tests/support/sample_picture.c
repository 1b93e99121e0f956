/* SPDX-License-Identifier: MIT */
/* Made on the spot, so that no binary file has to be trusted or licensed. */
#include "support/sample_picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/picture/picture.h"
#include "support/cmocka.h"

static void require(int status)
{
    if (status)
        fail_msg("libvips: %s", vips_error_buffer());
}

void sample_release(struct sample *sample)
{
    free(sample->data);
    *sample = (struct sample){NULL, 0};
}

struct sample sample_cut(const struct sample *sample, size_t len)
{
    struct sample cut = {malloc(len ? len : 1), len};
    assert_non_null(cut.data);
    assert_true(len <= sample->len);
    memcpy(cut.data, sample->data, len);
    return cut;
}

/* Replace *image by one in memory. */
static VipsImage *in_memory(VipsImage *image)
{
    VipsImage *copy = vips_image_copy_memory(image);
    require(copy ? 0 : -1);
    g_object_unref(image);
    return copy;
}

VipsImage *sample_plain(int width, int height, int bands, const double *colour)
{
    VipsImage *black, *painted, *bytes, *image;
    static const double ones[4] = {1, 1, 1, 1};
    require(vips_black(&black, width, height, "bands", bands, NULL));
    require(vips_linear(black, &painted, ones, colour, bands, NULL));
    require(vips_cast_uchar(painted, &bytes, NULL));
    require(vips_copy(bytes, &image, "interpretation",
                      bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB, NULL));
    g_object_unref(black);
    g_object_unref(painted);
    g_object_unref(bytes);
    return in_memory(image);
}

VipsImage *sample_photo(int width, int height)
{
    VipsImage *ramp, *steep, *noise, *bands[3], *sum, *joined, *bytes, *image;
    require(vips_xyz(&ramp, width, height, NULL));
    const double scale[2] = {200.0 / width, 100.0 / height};
    static const double offset[2] = {20.0, 30.0};
    require(vips_linear(ramp, &steep, scale, offset, 2, NULL));
    require(vips_gaussnoise(&noise, width, height, "mean", 0.0, "sigma", 6.0, NULL));
    require(vips_add(steep, noise, &sum, NULL));
    require(vips_extract_band(sum, &bands[0], 0, NULL));
    require(vips_extract_band(sum, &bands[1], 1, NULL));
    require(vips_linear1(bands[0], &bands[2], -1.0, 240.0, NULL));
    require(vips_bandjoin(bands, &joined, 3, NULL));
    require(vips_cast_uchar(joined, &bytes, NULL));
    require(vips_copy(bytes, &image, "interpretation", VIPS_INTERPRETATION_sRGB, NULL));
    VipsImage *used[] = {ramp, steep, noise, sum, bands[0], bands[1], bands[2], joined, bytes};
    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
        g_object_unref(used[i]);
    return in_memory(image);
}

VipsImage *sample_add_metadata(VipsImage *image)
{
    static const char xmp[] = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>" SAMPLE_SECRET "</x:xmpmeta>";
    VipsImage *copy;
    require(vips_copy(image, &copy, NULL));
    g_object_unref(image);
    vips_image_set_string(copy, "exif-ifd0-ImageDescription",
                          SAMPLE_SECRET " (" SAMPLE_SECRET ", ASCII, 17 components, 17 bytes)");
    vips_image_set_string(copy, "exif-ifd3-GPSLatitude",
                          "51/1 30/1 0/1 (51, 30,  0, Rational, 3 components, 24 bytes)");
    vips_image_set_string(copy, "png-comment-0-Comment", SAMPLE_SECRET);
    vips_image_set_blob_copy(copy, VIPS_META_XMP_NAME, xmp, sizeof(xmp) - 1);
    return copy;
}

struct sample sample_encode(VipsImage *image, const char *suffix)
{
    void *data;
    struct sample sample = {NULL, 0};
    require(vips_image_write_to_buffer(image, suffix, &data, &sample.len, NULL));
    g_object_unref(image);
    sample.data = malloc(sample.len);
    assert_non_null(sample.data);
    memcpy(sample.data, data, sample.len);
    g_free(data);
    return sample;
}

VipsImage *sample_decode(const void *data, size_t len)
{
    VipsImage *image = vips_image_new_from_buffer(data, len, "", NULL);
    require(image ? 0 : -1);
    return in_memory(image);
}

int sample_pixel(VipsImage *image, int x, int y, int band)
{
    const unsigned char *data = vips_image_get_data(image);
    int bands = vips_image_get_bands(image);
    assert_non_null(data);
    return data[((ptrdiff_t)y * vips_image_get_width(image) + x) * bands + band];
}

/* CRC-32 of PNG (ISO 3309), over a chunk's type and data. */
static uint32_t png_crc(const unsigned char *data, size_t len)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

static void put_number(unsigned char *out, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(number >> (24 - 8 * i));
}

struct sample sample_png_header(uint32_t width, uint32_t height)
{
    static const unsigned char begin[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n',
                                          0,    0,   0,   13,  'I',  'H',  'D',  'R'};
    static const unsigned char format[] = {8, 2, 0, 0, 0};
    static const unsigned char chunk[] = {0, 0, 0, 0, 'I', 'D', 'A', 'T', 0x35, 0xaf, 0x06, 0x1e};
    enum { HEADER = 33 };
    struct sample sample = {malloc(HEADER + sizeof(chunk)), HEADER + sizeof(chunk)};
    assert_non_null(sample.data);
    memcpy(sample.data, begin, sizeof(begin));
    put_number(sample.data + 16, width);
    put_number(sample.data + 20, height);
    memcpy(sample.data + 24, format, sizeof(format));
    put_number(sample.data + 29, png_crc(sample.data + 12, 17));
    memcpy(sample.data + HEADER, chunk, sizeof(chunk));
    return sample;
}

/* Where `marker` is at or after `from`. */
static size_t find_marker(const struct sample *jpeg, size_t from, unsigned char marker)
{
    for (size_t i = from; i + 1 < jpeg->len; i++) {
        if (jpeg->data[i] == 0xff && jpeg->data[i + 1] == marker)
            return i;
    }
    fail_msg("no marker %02x", marker);
    return 0;
}

/* One AC table with one code, 0: "the next 16384 blocks, and as many as 14 bits say, are empty". */
static const unsigned char run_table[] = {0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0,
                                          0,    0,    0, 0,  0,    0, 0, 0, 0, 0, 0xe0};
/* That code with 14866, eight times: the 250000 blocks of 4000 x 4000 pixels. */
static const unsigned char empty_scan[] = {0x74, 0x24, 0xe8, 0x49, 0xd0, 0x93, 0xa1, 0x27,
                                           0x42, 0x4e, 0x84, 0x9d, 0x09, 0x3a, 0x12};

/*
 * A progressive grey JPEG whose scans bring each coefficient bit by bit (ITU-T
 * T.81, annex G). Not a byte of it is wrong, and each scan of 25 bytes visits all blocks.
 */
struct sample sample_many_scans(int scans)
{
    enum { BITS = 14, START = 10, SIZE = 4000 };
    static const double grey[] = {90};
    struct sample once = sample_encode(sample_plain(SIZE, SIZE, 1, grey), ".jpg[interlace]");
    size_t len = find_marker(&once, find_marker(&once, 0, 0xda), 0xc4);
    struct sample many = {
        malloc(len + sizeof(run_table) + (size_t)scans * (START + sizeof(empty_scan)) + 2), 0};
    assert_non_null(many.data);
    memcpy(many.data, once.data, len);
    memcpy(many.data + len, run_table, sizeof(run_table));
    len += sizeof(run_table);
    for (int scan = 0; scan < scans; scan++) {
        int coefficient = 1 + scan / BITS, low = BITS - 1 - scan % BITS;
        int high = low == BITS - 1 ? 0 : low + 1;
        unsigned char start[START] = {0xff, 0xda, 0, 8, 1, 1, 0};
        start[7] = start[8] = (unsigned char)coefficient;
        start[9] = (unsigned char)(high << 4 | low);
        memcpy(many.data + len, start, START);
        memcpy(many.data + len + START, empty_scan, sizeof(empty_scan));
        len += START + sizeof(empty_scan);
    }
    many.data[len] = 0xff;
    many.data[len + 1] = 0xd9;
    many.len = len + 2;
    sample_release(&once);
    return many;
}

int sample_library_start(void **state)
{
    struct err_buf why = {.text = ""};
    (void)state;
    return picture_library_init("test", &why) ? -1 : 0;
}

int sample_library_stop(void **state)
{
    (void)state;
    picture_library_release();
    return 0;
}
