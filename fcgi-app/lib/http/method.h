/* SPDX-License-Identifier: MIT */
/* The request methods of RFC 9110, section 9, as numbers that make bit sets. Pure. */
#ifndef LIB_HTTP_METHOD_H
#define LIB_HTTP_METHOD_H

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER, /* any other method; no route takes it */
    HTTP_METHOD__MAX
};

/* A set of methods. */
#define HTTP_METHOD_BIT(method) (1U << (method))

/* The method of that name (case-sensitive, as the RFC has it), or HTTP_OTHER. */
enum http_method http_method_parse(const char *name);

/* The name of `method`; "OTHER" for HTTP_OTHER. */
const char *http_method_name(enum http_method method);

#endif
