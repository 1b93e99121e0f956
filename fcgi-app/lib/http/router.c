/* SPDX-License-Identifier: MIT */
/* The tables have a dozen rows, so a walk is as fast as anything cleverer. */
#include "lib/http/router.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* Whether `path` matches; then `*parameter` is what stands for "{...}", or "". */
static bool pattern_matches(const char *pattern, const char *path, const char **parameter)
{
    for (; *pattern && *pattern != '{'; pattern++, path++) {
        if (*pattern != *path)
            return false;
    }
    if (*pattern == '\0') {
        *parameter = "";
        return *path == '\0';
    }
    *parameter = path;
    return *path != '\0' && strchr(path, '/') == NULL;
}

static unsigned methods_of(const struct route *route)
{
    unsigned methods = HTTP_METHOD_BIT(route->method);
    if (route->method == HTTP_GET)
        methods |= HTTP_METHOD_BIT(HTTP_HEAD);
    return methods;
}

enum app_err router_match(const struct route *routes, size_t count, enum http_method method,
                          const char *path, struct route_match *match)
{
    unsigned allowed = 0;
    for (size_t i = 0; i < count; i++) {
        const char *parameter;
        if (!pattern_matches(routes[i].pattern, path, &parameter))
            continue;
        unsigned methods = methods_of(&routes[i]);
        allowed |= methods;
        if (methods & HTTP_METHOD_BIT(method)) {
            *match = (struct route_match){&routes[i], parameter, allowed};
            return APP_OK;
        }
    }
    if (allowed == 0)
        return APP_NOT_FOUND;
    *match = (struct route_match){NULL, "", allowed};
    return APP_METHOD_NOT_ALLOWED;
}

void router_allow_header(unsigned allowed, char *out, size_t size)
{
    assert(size > 0);
    size_t used = 0;
    for (enum http_method method = HTTP_GET; method < HTTP_OTHER; method++) {
        if (!(allowed & HTTP_METHOD_BIT(method)))
            continue;
        const char *name = http_method_name(method);
        const char *separator = used > 0 ? ", " : "";
        size_t needed = strlen(separator) + strlen(name);
        if (needed >= size - used)
            break;
        memcpy(out + used, separator, strlen(separator));
        memcpy(out + used + strlen(separator), name, strlen(name));
        used += needed;
    }
    out[used] = '\0';
}
