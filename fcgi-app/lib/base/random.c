/* SPDX-License-Identifier: MIT */
#include "lib/base/random.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

enum { POOL = 256 }; /* up to so many getrandom(2) always gives whole, see its manual page */

bool random_fill(void *out, size_t size)
{
    static _Thread_local unsigned char pool[POOL];
    static _Thread_local size_t left;
    assert(size <= RANDOM_MAX);
    if (left < size) {
        if (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool))
            return false;
        left = sizeof(pool);
    }
    left -= size;
    memcpy(out, pool + left, size);
    return true;
}
