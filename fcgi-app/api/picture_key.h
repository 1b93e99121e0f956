/* SPDX-License-Identifier: MIT */
/*
 * The key under which a result is stored, worked on, and shared between requests: 32 hex digits
 * that stand for the kind of source and for all of it. Pure, any thread.
 *
 * A URL's key is the MD5 of its normalised form (lib/http/url.h): clients and caches of the Go
 * service hold such keys. The key of a picture's bytes is of another digest with a prefix, so
 * that no bytes have the key of a URL, the URL's own text among them.
 */
#ifndef API_PICTURE_KEY_H
#define API_PICTURE_KEY_H

#include <stddef.h>

#include "lib/base/err.h"

enum { PICTURE_KEY_LEN = 32 };

/* Errors of both: APP_INTERNAL, APP_NO_MEMORY. */
enum app_err picture_key_of_url(const char *url, size_t len, char key[PICTURE_KEY_LEN + 1])
    __attribute__((warn_unused_result));
enum app_err picture_key_of_bytes(const void *bytes, size_t len, char key[PICTURE_KEY_LEN + 1])
    __attribute__((warn_unused_result));

#endif
