/* SPDX-License-Identifier: MIT */
/*
 * A stranger's URL, hop by hop. curl could follow redirects by itself; done
 * here, each new URL goes through the same checks as the first one.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/base/utf8.h"
#include "lib/net/host_list.h"
#include "lib/net/http_client.h"
#include "lib/net/http_handle.h"

/* RFC 9110, 15.3.7: the answer to a request with Range, which is never sent. */
enum { PARTIAL_CONTENT = 206 };

enum { KEPT_CONNECTIONS = 4, KEPT_SECONDS = 15, SHOWN_NAME = 100 };

#define CANNOT "the picture could not be fetched: "

/* What the callbacks noted during one transfer, which curl's code does not tell. */
struct notes {
    unsigned addresses_refused;
    unsigned addresses_allowed;
    size_t header_bytes;
    size_t dropped_bytes;
    bool headers_too_large;
    enum app_err body_err;
    struct err_buf refusal; /* the guard's */
};

/* A fetch at the hop it has reached. */
struct hop {
    struct http_client *client;
    const struct http_fetch *fetch;
    struct curl_slist *headers;
    CURLU *url;
    struct buf *body;
    struct err_buf *why;
    struct notes notes;
};

static long status_of(const struct hop *hop)
{
    long status = 0;
    (void)curl_easy_getinfo(hop->client->origin, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool is_success(long status)
{
    return status >= 200 && status <= 299;
}

static curl_socket_t open_checked_socket(void *object, curlsocktype purpose,
                                         struct curl_sockaddr *address)
{
    struct hop *hop = object;
    if (purpose != CURLSOCKTYPE_IPCXN ||
        address_guard_check(hop->fetch->guard, &address->addr, &hop->notes.refusal)) {
        hop->notes.addresses_refused++;
        return CURL_SOCKET_BAD;
    }
    hop->notes.addresses_allowed++;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The family stays 0, which no guard allows, when the text is no address. */
static void fill_sockaddr(struct sockaddr_storage *out, const char *ip, int port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
        memcpy(out, &v4, sizeof(v4));
    else if (inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1)
        memcpy(out, &v6, sizeof(v6));
}

/* Also called for a kept connection, which another fetch with another guard may have made. */
static int check_connected_peer(void *object, char *peer_ip, char *local_ip, int peer_port,
                                int local_port)
{
    struct hop *hop = object;
    (void)local_ip;
    (void)local_port;
    struct sockaddr_storage peer;
    fill_sockaddr(&peer, peer_ip, peer_port);
    enum app_err err =
        address_guard_check(hop->fetch->guard, (const struct sockaddr *)&peer, &hop->notes.refusal);
    return err ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t count_header(char *data, size_t size, size_t count, void *object)
{
    struct hop *hop = object;
    (void)data;
    hop->notes.header_bytes += size * count;
    hop->notes.headers_too_large = hop->notes.header_bytes > LIMIT_FETCH_HEADERS;
    return hop->notes.headers_too_large ? CURL_WRITEFUNC_ERROR : size * count;
}

static size_t take_body(char *data, size_t size, size_t count, void *object)
{
    struct hop *hop = object;
    size_t len = size * count;
    if (!is_success(status_of(hop))) {
        hop->notes.dropped_bytes += len;
        return hop->notes.dropped_bytes > LIMIT_FETCH_DROPPED ? CURL_WRITEFUNC_ERROR : len;
    }
    bool fits = len <= hop->fetch->max_bytes - hop->body->len;
    hop->notes.body_err = fits ? buf_append(hop->body, data, len) : APP_TOO_LARGE;
    return hop->notes.body_err ? CURL_WRITEFUNC_ERROR : len;
}

static enum app_err set_options(struct hop *hop)
{
    CURL *curl = hop->client->origin;
    int failed = 0;
    failed |= (int)curl_easy_setopt(curl, CURLOPT_CURLU, hop->url);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, hop->headers);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_checked_socket);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, hop);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, check_connected_peer);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_PREREQDATA, hop);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, count_header);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_HEADERDATA, hop);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_WRITEDATA, hop);
    failed |=
        (int)curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)hop->fetch->max_bytes);
    /* A server that codes the body all the same is decoded; take_body counts what comes out. */
    failed |= (int)curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "identity");
    failed |= (int)curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, (long)KEPT_SECONDS);
    return failed ? APP_NO_MEMORY : APP_OK;
}

