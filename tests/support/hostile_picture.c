/* SPDX-License-Identifier: MIT */
/* Formats: PNG (ISO 15948), JPEG (ITU-T T.81), GIF89a, WebP's container (RFC 9649). */
#include "support/hostile_picture.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/base/buf.h"
#include "support/cmocka.h"

enum { FILE_MAX = 9900 * 1000, MEGABYTE = 1 << 20 }; /* just what the service takes */

static void add(struct buf *file, const void *data, size_t len)
{
    assert_int_equal(buf_append(file, data, len), APP_OK);
}

static struct buf begin(const void *data, size_t len)
{
    struct buf file;
    buf_init(&file, 2 * FILE_MAX);
    add(&file, data, len);
    return file;
}

/* In memory of its own size. */
static struct sample finish(struct buf *file)
{
    struct sample whole = {(unsigned char *)file->data, file->len};
    struct sample sample = sample_cut(&whole, whole.len);
    buf_release(file);
    return sample;
}

/* Replaces `sample` by its first part. */
static struct sample cut_off(struct sample sample, size_t len)
{
    struct sample cut = sample_cut(&sample, len);
    sample_release(&sample);
    return cut;
}

/* `sample` with `data` put in at `at`. Takes `sample` over. */
static struct sample insert(struct sample sample, size_t at, const void *data, size_t len)
{
    struct buf file = begin(sample.data, at);
    add(&file, data, len);
    add(&file, sample.data + at, sample.len - at);
    sample_release(&sample);
    return finish(&file);
}

static struct sample photo(const char *suffix)
{
    return sample_encode(sample_photo(300, 200), suffix);
}

/* --- PNG ----------------------------------------------------------------------- */

static void put_number(unsigned char *out, size_t number)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(number >> (24 - 8 * i));
}

static void add_chunk(struct buf *file, const char *type, const void *data, size_t len)
{
    unsigned char number[4];
    put_number(number, len);
    add(file, number, sizeof(number));
    size_t from = file->len;
    add(file, type, 4);
    add(file, data, len);
    put_number(number, crc32(0, (unsigned char *)file->data + from, (uInt)(len + 4)));
    add(file, number, sizeof(number));
}

static struct buf begin_png(size_t width, size_t height, unsigned char bits, unsigned char colour,
                            unsigned char interlace)
{
    unsigned char header[13] = {0};
    struct buf file = begin("\x89PNG\r\n\x1a\n", 8);
    put_number(header, width);
    put_number(header + 4, height);
    header[8] = bits;
    header[9] = colour;
    header[12] = interlace;
    add_chunk(&file, "IHDR", header, sizeof(header));
    return file;
}

/* Adler-32 of zeros: one sum stays 1, the other counts them. */
static void add_check(struct buf *packed, size_t len)
{
    unsigned char number[4];
    put_number(number, (len % 65521) << 16 | 1);
    add(packed, number, sizeof(number));
}

/*
 * So many megabytes of zeros as a zlib stream, which the caller releases: one is packed
 * and repeated, since each ends in a full flush. A KiB each.
 */
static struct buf deflate_zeros(size_t megabytes)
{
    static unsigned char zeros[MEGABYTE], out[64 * 1024];
    static const char last_block[] = {3, 0};
    struct buf packed = begin("\x78\x9c", 2);
    z_stream stream = {.next_in = zeros, .avail_in = MEGABYTE};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = out;
    stream.avail_out = sizeof(out);
    assert_int_equal(deflate(&stream, Z_FULL_FLUSH), Z_OK);
    for (size_t i = 0; i < megabytes; i++)
        add(&packed, out, sizeof(out) - stream.avail_out);
    (void)deflateEnd(&stream);
    add(&packed, last_block, sizeof(last_block));
    add_check(&packed, megabytes * MEGABYTE);
    return packed;
}

/* A PNG of that size with so many megabytes of zeros for its pixels. */
static struct sample zero_png(size_t side, unsigned char bits, unsigned char colour,
                              unsigned char interlace, size_t megabytes)
{
    struct buf file = begin_png(side, side, bits, colour, interlace);
    struct buf data = deflate_zeros(megabytes);
    add_chunk(&file, "IDAT", data.data, data.len);
    add_chunk(&file, "IEND", "", 0);
    buf_release(&data);
    return finish(&file);
}

static struct sample png_beyond_the_pixels(void)
{
    return zero_png(12000, 8, 0, 0, 138);
}

static struct sample png_of_the_most_pixels(void)
{
    return zero_png(7000, 16, 6, 1, 374);
}

/* Nine gigabytes for one pixel, and for as many as may need so much data packed. */
static struct sample png_data_for_nobody(void)
{
    return zero_png(1, 8, 2, 0, 9000);
}

static struct sample png_surplus_data(void)
{
    return zero_png(1400, 8, 2, 0, 9000);
}

static struct sample png_header_of_two_billion(void)
{
    return sample_png_header(0x7fffffff, 0x7fffffff);
}

