/* SPDX-License-Identifier: MIT */
/* Hexadecimal digits, to read and to write. Pure. */
#ifndef LIB_BASE_HEX_H
#define LIB_BASE_HEX_H

#include <stddef.h>

/* What a digit stands for, of either case; -1: it is none. */
static inline int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* The byte that two digits stand for; -1: they are none. The second is read after the first. */
static inline int hex_byte(const char *digits)
{
    int high = hex_value(digits[0]);
    int low = high < 0 ? -1 : hex_value(digits[1]);
    return low < 0 ? -1 : high * 16 + low;
}

/* Write `count` bytes as twice as many lower-case digits, and a NUL. */
static inline void hex_write(const unsigned char *bytes, size_t count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * count] = '\0';
}

#endif
