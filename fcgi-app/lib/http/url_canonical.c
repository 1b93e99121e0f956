/* SPDX-License-Identifier: MIT */
#include "lib/http/url_canonical.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "lib/base/hex.h"

/* RFC 3986, 2.3 */
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

/* RFC 3986, 2.2 */
static bool is_reserved(char c)
{
    return c != '\0' && strchr(":/?#[]@!$&'()*+,;=", c);
}

static enum app_err append_escape(struct buf *out, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";
    const char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
    return buf_append(out, escape, sizeof(escape));
}

/*
 * Escapes of what needs none are undone, the others have capitals, and what needs one has one.
 * Escapes that are cut short stay.
 */
static enum app_err append_text(struct buf *out, const char *text, size_t len)
{
    enum app_err err = APP_OK;
    for (size_t i = 0; i < len && !err; i++) {
        int byte = text[i] == '%' && len - i >= 3 ? hex_byte(text + i + 1) : -1;
        char c = byte < 0 ? text[i] : (char)byte;
        if (is_unreserved(c) || (byte < 0 && (is_reserved(c) || c == '%')))
            err = buf_append(out, &c, 1);
        else
            err = append_escape(out, (unsigned char)c);
        i += byte < 0 ? 0 : 2;
    }
    return err;
}

/* Everything in lower case but escapes; without the dot at the end. */
static enum app_err append_host(struct buf *out, const char *host, size_t len)
{
    enum app_err err = APP_OK;
    if (len > 1 && host[len - 1] == '.')
        len--;
    for (size_t i = 0; i < len && !err; i++) {
        bool escape = host[i] == '%' && len - i >= 3;
        char c = host[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        err = escape ? buf_append(out, host + i, 3) : buf_append(out, &c, 1);
        i += escape ? 2 : 0;
    }
    return err;
}

/* Its number without zeros in front; nothing for the scheme's own port. */
static enum app_err append_port(struct buf *out, const char *port, size_t len, bool is_https)
{
    const char *own = is_https ? "443" : "80";
    while (len > 1 && port[0] == '0') {
        port++;
        len--;
    }
    if (len == 0 || (len == strlen(own) && memcmp(port, own, len) == 0))
        return APP_OK;
    enum app_err err = buf_append(out, ":", 1);
    return err ? err : buf_append(out, port, len);
}

static enum app_err append_authority(struct buf *out, const char *text, size_t len, bool is_https)
{
    const char *bracket = memrchr(text, ']', len);
    const char *from = bracket ? bracket : text;
    const char *colon = memrchr(from, ':', len - (size_t)(from - text));
    size_t host_len = colon ? (size_t)(colon - text) : len;
    enum app_err err = append_host(out, text, host_len);
    if (!err && colon)
        err = append_port(out, colon + 1, len - host_len - 1, is_https);
    return err;
}

/* RFC 3986, 5.2.4, in place. `path` begins with a slash. Returns the new length. */
static size_t remove_dot_segments(char *path, size_t len)
{
    size_t kept = 0;
    for (size_t at = 0; at < len;) {
        const char *slash = memchr(path + at + 1, '/', len - at - 1);
        size_t end = slash ? (size_t)(slash - path) : len;
        size_t segment = end - at - 1;
        bool one = segment == 1 && path[at + 1] == '.';
        bool two = segment == 2 && path[at + 1] == '.' && path[at + 2] == '.';
        while (two && kept > 0 && path[--kept] != '/')
            continue;
        if (!one && !two) {
            memmove(path + kept, path + at, end - at);
            kept += end - at;
        } else if (end == len) {
            path[kept++] = '/';
        }
        at = end;
    }
    return kept;
}

enum app_err url_canonical(const char *url, struct buf *out)
{
    bool is_https = strncasecmp(url, "https://", 8) == 0;
    const char *authority = url + (is_https ? 8 : 7);
    const char *path = authority + strcspn(authority, "/?");
    const char *query = path + strcspn(path, "?");
    enum app_err err = buf_append_str(out, is_https ? "https://" : "http://");
    if (!err)
        err = append_authority(out, authority, (size_t)(path - authority), is_https);
    size_t before = out->len;
    if (!err && path == query)
        err = buf_append(out, "/", 1);
    if (!err)
        err = append_text(out, path, (size_t)(query - path));
    if (err)
        return err;
    out->len = before + remove_dot_segments(out->data + before, out->len - before);
    out->data[out->len] = '\0';
    if (query[0] == '\0' || query[1] == '\0')
        return APP_OK;
    return append_text(out, query, strlen(query));
}
