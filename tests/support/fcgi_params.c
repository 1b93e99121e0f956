/* SPDX-License-Identifier: MIT */
#include "support/fcgi_params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTHS_MAX = 8 };

static char *put_length(char *to, size_t len)
{
    if (len >= 128) {
        *to++ = (char)(len >> 24 | 0x80);
        *to++ = (char)(len >> 16);
        *to++ = (char)(len >> 8);
    }
    *to++ = (char)len;
    return to;
}

char *fcgi_params_encode(const char *const *environment, size_t *len)
{
    size_t room = 1;
    for (size_t i = 0; environment[i]; i++)
        room += strlen(environment[i]) + LENGTHS_MAX;
    char *encoded = malloc(room), *to = encoded;
    if (!encoded)
        abort();
    for (size_t i = 0; environment[i]; i++) {
        const char *name = environment[i];
        size_t name_len = strcspn(name, "=");
        const char *value = name + name_len + (name[name_len] == '=');
        to = put_length(to, name_len);
        to = put_length(to, strlen(value));
        to += sprintf(to, "%.*s%s", (int)name_len, name, value);
    }
    *len = (size_t)(to - encoded);
    return encoded;
}
