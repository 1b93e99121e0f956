/* SPDX-License-Identifier: MIT */
/* One table serves both directions. */
#include "lib/http/method.h"

#include <assert.h>
#include <string.h>

static const char *const names[] = {
    [HTTP_GET] = "GET",     [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT",     [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
    [HTTP_OTHER] = "OTHER",
};
static_assert(sizeof(names) / sizeof(names[0]) == HTTP_METHOD__MAX, "every method has a name");

enum http_method http_method_parse(const char *name)
{
    /* HTTP_OTHER ends the search: a method that is called "OTHER" is one, too. */
    enum http_method method = HTTP_GET;
    while (method != HTTP_OTHER && strcmp(name, names[method]) != 0)
        method++;
    return method;
}

const char *http_method_name(enum http_method method)
{
    assert(method < HTTP_METHOD__MAX);
    return names[method];
}
