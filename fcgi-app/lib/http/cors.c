/* SPDX-License-Identifier: MIT */
/* The lists have a few entries, so they are walked as they are written. */
#include "lib/http/cors.h"

#include <string.h>
#include <strings.h>

#include "lib/base/limits.h"

static const char blanks[] = " \t";

/*
 * The next entry of a list from *list on, without the blanks around it; false
 * at the end. Empty entries are handed out too.
 */
static bool next_entry(const char **list, const char **entry, size_t *len)
{
    if (!*list)
        return false;
    *entry = *list + strspn(*list, blanks);
    const char *end = *entry + strcspn(*entry, ",");
    *list = *end == ',' ? end + 1 : NULL;
    *len = (size_t)(end - *entry);
    while (*len > 0 && strchr(blanks, (*entry)[*len - 1]))
        (*len)--;
    return true;
}

static bool is_any(const char *pattern, size_t len)
{
    return len == 1 && pattern[0] == '*';
}

static bool matches(const char *pattern, size_t len, const char *origin)
{
    size_t origin_len = strlen(origin);
    const char *star = memchr(pattern, '*', len);
    if (!star)
        return len == origin_len && strncasecmp(pattern, origin, len) == 0;
    size_t before = (size_t)(star - pattern);
    size_t after = len - before - 1;
    return origin_len >= before + after && strncasecmp(pattern, origin, before) == 0 &&
           strncasecmp(star + 1, origin + origin_len - after, after) == 0;
}

/* It becomes a header of ours. */
static bool is_sane_origin(const char *origin)
{
    size_t len = 0;
    while (origin[len] > ' ' && origin[len] < 0x7f)
        len++;
    return len > 0 && len <= LIMIT_ORIGIN && origin[len] == '\0';
}

/* What to allow `origin` by: itself or "*"; NULL: it is not allowed. */
static const char *allowed_origin(const char *origins, const char *origin)
{
    const char *entry;
    size_t len;
    const char *allowed = NULL;
    if (!origin || !is_sane_origin(origin))
        return NULL;
    while (next_entry(&origins, &entry, &len)) {
        if (is_any(entry, len))
            return "*";
        if (len > 0 && matches(entry, len, origin))
            allowed = origin;
    }
    return allowed;
}

static void grant_origin(const char *allowed, struct cors_grant *grant)
{
    grant->origin = allowed;
    grant->credentials = strcmp(allowed, "*") != 0;
}

void cors_decide(const struct cors_policy *policy, const char *origin, enum http_method method,
                 struct cors_grant *grant)
{
    *grant = (struct cors_grant){.origin = NULL};
    const char *allowed = allowed_origin(policy->origins, origin);
    if (allowed && (policy->methods & HTTP_METHOD_BIT(method)))
        grant_origin(allowed, grant);
}

/* --- Preflights --- */

/* The policy's name for a method, of any case; NULL: not allowed. */
static const char *allowed_method(const struct cors_policy *policy, const char *name)
{
    for (enum http_method method = HTTP_GET; method < HTTP_OTHER; method++) {
        if ((policy->methods & HTTP_METHOD_BIT(method)) &&
            strcasecmp(name, http_method_name(method)) == 0)
            return http_method_name(method);
    }
    return NULL;
}

/* The policy's name for a header; NULL: not allowed. */
static const char *allowed_header(const struct cors_policy *policy, const char *name, size_t len)
{
    static const char always[] = "Origin"; /* some browsers ask for it */
    for (const char *const *header = policy->headers; *header; header++) {
        if (strlen(*header) == len && strncasecmp(*header, name, len) == 0)
            return *header;
    }
    return strlen(always) == len && strncasecmp(always, name, len) == 0 ? always : NULL;
}

/* False when one of the headers is not allowed, or the list is absurdly long. */
static bool grant_headers(const struct cors_policy *policy, const char *asked,
                          char out[CORS_HEADERS_TEXT_MAX])
{
    const char *entry;
    size_t len;
    size_t used = 0;
    while (next_entry(&asked, &entry, &len)) {
        if (len == 0)
            continue;
        const char *header = allowed_header(policy, entry, len);
        const char *separator = used > 0 ? ", " : "";
        if (!header || used + strlen(separator) + len >= CORS_HEADERS_TEXT_MAX)
            return false;
        memcpy(out + used, separator, strlen(separator));
        used += strlen(separator);
        memcpy(out + used, header, len);
        used += len;
    }
    out[used] = '\0';
    return true;
}

void cors_decide_preflight(const struct cors_policy *policy, const struct cors_preflight *preflight,
                           struct cors_grant *grant)
{
    struct cors_grant made = {.origin = NULL};
    *grant = made;
    const char *allowed = allowed_origin(policy->origins, preflight->origin);
    made.method = allowed_method(policy, preflight->method);
    if (!allowed || !made.method ||
        !grant_headers(policy, preflight->headers ? preflight->headers : "", made.headers))
        return;
    grant_origin(allowed, &made);
    *grant = made;
}

/* --- Configuration --- */

static enum app_err check_pattern(const char *pattern, size_t len, struct err_buf *why)
{
    static const char separator[] = "://";
    const char *star = memchr(pattern, '*', len);
    if (len == 0 || len > LIMIT_ORIGIN)
        return err_set(why, APP_CONFIG, "has an empty or very long entry");
    for (size_t i = 0; i < len; i++) {
        if (pattern[i] <= ' ' || pattern[i] >= 0x7f)
            return err_set(why, APP_CONFIG, "origins are separated by commas");
    }
    if (star && memchr(star + 1, '*', len - (size_t)(star - pattern) - 1))
        return err_set(why, APP_CONFIG, "an origin can have one * only");
    if (star == pattern || (len == 4 && strncasecmp(pattern, "null", 4) == 0))
        return APP_OK;
    const char *host = memmem(pattern, len, separator, strlen(separator));
    size_t host_at = host ? (size_t)(host - pattern) + strlen(separator) : 0;
    if (!host || host == pattern || host_at == len || memchr(pattern + host_at, '/', len - host_at))
        return err_set(why, APP_CONFIG, "an origin is scheme://host or scheme://host:port");
    return APP_OK;
}

enum app_err cors_check_origins(const char *origins, struct err_buf *why)
{
    const char *entry;
    size_t len;
    enum app_err err = APP_OK;
    while (!err && next_entry(&origins, &entry, &len))
        err = check_pattern(entry, len, why);
    return err;
}
