/* SPDX-License-Identifier: MIT */
/*
 * HTML pages that are part of the program: a template with markers like
 * <!--style-->, what goes in their places, and the hashes by which a
 * Content-Security-Policy allows just that style and those scripts.
 *
 * Pure functions; errors: APP_TOO_LARGE from `out`, APP_NO_MEMORY.
 */
#ifndef LIB_BASE_PAGE_H
#define LIB_BASE_PAGE_H

#include <stddef.h>

#include "lib/base/buf.h"

struct page_text {
    const char *data;
    size_t len;
};

/* A file that the linker has put into the program; the names are its own. */
#define PAGE_EMBEDDED(symbol)                                                                      \
    ((struct page_text){_binary_##symbol##_start,                                                  \
                        (size_t)(_binary_##symbol##_end - _binary_##symbol##_start)})

/* Append the template up to `marker`, which is in it, and move *rest behind it. */
enum app_err page_put_until(struct page_text *rest, const char *marker, struct buf *out)
    __attribute__((warn_unused_result));

/* Append the source expression of `content`: 'sha256-...'. APP_INTERNAL: no such hash. */
enum app_err page_put_hash(struct page_text content, struct buf *out)
    __attribute__((warn_unused_result));

#endif