static struct sample png_without_pixels(void)
{
    return sample_png_header(0, 0);
}

static struct sample png_long_and_thin(void)
{
    return sample_png_header(1000000, 1);
}

/* Where the chunks behind IHDR begin. */
enum { PNG_BEHIND_HEADER = 33 };

/* Each text is 7 MB of zeros when it is unpacked. */
static struct sample png_text_bombs(void)
{
    struct buf chunks = begin("", 0);
    struct buf packed = deflate_zeros(7);
    struct buf text = begin("Comment\0\0", 9);
    add(&text, packed.data, packed.len);
    while (chunks.len + text.len + 12 < FILE_MAX - 500000)
        add_chunk(&chunks, "zTXt", text.data, text.len);
    struct sample bomb = insert(photo(".png"), PNG_BEHIND_HEADER, chunks.data, chunks.len);
    buf_release(&packed);
    buf_release(&text);
    buf_release(&chunks);
    return bomb;
}

static struct sample png_profile_bomb(void)
{
    struct buf chunk = begin("", 0);
    struct buf packed = deflate_zeros(9000);
    struct buf profile = begin("icc\0\0", 5);
    add(&profile, packed.data, packed.len);
    add_chunk(&chunk, "iCCP", profile.data, profile.len);
    struct sample bomb = insert(photo(".png"), PNG_BEHIND_HEADER, chunk.data, chunk.len);
    buf_release(&packed);
    buf_release(&profile);
    buf_release(&chunk);
    return bomb;
}

static struct sample png_of_many_chunks(void)
{
    struct buf chunks = begin("", 0);
    while (chunks.len < FILE_MAX - 500000)
        add_chunk(&chunks, "tEXt", "a\0b", 3);
    struct sample many = insert(photo(".png"), PNG_BEHIND_HEADER, chunks.data, chunks.len);
    buf_release(&chunks);
    return many;
}

static struct sample png_cut(void)
{
    struct sample whole = photo(".png");
    return cut_off(whole, whole.len / 2);
}

/* The checksum of the last chunk with pixels; IEND is 12 bytes. */
static struct sample png_bad_checksum(void)
{
    struct sample png = photo(".png");
    png.data[png.len - 13] ^= 0xff;
    return png;
}

static struct sample png_bad_header_checksum(void)
{
    struct sample png = photo(".png");
    png.data[PNG_BEHIND_HEADER - 1] ^= 0xff;
    return png;
}

static struct sample png_long_tail(void)
{
    struct sample png = photo(".png");
    unsigned char *tail = calloc(1, 9 * MEGABYTE);
    assert_non_null(tail);
    struct sample longer = insert(png, png.len, tail, 9 * MEGABYTE);
    free(tail);
    return longer;
}

/* --- JPEG ---------------------------------------------------------------------- */

static struct sample jpeg_cut(void)
{
    struct sample whole = photo(".jpg");
    return cut_off(whole, whole.len / 2);
}

static struct sample jpeg_of_too_many_scans(void)
{
    return sample_many_scans(882);
}

static struct sample jpeg_of_the_most_scans(void)
{
    return sample_many_scans(99);
}

/* The size in the frame header: SOF0, length, precision, height, width. */
static struct sample jpeg_of_the_longest_sides(void)
{
    struct sample jpeg = photo(".jpg");
    for (size_t i = 0; i + 9 < jpeg.len; i++) {
        if (jpeg.data[i] == 0xff && jpeg.data[i + 1] == 0xc0) {
            memcpy(jpeg.data + i + 5, "\xff\xdc\xff\xdc", 4);
            break;
        }
    }
    return jpeg;
}

static struct sample jpeg_and_page(void)
{
    static const char page[] = "<html><script>alert(document.cookie)</script></html>";
    struct sample jpeg = photo(".jpg");
    return insert(jpeg, jpeg.len, page, sizeof(page) - 1);
}

static struct sample jpeg_with_page_in_comment(void)
{
    static const char comment[] = "\xff\xfe\x00\x2a*/<script>alert(document.cookie)</script>/*";
    return insert(photo(".jpg"), 2, comment, 2 + 0x2a);
}

static struct sample jpeg_orientation_garbage(void)
{
    static const char exif[] = "\xff\xe1\x00\x22"
                               "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0"
                               "\xff\xff\xff";
    return insert(photo(".jpg"), 2, exif, 2 + 0x22);
}

static struct sample jpeg_exif_of_loops(void)
{
    /* A directory that says it has 65535 entries and follows itself. */
    static const char exif[] = "\xff\xe1\x00\x18"
                               "Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\0\0\x08\0\0";
    return insert(photo(".jpg"), 2, exif, 2 + 0x18);
}

static struct sample jpeg_profile_garbage(void)
{
    static const char icc[] = "\xff\xe2\x00\x20ICC_PROFILE\0\x01\x01"
                              "not a colour pro";
    return insert(photo(".jpg"), 2, icc, 2 + 0x20);
}

