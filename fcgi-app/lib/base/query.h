/* SPDX-License-Identifier: MIT */
/*
 * Reading name=value&name=value, as in a query or a form body
 * (application/x-www-form-urlencoded, WHATWG URL standard). Pure.
 */
#ifndef LIB_BASE_QUERY_H
#define LIB_BASE_QUERY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Decode the first value of `name` into `out`, always NUL-terminated. False when
 * there is none, it does not fit, or it is malformed ("%zz", "%00"); then out is "".
 */
bool query_value(const char *query, const char *name, char *out, size_t size);

/* The first value of `name` as a number; `otherwise` when there is none, or it is no finite one. */
double query_number(const char *query, const char *name, double otherwise);

#endif