/* A part of the hop's URL as it can be shown to a client. */
static void show_part(const struct hop *hop, CURLUPart part, char shown[SHOWN_NAME + 1])
{
    char *text = NULL;
    shown[0] = '\0';
    if (curl_url_get(hop->url, part, &text, 0) == CURLUE_OK)
        utf8_copy_printable(shown, SHOWN_NAME, text, strlen(text));
    curl_free(text);
}

static const struct outcome {
    CURLcode code;
    enum app_err err;
    const char *text;
} outcomes[] = {
    {CURLE_OPERATION_TIMEDOUT, APP_ORIGIN_TIMEOUT, "the picture's server took too long"},
    {CURLE_URL_MALFORMAT, APP_FETCH_FAILED, CANNOT "its host is not a name"},
    {CURLE_COULDNT_CONNECT, APP_ORIGIN_FAILED, "the picture's server could not be reached"},
    {CURLE_PEER_FAILED_VERIFICATION, APP_ORIGIN_FAILED,
     "the certificate of the picture's server is not valid"},
    {CURLE_SSL_CONNECT_ERROR, APP_ORIGIN_FAILED,
     "no secure connection to the picture's server could be made"},
    {CURLE_GOT_NOTHING, APP_ORIGIN_FAILED, "the picture's server did not answer"},
    {CURLE_PARTIAL_FILE, APP_ORIGIN_FAILED, "the picture's server broke off"},
    {CURLE_RECV_ERROR, APP_ORIGIN_FAILED, "the picture's server broke off"},
    {CURLE_SEND_ERROR, APP_ORIGIN_FAILED, "the picture's server broke off"},
    {CURLE_BAD_CONTENT_ENCODING, APP_ORIGIN_FAILED,
     "the picture's server sent a content coding that is broken or unknown"},
    /* The scheme was checked before: this is an answer of HTTP/0.9, which is any bytes at all. */
    {CURLE_UNSUPPORTED_PROTOCOL, APP_ORIGIN_FAILED, "the picture's server does not speak HTTP"},
    {CURLE_WEIRD_SERVER_REPLY, APP_ORIGIN_FAILED, "the picture's server does not speak HTTP"},
};

/* curl calls a header line beyond its own ceiling "out of memory" too. */
static bool is_out_of_memory(const struct hop *hop, CURLcode code)
{
    curl_off_t first_byte_us = 0;
    (void)curl_easy_getinfo(hop->client->origin, CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us);
    return hop->notes.body_err == APP_NO_MEMORY ||
           (code == CURLE_OUT_OF_MEMORY && first_byte_us == 0);
}

static enum app_err explain_refusal(const struct hop *hop)
{
    err_detail(hop->why, "%s", hop->notes.refusal.detail);
    return err_set(hop->why, APP_FORBIDDEN_ADDRESS, "%s", hop->notes.refusal.text);
}

/* What our own callbacks found, of which curl only says that they stopped it. APP_OK: nothing. */
static enum app_err explain_stop(const struct hop *hop, CURLcode code)
{
    if (is_out_of_memory(hop, code))
        return err_set(hop->why, APP_NO_MEMORY, "%s", app_strerror(APP_NO_MEMORY));
    if (code == CURLE_ABORTED_BY_CALLBACK && cancel_asked(&hop->fetch->cancel))
        return err_set(hop->why, APP_CLIENT_GONE, "%s", app_strerror(APP_CLIENT_GONE));
    if (code == CURLE_ABORTED_BY_CALLBACK ||
        (code == CURLE_COULDNT_CONNECT && hop->notes.addresses_refused &&
         !hop->notes.addresses_allowed))
        return explain_refusal(hop);
    if (code == CURLE_FILESIZE_EXCEEDED || hop->notes.body_err == APP_TOO_LARGE)
        return err_set(hop->why, APP_TOO_LARGE, "the picture has more than %zu bytes",
                       hop->fetch->max_bytes);
    if (hop->notes.headers_too_large || code == CURLE_OUT_OF_MEMORY)
        return err_set(hop->why, APP_ORIGIN_FAILED,
                       "the picture's server answered with too many headers");
    return APP_OK;
}

static enum app_err explain_failure(const struct hop *hop, CURLcode code)
{
    enum app_err err = explain_stop(hop, code);
    if (err)
        return err;

