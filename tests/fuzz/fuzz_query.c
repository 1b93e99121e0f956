/* SPDX-License-Identifier: MIT */
/* The name that is looked for, then name=value&name=value: as a query, and as a form. */
#include "fuzz/input.h"

#include "lib/base/query.h"
#include "lib/httpd/form.h"

enum { MAX_VALUE = 64 };

static void read_form(const char *body, size_t len)
{
    struct form form;
    form_init(&form, MAX_VALUE);
    enum app_err err = form_parse_urlencoded(&form, body, len);
    must(err == APP_OK || err == APP_TOO_LARGE);
    must(form.count <= LIMIT_HTTPD_FIELDS);
    for (size_t i = 0; i < form.count; i++)
        must(form.fields[i].name.len <= MAX_VALUE && form.fields[i].value.len <= MAX_VALUE);
    form_release(&form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    char value[MAX_VALUE];
    char *name = fuzz_line(&input);
    size_t len = input.left;
    char *body = fuzz_text(&input, len);
    memset(value, 'x', sizeof(value));
    bool found = query_value(body, name, value, sizeof(value));
    must(memchr(value, '\0', sizeof(value)) != NULL && (found || value[0] == '\0'));
    read_form(body, len);
    free(body);
    free(name);
    return 0;
}
