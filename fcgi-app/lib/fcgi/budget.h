/* SPDX-License-Identifier: MIT */
/* Bytes that many threads take from one total. Any thread. */
#ifndef LIB_FCGI_BUDGET_H
#define LIB_FCGI_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct budget {
    size_t max;
    atomic_size_t used;
};

/* Take `bytes`; false: fewer are left, none is taken. */
static inline bool budget_take(struct budget *budget, size_t bytes)
{
    size_t before = atomic_fetch_add_explicit(&budget->used, bytes, memory_order_relaxed);
    if (bytes <= budget->max && before <= budget->max - bytes)
        return true;
    atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
    return false;
}

static inline void budget_give_back(struct budget *budget, size_t bytes)
{
    atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
}

#endif
