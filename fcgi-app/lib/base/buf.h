/* SPDX-License-Identifier: MIT */
/*
 * A byte buffer that grows up to a ceiling given at init, and no further.
 *
 * Invariants: data[len] is a NUL whenever data is not NULL; len <= max. A
 * failed append leaves the content as it was.
 *
 * Life cycle: buf_init, appends, buf_reset to use it again, buf_release (or
 * buf_take). One thread at a time.
 */
#ifndef LIB_BASE_BUF_H
#define LIB_BASE_BUF_H

#include <stddef.h>

#include "lib/base/err.h"

struct buf {
    char *data;      /* NULL until the first append */
    size_t len;      /* bytes in use, without the NUL */
    size_t capacity; /* bytes allocated, with room for the NUL */
    size_t max;      /* ceiling of len */
};

/* Prepare an empty buffer that holds at most `max` bytes. Allocates nothing. */
void buf_init(struct buf *buf, size_t max);

/* Free the content; the buffer is then as after buf_init. Safe to call twice. */
void buf_release(struct buf *buf);

/* Forget the content, keep the memory. */
void buf_reset(struct buf *buf);

/* Append `len` bytes. APP_TOO_LARGE beyond the ceiling, APP_NO_MEMORY. */
enum app_err buf_append(struct buf *buf, const void *data, size_t len)
    __attribute__((warn_unused_result));

/* Append a string without its NUL. Errors as buf_append. */
enum app_err buf_append_str(struct buf *buf, const char *text) __attribute__((warn_unused_result));

/* Append formatted text. Errors as buf_append. */
enum app_err buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

/*
 * Hand the content over: the caller owns the malloc'ed, NUL-terminated result
 * and `*len` (may be NULL) is its length. NULL when the buffer never held
 * anything. The buffer is then as after buf_init.
 */
char *buf_take(struct buf *buf, size_t *len);

#endif