static struct sample jpeg_of_markers(void)
{
    struct buf file = begin("\xff\xd8", 2);
    while (file.len < FILE_MAX)
        add(&file, "\xff\xe0\x00\x02", 4);
    return finish(&file);
}

/* --- GIF and WebP --------------------------------------------------------------- */

static struct sample gif_of_many_frames(void)
{
    static const unsigned char frame[] = {0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0};
    struct buf file = begin("GIF89a\x10\0\x10\0\x80\0\0\0\0\0\xff\xff\xff", 19);
    while (file.len < FILE_MAX)
        add(&file, frame, sizeof(frame));
    add(&file, ";", 1);
    return finish(&file);
}

static struct sample gif_header_of_billions(void)
{
    struct buf file = begin("GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff"
                            ",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0;",
                            35);
    return finish(&file);
}

static struct sample gif_cut(void)
{
    struct sample whole = photo(".gif");
    return cut_off(whole, whole.len / 2);
}

static struct sample webp_cut(void)
{
    struct sample whole = photo(".webp");
    return cut_off(whole, whole.len / 2);
}

static struct sample webp_canvas_of_millions(void)
{
    struct buf file = begin("RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\xff\x3f\0\xff\x3f\0", 30);
    return finish(&file);
}

/* --- Not what they say ----------------------------------------------------------- */

static struct sample text_of(const char *text)
{
    struct buf file = begin(text, strlen(text));
    return finish(&file);
}

static struct sample svg(void)
{
    return text_of("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"90000\" height=\"90000\">"
                   "<image href=\"file:///etc/passwd\"/></svg>");
}

static struct sample postscript(void)
{
    return text_of("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n");
}

static struct sample bitmap(void)
{
    struct buf file =
        begin("BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0", 28);
    return finish(&file);
}

static struct sample tiff(void)
{
    return photo(".tif");
}

static struct sample nothing(void)
{
    return text_of("");
}

const struct hostile_picture hostile_pictures[] = {
    {"beyond-the-pixels.png", HOSTILE_REFUSED, png_beyond_the_pixels},
    {"the-most-pixels.png", HOSTILE_EITHER, png_of_the_most_pixels},
    {"data-for-nobody.png", HOSTILE_REFUSED, png_data_for_nobody},
    {"surplus-data.png", HOSTILE_SLOWLY_REFUSED, png_surplus_data},
    {"two-billion.png", HOSTILE_REFUSED, png_header_of_two_billion},
    {"no-pixels.png", HOSTILE_REFUSED, png_without_pixels},
    {"long-and-thin.png", HOSTILE_REFUSED, png_long_and_thin},
    {"text-bombs.png", HOSTILE_REFUSED, png_text_bombs},
    {"profile-bomb.png", HOSTILE_EITHER, png_profile_bomb},
    {"many-chunks.png", HOSTILE_EITHER, png_of_many_chunks},
    {"cut.png", HOSTILE_REFUSED, png_cut},
    {"bad-checksum.png", HOSTILE_EITHER, png_bad_checksum},
    {"bad-header-checksum.png", HOSTILE_REFUSED, png_bad_header_checksum},
    {"long-tail.png", HOSTILE_HARMLESS, png_long_tail},
    {"cut.jpg", HOSTILE_REFUSED, jpeg_cut},
    {"too-many-scans.jpg", HOSTILE_REFUSED, jpeg_of_too_many_scans},
    {"the-most-scans.jpg", HOSTILE_HARMLESS, jpeg_of_the_most_scans},
    {"longest-sides.jpg", HOSTILE_REFUSED, jpeg_of_the_longest_sides},
    {"and-page.jpg", HOSTILE_HARMLESS, jpeg_and_page},
    {"page-in-comment.jpg", HOSTILE_HARMLESS, jpeg_with_page_in_comment},
    {"orientation-garbage.jpg", HOSTILE_HARMLESS, jpeg_orientation_garbage},
    {"exif-loop.jpg", HOSTILE_HARMLESS, jpeg_exif_of_loops},
    {"profile-garbage.jpg", HOSTILE_HARMLESS, jpeg_profile_garbage},
    {"markers.jpg", HOSTILE_REFUSED, jpeg_of_markers},
    {"many-frames.gif", HOSTILE_REFUSED, gif_of_many_frames},
    {"billions.gif", HOSTILE_REFUSED, gif_header_of_billions},
    {"cut.gif", HOSTILE_REFUSED, gif_cut},
    {"cut.webp", HOSTILE_REFUSED, webp_cut},
    {"canvas.webp", HOSTILE_REFUSED, webp_canvas_of_millions},
    {"svg.png", HOSTILE_REFUSED, svg},
    {"postscript.jpg", HOSTILE_REFUSED, postscript},
    {"bitmap.png", HOSTILE_REFUSED, bitmap},
    {"tiff.jpg", HOSTILE_REFUSED, tiff},
    {"empty.jpg", HOSTILE_REFUSED, nothing},
};
const size_t hostile_picture_count = sizeof(hostile_pictures) / sizeof(hostile_pictures[0]);
