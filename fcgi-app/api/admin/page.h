/* SPDX-License-Identifier: MIT */
/*
 * The page at /debug/: template, style and scripts of page/, which the linker has put
 * into the program. It loads nothing but the JSON of our own routes.
 */
#ifndef API_ADMIN_PAGE_H
#define API_ADMIN_PAGE_H

#include "lib/base/buf.h"

/* Append the page, text/html in UTF-8. APP_TOO_LARGE, APP_NO_MEMORY. */
enum app_err admin_page_write(struct buf *out) __attribute__((warn_unused_result));

/* Append its Content-Security-Policy. Errors as above, APP_INTERNAL. */
enum app_err admin_page_policy(struct buf *out) __attribute__((warn_unused_result));

#endif
