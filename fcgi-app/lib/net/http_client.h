/* SPDX-License-Identifier: MIT */
/*
 * HTTP requests to other servers: the only module that includes libcurl.
 *
 * Two kinds of callers. http_client_request speaks to an upstream that the
 * operator configured and trusts. http_client_fetch gets a stranger's URL: http
 * and https only, every connection checked by the address guard at the moment
 * it is made (and again when it is reused), no proxy, no credentials, no
 * compression, redirects followed here one by one and checked again.
 *
 * http_client_global_init once in main; then one struct http_client a thread.
 */
#ifndef LIB_NET_HTTP_CLIENT_H
#define LIB_NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/cancel.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/http/header.h"
#include "lib/net/address_guard.h"

struct http_client;

/* Bring the library up and down. main only. APP_INTERNAL. */
enum app_err http_client_global_init(void) __attribute__((warn_unused_result));
void http_client_global_release(void);

/* A handle for one thread, which keeps its connections open. APP_NO_MEMORY. */
enum app_err http_client_new(struct http_client **client) __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void http_client_free(struct http_client **client);

/* One multipart/form-data part that is sent as a file. */
struct http_file_part {
    const char *field;
    const char *filename;
    const char *content_type;
    const void *data; /* valid during the call */
    size_t len;
};

struct http_request {
    const char *method; /* "GET", "POST" */
    const char *url;
    const char *user; /* NULL: no Basic authorization */
    const char *password;
    const struct http_header *headers; /* header_count further ones */
    size_t header_count;
    const struct http_file_part *file; /* NULL: `body` is sent, if any */
    const void *body;
    size_t body_len;
    int64_t deadline_ns; /* CLOCK_MONOTONIC, for the whole exchange */
    struct cancel cancel;
    size_t max_answer; /* bytes of body */
    /*
     * Never send it twice. Otherwise a kept connection that turns out to be
     * closed by the other side is replaced by a new one, and the request goes
     * out again; a payment must not risk that, so it gets a handle and a
     * connection of its own, whose buffers are overwritten afterwards.
     */
    bool once;
};

struct http_answer {
    int status;
    struct buf body; /* the caller releases it */
    char content_type[128];
};

/*
 * Ask an upstream of ours; redirects are not followed. APP_OK whatever the
 * status is. APP_UPSTREAM_FAILED (refused, reset, not HTTP, answer too large),
 * APP_UPSTREAM_TIMEOUT, APP_CLIENT_GONE (request->cancel said so; it is asked once
 * a second at least), APP_NO_MEMORY, APP_INTERNAL (a header with a line break in it); the library's
 * words in why->detail.
 */
enum app_err http_client_request(struct http_client *client, const struct http_request *request,
                                 struct http_answer *answer, struct err_buf *why)
    __attribute__((warn_unused_result));

struct http_fetch {
    const char *url; /* absolute, http or https, as url_normalise left it; a fragment is not sent */
    const struct address_guard *guard;
    const char *allow_hosts; /* see host_list.h; NULL or "": any may be asked */
    const char *deny_hosts;  /* NULL or "": none is refused by name */
    const char *request_id;  /* sent as X-Request-Id; nothing else of ours is */
    int64_t deadline_ns;     /* for all redirects together */
    struct cancel cancel;
    size_t max_bytes;
};

/*
 * Get a stranger's URL into `body`, which the caller has initialised and
 * releases; what it held is gone, and after an error it is empty. A body that the server has coded
 * is decoded, and fetch->max_bytes limits what comes out. No two calls
 * share a connection with http_client_request. Errors, with a text for the client in why->text and
 * ours in why->detail: APP_FORBIDDEN_ADDRESS (the guard's, or a host that the lists refuse);
 * APP_FETCH_FAILED (name unknown, the server answered 4xx or something that is not 2xx, more than
 * LIMIT_FETCH_REDIRECTS redirects, a redirect to another scheme); APP_ORIGIN_FAILED (5xx, refused,
 * reset, bad TLS, 206, a content coding that is broken or unknown); APP_ORIGIN_TIMEOUT;
 * APP_TOO_LARGE; APP_CLIENT_GONE as above; APP_NO_MEMORY.
 */
enum app_err http_client_fetch(struct http_client *client, const struct http_fetch *fetch,
                               struct buf *body, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