    err_detail(hop->why, "%s", http_handle_error(hop->client, code));
    if (code == CURLE_COULDNT_RESOLVE_HOST) {
        char name[SHOWN_NAME + 1];
        show_part(hop, CURLUPART_HOST, name);
        return err_set(hop->why, APP_FETCH_FAILED, CANNOT "the name %s is unknown", name);
    }
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        if (outcomes[i].code == code)
            return err_set(hop->why, outcomes[i].err, "%s", outcomes[i].text);
    }
    return err_set(hop->why, APP_ORIGIN_FAILED, "%s", app_strerror(APP_ORIGIN_FAILED));
}

static enum app_err explain_status(const struct hop *hop, long status)
{
    char url[SHOWN_NAME + 1];
    show_part(hop, CURLUPART_URL, url);
    err_detail(hop->why, "%s answered %ld", url, status);
    if (status >= 500 && status <= 599)
        return err_set(hop->why, APP_ORIGIN_FAILED, "the picture's server answered %ld", status);
    return err_set(hop->why, APP_FETCH_FAILED, CANNOT "the server answered %ld", status);
}

static bool is_web_scheme(CURLU *url)
{
    char *scheme = NULL;
    bool web = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
               (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    return web;
}

/* The lists speak of names; whatever address they lead to is the guard's business. */
static enum app_err check_host(const struct hop *hop)
{
    const char *allowed = hop->fetch->allow_hosts;
    const char *denied = hop->fetch->deny_hosts;
    char *host = NULL;
    enum app_err err = APP_OK;
    locale_t before = uselocale(hop->client->utf8); /* for international names */
    CURLUcode code = curl_url_get(hop->url, CURLUPART_HOST, &host, CURLU_PUNYCODE);
    (void)uselocale(before);
    if (code)
        return err_set(hop->why, APP_FETCH_FAILED, CANNOT "its host is not a name");
    const char *reason = NULL;
    if (denied && host_list_has(denied, host))
        reason = "is in the list of hosts that are not fetched from";
    else if (allowed && *allowed && !host_list_has(allowed, host))
        reason = "is not in the list of hosts that may be fetched from";
    if (reason) {
        err_detail(hop->why, "%s %s", host, reason);
        err = err_set(hop->why, APP_FORBIDDEN_ADDRESS, "%s", app_strerror(APP_FORBIDDEN_ADDRESS));
    }
    curl_free(host);
    return err;
}

static enum app_err explain_url(CURLUcode code, const char *subject, struct err_buf *why)
{
    if (code == CURLUE_OUT_OF_MEMORY)
        return err_set(why, APP_NO_MEMORY, "%s", app_strerror(APP_NO_MEMORY));
    err_detail(why, "%s: %s", subject, curl_url_strerror(code));
    if (code == CURLUE_USER_NOT_ALLOWED)
        return err_set(why, APP_FETCH_FAILED, CANNOT "%s has a user or password", subject);
    return err_set(why, APP_FETCH_FAILED, CANNOT "%s cannot be understood", subject);
}

/* Escape spaces and bytes beyond ASCII, which must not go out as they are. */
static enum app_err escape_for_wire(const char *url, struct buf *out)
{
    enum app_err err = APP_OK;
    for (; *url && !err; url++) {
        unsigned char byte = (unsigned char)*url;
        if (byte <= ' ' || byte >= 0x7f)
            err = buf_printf(out, "%%%02X", byte);
        else
            err = buf_append(out, url, 1);
    }
    return err;
}

/* Set hop->url, or change it when `text` is relative. */
static enum app_err set_url(const struct hop *hop, const char *text, unsigned flags,
                            const char *subject)
{
    struct buf escaped;
    buf_init(&escaped, 3 * strlen(text));
    enum app_err err = escape_for_wire(text, &escaped);
    if (!err) {
        CURLUcode code = curl_url_set(hop->url, CURLUPART_URL, escaped.data ? escaped.data : "",
                                      flags | CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME);
        if (code)
            err = explain_url(code, subject, hop->why);
        else if (!is_web_scheme(hop->url))
            err =
                err_set(hop->why, APP_FETCH_FAILED, CANNOT "%s is neither http nor https", subject);
        else
            err = check_host(hop);
    }
    buf_release(&escaped);
    return err;
}

/* Dots in the path stay, as they did in the Go service. */
static enum app_err set_first_url(const struct hop *hop)
{
    return set_url(hop, hop->fetch->url, CURLU_PATH_AS_IS, "the URL");
}

/* Where the answer sends us, NULL when nowhere. Valid until the next transfer. */
static const char *redirect_target(const struct hop *hop, long status)
{
    struct curl_header *location;
    bool redirect =
        status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    if (!redirect || curl_easy_header(hop->client->origin, "Location", 0, CURLH_HEADER, -1,
                                      &location) != CURLHE_OK)
        return NULL;
    return location->value[0] ? location->value : NULL;
}

/* Resolved against the hop's URL as a browser does (RFC 3986, section 5), without a fragment. */
static enum app_err set_next_url(const struct hop *hop, const char *location)
{
    enum app_err err = set_url(hop, location, 0, "the address it was redirected to");
    if (!err && curl_url_set(hop->url, CURLUPART_FRAGMENT, NULL, 0))
        err = err_set(hop->why, APP_NO_MEMORY, "%s", app_strerror(APP_NO_MEMORY));
    return err;
}

/* Readers do not agree on where such a body ends (RFC 9112, 6.3). Equal lines are one length. */
static bool has_two_lengths(const struct hop *hop)
{
    CURL *curl = hop->client->origin;
    struct curl_header *header;
    char first[24] = "";
    size_t count = 1;
    for (size_t i = 0; i < count; i++) {
        if (curl_easy_header(curl, "Content-Length", i, CURLH_HEADER, -1, &header) != CURLHE_OK)
            return false;
        count = header->amount;
        if (i == 0)
            (void)snprintf(first, sizeof(first), "%s", header->value);
        if (strcmp(header->value, first) != 0 || strspn(first, "0123456789") != strlen(first))
            return true;
    }
    return false;
}

/* One request. *redirected: hop->url is now the next one to ask. */
static enum app_err run_hop(struct hop *hop, bool *redirected)
{
    int64_t left_ms = deadline_left_ms(hop->fetch->deadline_ns);
    hop->notes = (struct notes){.body_err = APP_OK};
    hop->client->error[0] = '\0';
    if (left_ms == 0)
        return explain_failure(hop, CURLE_OPERATION_TIMEDOUT);
    enum app_err err = http_handle_prepare(hop->client, hop->client->origin, left_ms);
    if (!err)
        err = set_options(hop);
    if (!err)
        err = http_handle_set_cancel(hop->client->origin, &hop->fetch->cancel);
    if (err)
        return err_set(hop->why, err, "%s", app_strerror(err));

    CURLcode code = http_handle_perform(hop->client, hop->client->origin);
    long status = status_of(hop);
    const char *location = redirect_target(hop, status);
    if (code == CURLE_OUT_OF_MEMORY || hop->notes.headers_too_large)
        return explain_failure(hop, code);
    if (location) {
        *redirected = true;
        return set_next_url(hop, location);
    }
    /* A status that is no success says more than that its body then broke off or was too long. */
    if (status >= 300)
        return explain_status(hop, status);
    if (has_two_lengths(hop))
        return err_set(hop->why, APP_ORIGIN_FAILED,
                       "the picture's server told the length in more than one way");
    if (code != CURLE_OK)
        return explain_failure(hop, code);
    if (status == PARTIAL_CONTENT)
        return err_set(hop->why, APP_ORIGIN_FAILED,
                       "the picture's server sent a part, which nobody had asked for");
    return is_success(status) ? APP_OK : explain_status(hop, status);
}

static enum app_err run_hops(struct hop *hop)
{
    for (int redirects = 0; redirects <= LIMIT_FETCH_REDIRECTS; redirects++) {
        bool redirected = false;
        enum app_err err = run_hop(hop, &redirected);
        if (err || !redirected)
            return err;
    }
    return err_set(hop->why, APP_FETCH_FAILED, CANNOT "it was redirected more than %d times",
                   LIMIT_FETCH_REDIRECTS);
}

enum app_err http_client_fetch(struct http_client *client, const struct http_fetch *fetch,
                               struct buf *body, struct err_buf *why)
{
    assert(fetch->guard);
    struct hop hop = {
        .client = client, .fetch = fetch, .url = curl_url(), .body = body, .why = why};
    buf_reset(body);
    enum app_err err = hop.url ? APP_OK : APP_NO_MEMORY;
    if (!err)
        err = set_first_url(&hop);
    if (!err && fetch->request_id)
        err = http_handle_add_header(&hop.headers, "X-Request-Id", fetch->request_id);
    if (!err)
        err = run_hops(&hop);

    /* The handle must not keep pointers to what ends here. */
    curl_easy_reset(client->origin);
    curl_slist_free_all(hop.headers);
    curl_url_cleanup(hop.url);
    if (err)
        buf_reset(body);
    return err;
}
