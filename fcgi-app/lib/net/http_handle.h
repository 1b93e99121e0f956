/* SPDX-License-Identifier: MIT */
/*
 * What requests to upstreams and fetches of strangers' URLs share: the curl
 * handles and the options that every transfer has. Private to lib/net.
 */
#ifndef LIB_NET_HTTP_HANDLE_H
#define LIB_NET_HTTP_HANDLE_H

#include <curl/curl.h>
#include <locale.h>
#include <stdint.h>

#include "lib/base/cancel.h"
#include "lib/base/err.h"

struct http_client {
    /* Two handles, so that a stranger's URL never gets a connection made to an upstream. */
    CURL *upstream;
    CURL *origin;
    locale_t utf8; /* 0 when the system has no such locale */
    char error[CURL_ERROR_SIZE];
};

/*
 * Forget the last transfer's options (connections and resolved names stay) and
 * set those that every transfer has: `left_ms`, which is not 0, for all of it,
 * verified TLS, no signals, no proxy, HTTP/1.1 without HTTP/0.9. APP_NO_MEMORY.
 */
enum app_err http_handle_prepare(struct http_client *client, CURL *curl, int64_t left_ms)
    __attribute__((warn_unused_result));

/* Have the transfer end with CURLE_ABORTED_BY_CALLBACK once `cancel`, which must stay, says so. */
enum app_err http_handle_set_cancel(CURL *curl, const struct cancel *cancel)
    __attribute__((warn_unused_result));

/* Run the transfer; client->error then has the library's words, if it had any. */
CURLcode http_handle_perform(struct http_client *client, CURL *curl);

/* What went wrong, in the library's words. */
const char *http_handle_error(const struct http_client *client, CURLcode code);

/*
 * Append "name: value" to `list`, which stays the caller's. APP_NO_MEMORY;
 * APP_INTERNAL when the text would not stay one header line.
 */
enum app_err http_handle_add_header(struct curl_slist **list, const char *name, const char *value)
    __attribute__((warn_unused_result));

#endif
