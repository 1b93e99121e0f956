/* SPDX-License-Identifier: MIT */
#include "api/clients/takedown.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/digest.h"
#include "lib/base/limits.h"
#include "lib/http/url_canonical.h"
#include "lib/wire/cache_item.h"

#define URL_PREFIX "url:"

static_assert(TAKEDOWN_URL_MARK_LEN == (int)(sizeof(URL_PREFIX) - 1 + SHA256_HEX_LEN),
              "a mark is the prefix and a digest");

enum {
    RECORD_ID_LEN = (int)sizeof(CACHE_RECORD_PREFIX) - 1 + PICTURE_KEY_LEN,
    RECORD_LEN = TAKEDOWN_URL_MARK_LEN + 1 + PICTURE_KEY_LEN + 1 /* a line for each mark */
};

enum app_err takedown_mark_of_url(const char *url, char mark[TAKEDOWN_URL_MARK_LEN + 1])
{
    struct buf canonical;
    char digest[SHA256_HEX_LEN + 1];
    buf_init(&canonical, 3 * strlen(url) + 1);
    enum app_err err = url_canonical(url, &canonical);
    if (!err)
        err = sha256_hex("canonical url\n", canonical.data, canonical.len, digest);
    if (!err)
        (void)snprintf(mark, TAKEDOWN_URL_MARK_LEN + 1, URL_PREFIX "%s", digest);
    buf_release(&canonical);
    return err;
}

/*
 * A cache that does not tell marks from entries, as the Go service's, says that an empty entry
 * exists; under a URL's mark there is never another one.
 */
enum app_err takedown_check(struct cache_caller *caller, const struct cache_call *call,
                            const char *mark, struct err_buf *why)
{
    bool exists = false;
    enum app_err err = cache_exists(caller, call, mark, &exists, why);
    if (!err && exists && strncmp(mark, URL_PREFIX, strlen(URL_PREFIX)) == 0)
        err = APP_GONE;
    return err == APP_GONE ? err_set(why, err, "%s", app_strerror(err)) : err;
}

static void name_record(const char *key, char id[RECORD_ID_LEN + 1])
{
    (void)snprintf(id, RECORD_ID_LEN + 1, CACHE_RECORD_PREFIX "%s", key);
}

enum app_err takedown_note(struct cache_caller *caller, const struct cache_call *call,
                           const char *key, const struct takedown_marks *marks, struct err_buf *why)
{
    char id[RECORD_ID_LEN + 1], record[RECORD_LEN + 1];
    name_record(key, id);
    int len = snprintf(record, sizeof(record), "%s\n%s\n", marks->url, marks->bytes);
    return cache_put(caller, call, id, record, (size_t)len, why);
}

/* Others may write to the cache. */
static bool parse(const struct cache_item *item, struct takedown_marks *marks)
{
    char record[RECORD_LEN + 1];
    size_t len = 0;
    if (item->len != RECORD_LEN)
        return false;
    for (size_t i = 0; i < item->count; i++) {
        memcpy(record + len, item->pieces[i].iov_base, item->pieces[i].iov_len);
        len += item->pieces[i].iov_len;
    }
    record[len] = '\0';
    const char *bytes = record + TAKEDOWN_URL_MARK_LEN + 1;
    bool is_record = strncmp(record, URL_PREFIX, strlen(URL_PREFIX)) == 0 &&
                     strspn(record + strlen(URL_PREFIX), "0123456789abcdef") == SHA256_HEX_LEN &&
                     bytes[-1] == '\n' && strspn(bytes, "0123456789abcdef") == PICTURE_KEY_LEN;
    if (!is_record)
        return false;
    (void)snprintf(marks->url, sizeof(marks->url), "%.*s", TAKEDOWN_URL_MARK_LEN, record);
    (void)snprintf(marks->bytes, sizeof(marks->bytes), "%.*s", PICTURE_KEY_LEN, bytes);
    return true;
}

static enum app_err read_record(struct cache_caller *caller, const struct cache_call *call,
                                const char *key, struct takedown_marks *marks, struct err_buf *why)
{
    char id[RECORD_ID_LEN + 1];
    struct cache_item item;
    *marks = (struct takedown_marks){.url = ""};
    if (strlen(key) != PICTURE_KEY_LEN)
        return APP_OK;
    name_record(key, id);
    enum app_err err = cache_get(caller, call, id, &item, why);
    if (err)
        return err == APP_NOT_FOUND ? APP_OK : err;
    (void)parse(&item, marks);
    cache_item_release(&item);
    return APP_OK;
}

enum app_err takedown_run(struct cache_caller *caller, const struct cache_call *call,
                          const char *key, struct takedown_marks *marks, struct err_buf *why)
{
    *marks = (struct takedown_marks){.url = ""};
    enum app_err err = cache_take_down(caller, call, key, why);
    if (!err)
        err = read_record(caller, call, key, marks, why);
    if (!err && marks->url[0])
        err = cache_take_down(caller, call, marks->url, why);
    if (!err && marks->bytes[0])
        err = cache_take_down(caller, call, marks->bytes, why);
    return err;
}
