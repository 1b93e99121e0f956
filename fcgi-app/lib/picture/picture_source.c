/* SPDX-License-Identifier: MIT */
/*
 * The encoded bytes are handed over through a source of our own, which stops at the
 * deadline: a progressive JPEG can spend minutes in the decoder before the first pixel,
 * where libvips' own progress signal is silent.
 */
#include <string.h>
#include <vips/vips.h>

#include "lib/picture/picture_private.h"

static gint64 on_read(VipsSourceCustom *source, void *buffer, gint64 length,
                      struct picture_reader *reader)
{
    (void)source;
    if (picture_watch_expired(reader->watch))
        return -1;
    gint64 left = reader->len - reader->position;
    if (length > left)
        length = left;
    if (length > 0)
        memcpy(buffer, reader->data + reader->position, (size_t)length);
    reader->position += length;
    return length;
}

static gint64 on_seek(VipsSourceCustom *source, gint64 offset, int whence,
                      struct picture_reader *reader)
{
    (void)source;
    gint64 base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? reader->position : reader->len;
    if (offset < -base || offset > reader->len - base)
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
