/* SPDX-License-Identifier: MIT */
/*
 * The steps are those of Go's net/url (parse, parseHost, setPath, String), in
 * its order, so that each can be laid beside the original; what it would accept
 * and we do not is refused after it had its say.
 */
#include "lib/http/url.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/base/hex.h"
#include "lib/base/limits.h"
#include "lib/base/utf8.h"

/* A part of the text; not terminated. */
struct span {
    const char *at;
    size_t len;
};

struct url_parts {
    struct span scheme;
    struct span host; /* with the port, as it was written */
    struct span path;
    struct span query;
    bool has_query;
};

static struct span span_of(const char *from, const char *end)
{
    return (struct span){from, (size_t)(end - from)};
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

/* The bytes that a host holds unescaped: Go's shouldEscape for a host, turned round. */
static bool is_host_byte(char c)
{
    return is_letter(c) || is_digit(c) || is_one_of(c, "-_.~!$&'()*+,;=:[]<>\"");
}

/* The bytes that Go's escape leaves alone in a path. */
static bool is_path_byte(char c)
{
    return is_letter(c) || is_digit(c) || is_one_of(c, "-_.~$&+,/:;=@");
}

/* The bytes that a path which came encoded may hold and still stay as it is. */
static bool is_valid_encoded_byte(char c)
{
    return is_path_byte(c) || is_one_of(c, "!'()*[]%");
}

/* The byte of the escape at text.at[i], -1 when it is not a whole escape. */
static int escaped_byte(struct span text, size_t i)
{
    return text.len - i < 3 ? -1 : hex_byte(text.at + i + 1);
}

static bool escapes_are_whole(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '%' && escaped_byte(text, i) < 0)
            return false;
    }
    return true;
}

static bool has_control_byte(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f)
            return true;
    }
    return false;
}

/* In front of the first ':'; false when there is none or it is not made of scheme characters. */
static bool split_scheme(struct span text, struct span *scheme, struct span *rest)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == ':' && i > 0) {
            *scheme = (struct span){text.at, i};
            *rest = (struct span){text.at + i + 1, text.len - i - 1};
            return true;
        }
        if (!is_letter(c) && (i == 0 || !(is_digit(c) || is_one_of(c, "+-."))))
            return false;
    }
    return false;
}

/* Nothing, or ':' and any number of digits, none included; a port that exists. */
static bool is_optional_port(struct span text)
{
    unsigned port = 0;
    if (text.len == 0)
        return true;
    if (text.at[0] != ':')
        return false;
    for (size_t i = 1; i < text.len; i++) {
        if (!is_digit(text.at[i]))
            return false;
        port = port * 10 + (unsigned)(text.at[i] - '0');
        if (port > UINT16_MAX)
            return false;
    }
    return true;
}

/*
 * Escapes in a host stand for bytes beyond ASCII only, and for '%' itself; in
 * the zone of an IPv6 literal also for a space and whatever could stand there
 * unescaped (RFC 6874, as loosely as Go takes it).
 */
static bool is_host_text(struct span text, bool zone)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '%') {
            int byte = escaped_byte(text, i);
            bool allowed = byte >= 0x80 || byte == '%';
            if (zone)
                allowed = byte == '%' || byte == ' ' || (byte > 0 && is_host_byte((char)byte));
            if (!allowed)
                return false;
            i += 2;
        } else if ((unsigned char)c < 0x80 && !is_host_byte(c)) {
            return false;
        }
    }
    return true;
}

static bool is_ip_literal_host(struct span host)
{
    const char *bracket = memrchr(host.at, ']', host.len);
    const char *end = host.at + host.len;
    if (!bracket || !is_optional_port(span_of(bracket + 1, end)))
        return false;
    const char *zone = memmem(host.at, (size_t)(bracket - host.at), "%25", 3);
    if (!zone)
        return is_host_text(host, false);
    return is_host_text(span_of(host.at, zone), false) &&
           is_host_text(span_of(zone, bracket), true) && is_host_text(span_of(bracket, end), false);
}

