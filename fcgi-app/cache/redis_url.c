/* SPDX-License-Identifier: MIT */
/* From left to right: scheme, login, then what each of the two schemes has its own. */
#include "cache/redis_url.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/hex.h"

/* A stretch of the URL. */
struct part {
    const char *text;
    size_t len;
};

/* Cut the stretch before the first `mark` off `rest`, which then begins behind it. */
static bool cut_before(struct part *rest, char mark, struct part *before)
{
    const char *at = memchr(rest->text, mark, rest->len);
    if (!at)
        return false;
    *before = (struct part){rest->text, (size_t)(at - rest->text)};
    *rest = (struct part){at + 1, rest->len - before->len - 1};
    return true;
}

/* Copy a stretch, percent-decoded. False when it is too long or is not decodable to text. */
static bool decode(struct part part, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < part.len; i++) {
        char byte = part.text[i];
        if (byte == '%') {
            int escaped = part.len - i > 2 ? hex_byte(part.text + i + 1) : -1;
            if (escaped < 0)
                return false;
            byte = (char)escaped;
            i += 2;
        }
        if (byte == '\0' || len + 1 >= size)
            return false;
        out[len++] = byte;
    }
    out[len] = '\0';
    return true;
}

/* A decimal number up to `max` as text, without leading zeros. */
static bool copy_number(struct part part, long max, char *out, size_t size)
{
    if (part.len == 0 || part.len + 1 > size || (part.len > 1 && part.text[0] == '0'))
        return false;
    for (size_t i = 0; i < part.len; i++) {
        if (!isdigit((unsigned char)part.text[i]))
            return false;
        out[i] = part.text[i];
    }
    out[part.len] = '\0';
    return strtol(out, NULL, 10) <= max;
}

static enum app_err read_database(struct part part, struct redis_url *url, struct err_buf *why)
{
    if (!copy_number(part, 999999, url->database, sizeof(url->database)))
        return err_set(why, APP_CONFIG, "the database must be a number from 0 to 999999");
    return APP_OK;
}

/* user:password, of which the user may be empty. */
static enum app_err read_login(struct part login, struct redis_url *url, struct err_buf *why)
{
    struct part user;
    if (!cut_before(&login, ':', &user) || login.len == 0)
        return err_set(why, APP_CONFIG, "before @ there must be user:password or :password");
    if (!decode(user, url->user, sizeof(url->user)) ||
        !decode(login, url->password, sizeof(url->password)))
        return err_set(why, APP_CONFIG, "user or password is too long or wrongly percent-encoded");
    return APP_OK;
}

/* Split the login off, which ends at the last @ before the path. */
static enum app_err split_login(struct part *rest, struct redis_url *url, struct err_buf *why)
{
    const char *slash = memchr(rest->text, '/', rest->len);
    size_t len = slash ? (size_t)(slash - rest->text) : rest->len;
    const char *at = memrchr(rest->text, '@', len);
    if (!at)
        return APP_OK;
    struct part login = {rest->text, (size_t)(at - rest->text)};
    *rest = (struct part){at + 1, rest->len - login.len - 1};
    return read_login(login, url, why);
}

/* A name or address; what it means is the resolver's to say. */
static bool copy_host(struct part host, struct redis_url *url)
{
    if (host.len == 0 || host.len >= sizeof(url->host))
        return false;
    for (size_t i = 0; i < host.len; i++) {
        if (!isalnum((unsigned char)host.text[i]) && !strchr(".:-_%", host.text[i]))
            return false;
    }
    memcpy(url->host, host.text, host.len);
    url->host[host.len] = '\0';
    return true;
}

static enum app_err read_authority(struct part rest, struct redis_url *url, struct err_buf *why)
{
    struct part host = rest;
    struct part port = {"6379", 4};
    bool has_port;
    if (rest.len > 0 && rest.text[0] == '[') {
        rest = (struct part){rest.text + 1, rest.len - 1};
        if (!cut_before(&rest, ']', &host))
            return err_set(why, APP_CONFIG, "the address has no closing bracket");
        has_port = rest.len > 0;
        if (has_port && rest.text[0] != ':')
            return err_set(why, APP_CONFIG, "behind the bracket there may be a port only");
        port = has_port ? (struct part){rest.text + 1, rest.len - 1} : port;
    } else {
        has_port = cut_before(&rest, ':', &host);
        port = has_port ? rest : port;
    }
    if (!copy_host(host, url))
        return err_set(why, APP_CONFIG, "there is no host, or one that cannot be");
    if (!copy_number(port, 65535, url->port, sizeof(url->port)) || url->port[0] == '0')
        return err_set(why, APP_CONFIG, "the port must be a number from 1 to 65535");
    return APP_OK;
}

/* host[:port][/database] */
static enum app_err read_tcp(struct part rest, struct redis_url *url, struct err_buf *why)
{
    struct part authority = rest;
    bool has_path = cut_before(&rest, '/', &authority);
    enum app_err err = read_authority(authority, url, why);
    if (!err && has_path && rest.len > 0)
        err = read_database(rest, url, why);
    return err;
}

/* /path[?db=database] */
static enum app_err read_unix(struct part rest, struct redis_url *url, struct err_buf *why)
{
    static const char key[] = "db=";
    struct part path = rest;
    bool has_query = cut_before(&rest, '?', &path);
    if (path.len < 2 || path.text[0] != '/' || !decode(path, url->path, sizeof(url->path)))
        return err_set(why, APP_CONFIG, "must be unix:///path of less than %d bytes",
                       REDIS_PATH_MAX);
    if (!has_query)
        return APP_OK;
    if (rest.len < strlen(key) || memcmp(rest.text, key, strlen(key)) != 0)
        return err_set(why, APP_CONFIG, "behind ? there may be db=NUMBER only");
    rest = (struct part){rest.text + strlen(key), rest.len - strlen(key)};
    return read_database(rest, url, why);
}

enum app_err redis_url_parse(const char *text, struct redis_url *url, struct err_buf *why)
{
    static const char tcp[] = "redis://";
    static const char local[] = "unix://";
    struct redis_url made = {.database = "0"};
    bool is_tcp = strncmp(text, tcp, strlen(tcp)) == 0;
    if (strncmp(text, "rediss://", strlen("rediss://")) == 0)
        return err_set(why, APP_CONFIG,
                       "rediss:// is not supported: there is no TLS to Redis, use a tunnel");
    if (!is_tcp && strncmp(text, local, strlen(local)) != 0)
        return err_set(why, APP_CONFIG, "must begin with redis:// or unix://");

    const char *behind = text + (is_tcp ? strlen(tcp) : strlen(local));
    struct part rest = {behind, strlen(behind)};
    enum app_err err = split_login(&rest, &made, why);
    if (!err)
        err = is_tcp ? read_tcp(rest, &made, why) : read_unix(rest, &made, why);
    if (!err)
        *url = made;
    return err;
}
