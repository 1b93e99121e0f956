/* SPDX-License-Identifier: MIT */
/*
 * Taking a picture down so that it stays down, whichever way it is posted again.
 *
 * A key names one spelling of a URL, so a mark on the key alone would hold for that spelling
 * only. Therefore the source has marks of its own in the cache, entries without data as
 * cache_take_down makes them: one for the URL's canonical form ("url:" and a digest) and one for
 * the picture's bytes, which is the key that they have when they are posted themselves. From a
 * key neither can be told, so a record beside each result of a URL names them ("source:" and
 * the key; emojify-cache keeps it for as long as the result is used). No client can name such
 * an id, since names in GET /cache/ have no colon.
 *
 * The marks are in the cache, so they hold for every pool that uses it. Any thread, with its own
 * caller. Errors of all but takedown_mark_of_url are those of cache_client.h.
 */
#ifndef API_CLIENTS_TAKEDOWN_H
#define API_CLIENTS_TAKEDOWN_H

#include "api/clients/cache_client.h"
#include "api/picture_key.h"
#include "lib/base/err.h"

enum { TAKEDOWN_URL_MARK_LEN = 4 + PICTURE_KEY_LEN };

/* What a source is marked by once it was taken down. */
struct takedown_marks {
    char url[TAKEDOWN_URL_MARK_LEN + 1];
    char bytes[PICTURE_KEY_LEN + 1];
};

/* The mark of a URL as url_normalise has it. APP_INTERNAL, APP_NO_MEMORY. */
enum app_err takedown_mark_of_url(const char *url, char mark[TAKEDOWN_URL_MARK_LEN + 1])
    __attribute__((warn_unused_result));

/* APP_GONE, with a text for the client: the source with this mark was taken down. */
enum app_err takedown_check(struct cache_caller *caller, const struct cache_call *call,
                            const char *mark, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Store the record of `key`, before its result is stored. */
enum app_err takedown_note(struct cache_caller *caller, const struct cache_call *call,
                           const char *key, const struct takedown_marks *marks, struct err_buf *why)
    __attribute__((warn_unused_result));

/*
 * Take down what is stored under `key`, and then its source. After an error it may be repeated.
 * `*marks` is empty when the source is not known: the key is of a picture's bytes, or of another
 * program, or the record is not there any more.
 */
enum app_err takedown_run(struct cache_caller *caller, const struct cache_call *call,
                          const char *key, struct takedown_marks *marks, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