static bool is_host(struct span host)
{
    if (host.len > 0 && host.at[0] == '[')
        return is_ip_literal_host(host);
    const char *colon = memrchr(host.at, ':', host.len);
    if (colon && !is_optional_port(span_of(colon, host.at + host.len)))
        return false;
    return is_host_text(host, false);
}

/* Cut up what follows the scheme's colon. False when it does not begin with "//". */
static bool split_rest(struct span rest, struct url_parts *parts)
{
    const char *end = rest.at + rest.len;
    const char *mark = memchr(rest.at, '?', rest.len);
    if (mark) {
        parts->has_query = true;
        parts->query = span_of(mark + 1, end);
        end = mark;
    }
    if (end - rest.at < 2 || rest.at[0] != '/' || rest.at[1] != '/')
        return false;

    const char *authority = rest.at + 2;
    const char *slash = memchr(authority, '/', (size_t)(end - authority));
    parts->host = span_of(authority, slash ? slash : end);
    parts->path = slash ? span_of(slash, end) : span_of(end, end);
    return true;
}

/* Append a byte, escaped unless `keep`. */
static enum app_err append_byte(struct buf *out, char c, bool keep)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char byte = (unsigned char)c;
    char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
    return keep ? buf_append(out, &c, 1) : buf_append(out, escape, sizeof(escape));
}

/* Unescape and escape again, which is what Go's parsing and printing come to. */
static enum app_err append_normalised(struct buf *out, struct span text, bool keep(char c))
{
    enum app_err err = APP_OK;
    for (size_t i = 0; i < text.len && !err; i++) {
        char c = text.at[i];
        if (c == '%') {
            c = (char)escaped_byte(text, i);
            i += 2;
        }
        err = append_byte(out, c, keep(c));
    }
    return err;
}

/* As it is when it is a valid encoding, else encoded anew (Go's EscapedPath). */
static enum app_err append_path(struct buf *out, struct span path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (!is_valid_encoded_byte(path.at[i]))
            return append_normalised(out, path, is_path_byte);
    }
    return buf_append(out, path.at, path.len);
}

static enum app_err append_url(struct buf *out, const struct url_parts *parts)
{
    enum app_err err = APP_OK;
    for (size_t i = 0; i < parts->scheme.len && !err; i++) {
        char c = parts->scheme.at[i];
        err = append_byte(out, (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c), true);
    }
    if (!err)
        err = buf_append_str(out, "://");
    if (!err)
        err = append_normalised(out, parts->host, is_host_byte);
    if (!err)
        err = append_path(out, parts->path);
    if (!err && parts->has_query)
        err = buf_append_str(out, "?");
    if (!err)
        err = buf_append(out, parts->query.at, parts->query.len);
    return err;
}

static bool scheme_is(struct span scheme, const char *name)
{
    return scheme.len == strlen(name) && strncasecmp(scheme.at, name, scheme.len) == 0;
}

static enum app_err refuse(struct err_buf *why, struct span text, const char *reason)
{
    char shown[LIMIT_ECHO + 1];
    utf8_copy_printable(shown, LIMIT_ECHO, text.at, text.len);
    return err_set(why, APP_INVALID_URL, "%s is not a valid URL%s", shown, reason);
}

enum app_err url_normalise(const char *text, size_t len, struct buf *out, struct err_buf *why)
{
    struct span whole = {text, len};
    struct url_parts parts = {.has_query = false};
    struct span rest;
    if (has_control_byte(whole) || !split_scheme(whole, &parts.scheme, &rest))
        return refuse(why, whole, "");
    if (!scheme_is(parts.scheme, "http") && !scheme_is(parts.scheme, "https"))
        return refuse(why, whole, ": only http and https are taken");
    if (!split_rest(rest, &parts) || parts.host.len == 0 || parts.host.at[0] == ':')
        return refuse(why, whole, ": it has no host");
    if (memchr(parts.host.at, '@', parts.host.len))
        return refuse(why, whole, ": a user or password is not taken");
    if (!is_host(parts.host) || !escapes_are_whole(parts.path))
        return refuse(why, whole, "");

    size_t before = out->len;
    enum app_err err = append_url(out, &parts);
    if (err) { /* a failed call leaves no half URL behind */
        out->len = before;
        if (out->data)
            out->data[before] = '\0';
    }
    return err;
}
