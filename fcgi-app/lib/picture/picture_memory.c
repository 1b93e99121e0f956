/* SPDX-License-Identifier: MIT */
#include "lib/picture/picture_memory.h"

#include <stdatomic.h>

static atomic_size_t limit;
static atomic_size_t taken;

void picture_memory_limit(size_t bytes)
{
    atomic_store(&limit, bytes);
}

enum app_err picture_memory_take(size_t bytes, struct err_buf *why)
{
    size_t most = atomic_load(&limit);
    size_t before = atomic_load(&taken);
    if (most > 0 && bytes > most) {
        err_detail(why, "%zu bytes needed, %zu allowed", bytes, most);
        return err_set(why, APP_PICTURE_REFUSED, "the picture needs too much memory");
    }
    do {
        if (most > 0 && bytes > most - (before < most ? before : most)) {
            err_detail(why, "%zu bytes needed, %zu of %zu taken", bytes, before, most);
            return err_set(why, APP_UNAVAILABLE,
                           "too many large pictures at once, try again later");
        }
    } while (!atomic_compare_exchange_weak(&taken, &before, before + bytes));
    return APP_OK;
}

void picture_memory_give(size_t bytes)
{
    atomic_fetch_sub(&taken, bytes);
}

size_t picture_memory_taken(void)
{
    return atomic_load(&taken);
}
