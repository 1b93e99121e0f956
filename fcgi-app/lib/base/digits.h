/* SPDX-License-Identifier: MIT */
/* Decimal digits, to read. Pure. */
#ifndef LIB_BASE_DIGITS_H
#define LIB_BASE_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Read `len` digits and nothing else; false: there is none, another character, or too many. */
static inline bool digits_read(const char *text, size_t len, int64_t *number)
{
    int64_t read = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(read, 10, &read) ||
            __builtin_add_overflow(read, text[i] - '0', &read))
            return false;
    }
    *number = read;
    return len > 0;
}

#endif
