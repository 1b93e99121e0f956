/* SPDX-License-Identifier: MIT */
/*
 * The type of a stored file from its first bytes: the image signatures of the
 * WHATWG MIME Sniffing standard, section 6.1, then text or not, as Go's
 * http.DetectContentType answered for the files this service stores. Pure.
 */
#ifndef LIB_HTTP_CONTENT_TYPE_H
#define LIB_HTTP_CONTENT_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

enum { CONTENT_TYPE_SNIFF_LEN = 512 }; /* more bytes change nothing */

/* A static string: "image/jpeg", ..., "text/plain; charset=utf-8", "application/octet-stream". */
const char *content_type_sniff(const void *data, size_t len);
/* The same of bytes that lie in pieces. */
const char *content_type_sniff_pieces(const struct iovec *pieces, size_t count);

#endif
