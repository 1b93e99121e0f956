/* SPDX-License-Identifier: MIT */
/*
 * What conditions and ranges come to (RFC 9110, sections 13 and 14).
 * The representation has a strong entity tag and no date, so conditions that
 * name a date say nothing. Pure, any thread.
 */
#ifndef LIB_HTTP_CONDITIONAL_H
#define LIB_HTTP_CONDITIONAL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Does If-None-Match name `etag` ("\"abc\"", with its quotes)? Weak comparison,
 * lists and "*" as in 13.1.2; false for "" and for what is malformed, since the
 * whole answer is always right. Then 304 is the answer to GET and HEAD.
 */
bool conditional_none_match(const char *if_none_match, const char *etag);

/*
 * Does If-Match name `etag`, which is a strong one? Strong comparison, lists and "*" as in
 * 13.1.1; false for "" and for what is malformed. Then 412 is the answer, and nothing is done.
 */
bool conditional_match(const char *if_match, const char *etag);

enum range_kind {
    RANGE_WHOLE,         /* no range, or one that is not taken: 200 */
    RANGE_PART,          /* 206 */
    RANGE_UNSATISFIABLE, /* 416 */
};

struct range {
    size_t first;
    size_t len; /* at least 1 */
};

/*
 * Which part of `size` bytes (at least 1) is asked for. One range of bytes is
 * taken; several, other units and what is malformed are ignored, as 14.2 allows.
 * `if_range` "" or the very tag: the range counts, else it does not (13.1.5).
 */
enum range_kind conditional_range(const char *range, const char *if_range, const char *etag,
                                  size_t size, struct range *part);

#endif
