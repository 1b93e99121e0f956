/* SPDX-License-Identifier: MIT */
#include "lib/http/conditional.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char blanks[] = " \t";

static bool is_weak(const char *tag)
{
    return strncmp(tag, "W/", 2) == 0;
}

/* Does the list name `etag`? A weak tag in it counts only where `weak` (RFC 9110, 8.8.3.2). */
static bool names(const char *list, const char *etag, bool weak)
{
    const char *wanted = is_weak(etag) ? etag + 2 : etag;
    size_t wanted_len = strlen(wanted);
    const char *at = list + strspn(list, blanks);
    if (*at == '*')
        return at[1 + strspn(at + 1, blanks)] == '\0';
    while (*at) {
        bool counts = weak || !is_weak(at);
        at = is_weak(at) ? at + 2 : at;
        const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
        if (!end)
            return false;
        size_t len = (size_t)(end + 1 - at);
        if (counts && len == wanted_len && memcmp(at, wanted, len) == 0)
            return true;
        at = end + 1;
        at += strspn(at, " \t,");
    }
    return false;
}

bool conditional_none_match(const char *if_none_match, const char *etag)
{
    return names(if_none_match, etag, true);
}

bool conditional_match(const char *if_match, const char *etag)
{
    return names(if_match, etag, false);
}

/* Digits only; a number that does not fit is as large as can be. */
static bool read_number(const char **at, uint64_t *number)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *number = strtoull(*at, &end, 10);
    *at = end;
    return true;
}

/* "first-last", "first-" or "-suffix"; false when it is none of them. */
static bool read_range(const char *at, uint64_t size, uint64_t *first, uint64_t *end)
{
    uint64_t last;
    if (*at == '-') {
        at++;
        if (!read_number(&at, &last))
            return false;
        *first = last < size ? size - last : 0;
        *end = last > 0 ? size : *first;
    } else {
        if (!read_number(&at, first) || *at++ != '-')
            return false;
        bool open = *at < '0' || *at > '9';
        last = size - 1;
        if (!open && (!read_number(&at, &last) || last < *first))
            return false;
        *end = open || last >= size ? size : last + 1;
    }
    return at[strspn(at, blanks)] == '\0';
}

enum range_kind conditional_range(const char *range, const char *if_range, const char *etag,
                                  size_t size, struct range *part)
{
    static const char unit[] = "bytes=";
    uint64_t first, end;
    if (strncasecmp(range, unit, sizeof(unit) - 1) != 0 ||
        (*if_range && strcmp(if_range, etag) != 0))
        return RANGE_WHOLE;
    const char *at = range + sizeof(unit) - 1;
    at += strspn(at, blanks);
    if (!read_range(at, size, &first, &end))
        return RANGE_WHOLE;
    if (first >= end)
        return RANGE_UNSATISFIABLE;
    *part = (struct range){(size_t)first, (size_t)(end - first)};
    return RANGE_PART;
}
