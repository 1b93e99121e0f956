/* SPDX-License-Identifier: MIT */
/* One table from the X-macro; the accessors only index it. */
#include "lib/base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    int status;
    const char *slug;
    const char *text;
} table[] = {
#define X(name, status, slug, text) [APP_##name] = {status, slug, text},
    APP_ERR_LIST(X)
#undef X
};
static_assert(sizeof(table) / sizeof(table[0]) == APP_ERR__MAX, "every error has a row");

const char *app_strerror(enum app_err err)
{
    assert(err < APP_ERR__MAX);
    return table[err].text;
}

int app_err_status(enum app_err err)
{
    assert(err < APP_ERR__MAX);
    return table[err].status;
}

const char *app_err_slug(enum app_err err)
{
    assert(err < APP_ERR__MAX);
    return table[err].slug;
}

enum app_err err_set(struct err_buf *why, enum app_err err, const char *format, ...)
{
    if (why) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(why->text, sizeof(why->text), format, args);
        va_end(args);
    }
    return err;
}

void err_detail(struct err_buf *why, const char *format, ...)
{
    if (why) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(why->detail, sizeof(why->detail), format, args);
        va_end(args);
    }
}
