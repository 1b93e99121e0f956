/* SPDX-License-Identifier: MIT */
/*
 * The fields of a form that came as a request body, private to this room. They
 * are added piece by piece as a multipart body comes in, or all at once from an
 * application/x-www-form-urlencoded one (WHATWG URL standard, section 5.1).
 *
 * Life cycle: form_init, appends or one parse, form_find, form_release. One
 * thread at a time. Beyond LIMIT_HTTPD_FIELDS fields the rest is not kept.
 */
#ifndef LIB_HTTPD_FORM_H
#define LIB_HTTPD_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"

struct form_field {
    struct buf name;
    struct buf value;
};

struct form {
    struct form_field fields[LIMIT_HTTPD_FIELDS];
    size_t count;
    size_t max_value; /* bytes of one name or value */
    bool skipping;    /* the piece that comes belongs to a field too many */
};

/* An empty form. Allocates nothing. */
void form_init(struct form *form, size_t max_value);

/* Free the fields; the form is then as after form_init. */
void form_release(struct form *form);

/*
 * Add a piece of a field, `offset` bytes after its start; 0 begins a new one.
 * APP_TOO_LARGE for more than max_value bytes, APP_NO_MEMORY.
 */
enum app_err form_append(struct form *form, const char *name, size_t offset, const char *data,
                         size_t len) __attribute__((warn_unused_result));

/* Read a whole urlencoded body; nothing is malformed there. Errors as form_append. */
enum app_err form_parse_urlencoded(struct form *form, const char *body, size_t len)
    __attribute__((warn_unused_result));

/* The first field of that name, or NULL; belongs to the form. */
const struct form_field *form_find(const struct form *form, const char *name);

#endif
