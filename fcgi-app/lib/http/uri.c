/* SPDX-License-Identifier: MIT */
/* Decode first, look at the result: what an escape hides is judged like what it spells. */
#include "lib/http/uri.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/hex.h"
#include "lib/base/utf8.h"

static bool has_control(const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f)
            return true;
    }
    return false;
}

static bool is_printable(const char *text, size_t len)
{
    while (len > 0) {
        size_t step = utf8_printable_len(text, len);
        if (step == 0)
            return false;
        text += step;
        len -= step;
    }
    return true;
}

/* Decode the escape at `text`, "%" and two digits; returns -1 for what is refused. */
static int decode_escape(const char *text)
{
    int byte = hex_byte(text + 1);
    return byte == 0 || byte == '/' ? -1 : byte;
}

enum app_err uri_split(const char *target, char *path, size_t size, const char **query,
                       struct err_buf *why)
{
    if (target[0] != '/')
        return err_set(why, APP_BAD_REQUEST, "the request's path must begin with /");
    if (has_control(target))
        return err_set(why, APP_BAD_REQUEST, "the request's path has a control character");

    size_t raw_len = strcspn(target, "?");
    size_t len = 0;
    for (size_t i = 0; i < raw_len; len++) {
        int byte = (unsigned char)target[i];
        if (byte == '%') {
            byte = decode_escape(target + i);
            if (byte < 0)
                return err_set(why, APP_BAD_REQUEST, "the request's path has a bad escape");
            i += 3;
        } else {
            i++;
        }
        if (len + 1 >= size)
            return err_set(why, APP_URI_TOO_LONG, "%s", app_strerror(APP_URI_TOO_LONG));
        path[len] = (char)byte;
    }
    path[len] = '\0';
    if (!is_printable(path, len))
        return err_set(why, APP_BAD_REQUEST, "the request's path is not printable UTF-8");
    *query = target[raw_len] == '?' ? target + raw_len + 1 : "";
    return APP_OK;
}
