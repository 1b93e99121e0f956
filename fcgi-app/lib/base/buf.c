/* SPDX-License-Identifier: MIT */
/* Doubling growth, clipped to the ceiling. */
#include "lib/base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

void buf_init(struct buf *buf, size_t max)
{
    assert(max < SIZE_MAX / 4);
    *buf = (struct buf){.max = max};
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max);
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

/* Make room for `extra` more bytes and the NUL. */
static enum app_err reserve(struct buf *buf, size_t extra)
{
    if (extra > buf->max - buf->len)
        return APP_TOO_LARGE;
    size_t needed = buf->len + extra + 1;
    if (needed <= buf->capacity)
        return APP_OK;

    size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > buf->max + 1)
        capacity = buf->max + 1;
    char *data = realloc(buf->data, capacity);
    if (!data)
        return APP_NO_MEMORY;
    buf->data = data;
    buf->capacity = capacity;
    return APP_OK;
}

enum app_err buf_append(struct buf *buf, const void *data, size_t len)
{
    enum app_err err = reserve(buf, len);
    if (err)
        return err;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return APP_OK;
}

enum app_err buf_append_str(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

enum app_err buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return APP_INTERNAL;

    enum app_err err = reserve(buf, (size_t)len);
    if (err)
        return err;
    va_start(args, format);
    (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
    return APP_OK;
}

char *buf_take(struct buf *buf, size_t *len)
{
    char *data = buf->data;
    if (len)
        *len = buf->len;
    buf_init(buf, buf->max);
    return data;
}
