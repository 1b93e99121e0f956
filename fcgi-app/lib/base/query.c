/* SPDX-License-Identifier: MIT */
/* Names are our own and plain, so only values are decoded. */
#include "lib/base/query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/hex.h"

enum { NUMBER_MAX = 32 };

static bool decode(const char *text, size_t len, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        int byte = text[i] == '+' ? ' ' : text[i];
        if (text[i] == '%') {
            byte = i + 2 < len ? hex_byte(text + i + 1) : -1;
            if (byte <= 0)
                return false;
            i += 2;
        }
        if (used + 1 >= size)
            return false;
        out[used++] = (char)byte;
    }
    out[used] = '\0';
    return true;
}

bool query_value(const char *query, const char *name, char *out, size_t size)
{
    size_t name_len = strlen(name);
    out[0] = '\0';
    while (*query != '\0') {
        size_t len = strcspn(query, "&");
        if (len > name_len && strncmp(query, name, name_len) == 0 && query[name_len] == '=') {
            if (decode(query + name_len + 1, len - name_len - 1, out, size))
                return true;
            out[0] = '\0';
            return false;
        }
        query += len;
        query += *query == '&';
    }
    return false;
}

double query_number(const char *query, const char *name, double otherwise)
{
    char text[NUMBER_MAX];
    char *end;
    if (!query_value(query, name, text, sizeof(text)) || text[0] == '\0')
        return otherwise;
    double number = strtod(text, &end);
    return *end == '\0' && isfinite(number) ? number : otherwise;
}
