/* SPDX-License-Identifier: MIT */
/*
 * The memory that all pictures of the process may take together, as estimated
 * from their headers before anything is decoded. Like libvips itself there is one
 * of it. Any thread.
 */
#ifndef LIB_PICTURE_PICTURE_MEMORY_H
#define LIB_PICTURE_PICTURE_MEMORY_H

#include <stddef.h>

#include "lib/base/err.h"

/* 0, which it is at first: no limit. Before the first picture. */
void picture_memory_limit(size_t bytes);

/*
 * APP_PICTURE_REFUSED: more than all of it; APP_UNAVAILABLE: more than is left
 * now. Both with a text for the client.
 */
enum app_err picture_memory_take(size_t bytes, struct err_buf *why)
    __attribute__((warn_unused_result));
void picture_memory_give(size_t bytes);

/* Bytes taken now. */
size_t picture_memory_taken(void);

#endif
