/* SPDX-License-Identifier: MIT */
/*
 * The bytes of an entry, which several may hold at a time: the store, and each
 * call that they are sent for. They never change. Any thread.
 */
#ifndef CACHE_CONTENT_H
#define CACHE_CONTENT_H

#include <stdatomic.h>
#include <stddef.h>

struct content {
    void *data; /* malloc'ed; not to be written to */
    size_t len;
    _Atomic unsigned references;
    _Atomic unsigned senders; /* the service's: calls that it is being sent for */
};

/* With one reference, the caller's. Takes `data` over, unless it returns NULL: no memory. */
struct content *content_new(void *data, size_t len);

/* One reference more. Returns `content`. */
struct content *content_get(struct content *content);

/* One less; the last one frees it. NULL allowed. */
void content_put(struct content *content);

#endif
