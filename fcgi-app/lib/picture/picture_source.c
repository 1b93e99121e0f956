/* SPDX-License-Identifier: MIT */
/*
 * The encoded bytes are handed over through a source of our own, which stops at the
 * deadline: a progressive JPEG can spend minutes in the decoder before the first pixel,
 * where libvips' own progress signal is silent.
 */
#include <string.h>
#include <vips/vips.h>

#include "lib/picture/picture_private.h"

static const unsigned char end_of_image[] = {0xff, 0xd9}; /* of a JPEG (ITU-T T.81, B.2.1) */

static gint64 total(const struct picture_reader *reader)
{
    return reader->len + (reader->lacks_end ? (gint64)sizeof(end_of_image) : 0);
}

static gint64 on_read(VipsSourceCustom *source, void *buffer, gint64 length,
                      struct picture_reader *reader)
{
    (void)source;
    if (picture_watch_expired(reader->watch))
        return -1;
    const unsigned char *from = reader->data + reader->position;
    gint64 left = reader->len - reader->position;
    if (left <= 0) {
        from = end_of_image + (reader->position - reader->len);
        left = total(reader) - reader->position;
    }
    if (length > left)
        length = left;
    if (reader->piece > 0 && length > reader->piece)
        length = reader->piece;
    if (length > 0)
        memcpy(buffer, from, (size_t)length);
    reader->position += length;
    return length;
}

static gint64 on_seek(VipsSourceCustom *source, gint64 offset, int whence,
                      struct picture_reader *reader)
{
    (void)source;
    gint64 base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? reader->position : total(reader);
    if (offset < -base || offset > total(reader) - base)
        return -1;
    reader->position = base + offset;
    return reader->position;
}

VipsSourceCustom *picture_source_new(struct picture_reader *reader)
{
    VipsSourceCustom *source = vips_source_custom_new();
    if (source) {
        g_signal_connect(source, "read", G_CALLBACK(on_read), reader);
        g_signal_connect(source, "seek", G_CALLBACK(on_seek), reader);
    }
    return source;
}
