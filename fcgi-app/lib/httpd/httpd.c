/* SPDX-License-Identifier: MIT */
/*
 * libmicrohttpd calls its access handler once with a request's head, once for
 * each piece of the body and once at the end; here these become one call of the
 * program's handler. Fields of a multipart body come out of the library's post
 * processor as the pieces arrive, so that such a body is not kept twice.
 */
#include "lib/httpd/httpd.h"

#include <ctype.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/httpd/connections.h"
#include "lib/httpd/form.h"
#include "lib/httpd/listener.h"

/*
 * Per connection for the head and one piece of body; a head that does not fit
 * is answered with 431 by the library.
 */
enum { CONNECTION_MEMORY = 64 * 1024, POST_BUFFER = 16 * 1024, CONTENT_TYPE_MAX = 128 };

#define MULTIPART  "multipart/form-data"
#define URLENCODED "application/x-www-form-urlencoded"

struct httpd {
    struct httpd_options options;
    struct MHD_Daemon *daemon;
    struct connections *connections;
    uint16_t port;
};

struct httpd_exchange {
    struct httpd *server;
    struct connection *slot;
    struct MHD_Connection *connection;
    struct MHD_PostProcessor *post; /* NULL: not multipart */
    struct form form;
    bool form_parsed; /* an urlencoded one, when a field is first asked for */
    struct buf body;
    size_t received;      /* bytes of body, kept or not */
    enum app_err refused; /* the answer instead of the handler's */
    char content_type[CONTENT_TYPE_MAX];
};

/* --- What the handler may ask -------------------------------------------------- */

const char *httpd_request_header(const struct httpd_request *request, const char *name)
{
    if (!request->exchange)
        return NULL;
    return MHD_lookup_connection_value(request->exchange->connection, MHD_HEADER_KIND, name);
}

const char *httpd_request_field(const struct httpd_request *request, const char *name, size_t *len)
{
    struct httpd_exchange *exchange = request->exchange;
    if (!exchange)
        return NULL;
    if (!exchange->form_parsed && strcmp(exchange->content_type, URLENCODED) == 0) {
        exchange->form_parsed = true;
        if (form_parse_urlencoded(&exchange->form, request->body, request->body_len))
            form_release(&exchange->form);
    }
    const struct form_field *field = form_find(&exchange->form, name);
    if (!field)
        return NULL;
    *len = field->value.len;
    return field->value.data ? field->value.data : "";
}

/* --- The request comes in -------------------------------------------------------- */

static enum MHD_Result take_field(void *context, enum MHD_ValueKind kind, const char *key,
                                  const char *filename, const char *content_type,
                                  const char *encoding, const char *data, uint64_t offset,
                                  size_t size)
{
    (void)kind, (void)filename, (void)content_type, (void)encoding;
    struct httpd_exchange *exchange = context;
    exchange->refused = form_append(&exchange->form, key ? key : "", (size_t)offset, data, size);
    return exchange->refused ? MHD_NO : MHD_YES;
}

/* The media type in lower case, without parameters. */
static void read_content_type(struct httpd_exchange *exchange)
{
    const char *value =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Content-Type");
    size_t len = value ? strcspn(value, "; \t") : 0;
    if (len >= sizeof(exchange->content_type))
        len = 0;
    for (size_t i = 0; i < len; i++)
        exchange->content_type[i] = (char)tolower((unsigned char)value[i]);
}

/*
 * A body that is announced too large is not begun when the client waits for
 * "100 Continue", or when it is beyond all reason. Otherwise it is read and
 * dropped: many clients look for an answer only when they have sent everything.
 */
static bool refuses_at_once(const struct httpd_exchange *exchange, uint64_t announced)
{
    const char *expect =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Expect");
    bool waits = expect && strcasecmp(expect, "100-continue") == 0;
    return waits || announced > 2 * (uint64_t)exchange->server->options.max_body;
}

static void *make_exchange(struct httpd *server, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct httpd_exchange *exchange = info->socket_context ? calloc(1, sizeof(*exchange)) : NULL;
    if (!exchange)
        return NULL;
    exchange->server = server;
    exchange->slot = info->socket_context;
    exchange->connection = connection;
    buf_init(&exchange->body, server->options.max_body);
    form_init(&exchange->form, server->options.max_body);
    read_content_type(exchange);
    return exchange;
}

static enum MHD_Result send_answer(struct httpd_exchange *exchange,
                                   struct httpd_response *response);

/* The answer to what is not passed to the handler. */
static enum MHD_Result send_refusal(struct httpd_exchange *exchange)
{
    struct httpd_response response = {.status = app_err_status(exchange->refused),
                                      .content_type = "text/plain; charset=utf-8"};
    buf_init(&response.body, ERR_TEXT_MAX);
    /* Without memory the answer has no body. */
    if (buf_printf(&response.body, "%s\n", app_strerror(exchange->refused)))
        buf_release(&response.body);
    enum MHD_Result result = send_answer(exchange, &response);
    buf_release(&response.body);
    return result;
}

static enum MHD_Result begin_request(struct httpd_exchange *exchange)
{
    (void)connection_enter(exchange->slot, CONNECTION_RECEIVING);
    const char *length =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Content-Length");
    uint64_t announced = length ? strtoull(length, NULL, 10) : 0;
    if (announced > exchange->server->options.max_body) {
        exchange->refused = APP_TOO_LARGE;
        return refuses_at_once(exchange, announced) ? send_refusal(exchange) : MHD_YES;
    }
    if (strcmp(exchange->content_type, MULTIPART) == 0) {
        exchange->post =
            MHD_create_post_processor(exchange->connection, POST_BUFFER, take_field, exchange);
        if (!exchange->post)
            exchange->refused = APP_BAD_REQUEST;
    }
    return MHD_YES;
}

static enum MHD_Result take_body(struct httpd_exchange *exchange, const char *data, size_t size)
{
    size_t max = exchange->server->options.max_body;
    (void)connection_enter(exchange->slot, CONNECTION_RECEIVING);
    if (size > 2 * max - exchange->received)
        return MHD_NO; /* it goes on and on: cut */
    exchange->received += size;
    if (exchange->refused)
        return MHD_YES;
    if (exchange->received > max) {
        exchange->refused = APP_TOO_LARGE;
        buf_release(&exchange->body);
        form_release(&exchange->form);
    } else if (exchange->post) {
        if (MHD_post_process(exchange->post, data, size) == MHD_NO && !exchange->refused)
            exchange->refused = APP_BAD_REQUEST;
    } else {
        exchange->refused = buf_append(&exchange->body, data, size);
    }
    return MHD_YES;
}

/* --- The answer goes out ------------------------------------------------------------ */

static enum MHD_Result send_answer(struct httpd_exchange *exchange, struct httpd_response *response)
{
    size_t len = 0;
    char *body = buf_take(&response->body, &len);
    struct MHD_Response *answer =
        body ? MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE)
             : MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (!answer) {
        free(body);
        return MHD_NO;
    }
    if (response->content_type)
        (void)MHD_add_response_header(answer, "Content-Type", response->content_type);
    if (response->extra_name)
        (void)MHD_add_response_header(answer, response->extra_name, response->extra_value);
    if (connections_draining(exchange->server->connections))
        (void)MHD_add_response_header(answer, "Connection", "close");
    (void)connection_enter(exchange->slot, CONNECTION_SENDING);
    enum MHD_Result result =
        MHD_queue_response(exchange->connection, (unsigned)response->status, answer);
    MHD_destroy_response(answer);
    return result;
}

static enum MHD_Result finish_request(struct httpd_exchange *exchange, const char *method,
                                      const char *path)
{
    if (exchange->post) {
        /* The last field may come out of this. */
        if (MHD_destroy_post_processor(exchange->post) == MHD_NO && !exchange->refused)
            exchange->refused = APP_BAD_REQUEST;
        exchange->post = NULL;
    }
    if (exchange->refused)
        return send_refusal(exchange);
    if (!connection_enter(exchange->slot, CONNECTION_HANDLING))
        return MHD_NO;

    struct httpd_request request = {
        .method = method,
        .path = path,
        .body = exchange->body.data ? exchange->body.data : "",
        .body_len = exchange->body.len,
        .content_type = exchange->content_type,
        .exchange = exchange,
    };
    struct httpd_response response = {.status = 200};
    buf_init(&response.body, LIMIT_HTTPD_ANSWER);
    exchange->server->options.handler(exchange->server->options.context, &request, &response);
    enum MHD_Result result = send_answer(exchange, &response);
    buf_release(&response.body);
    return result;
}

/* --- What libmicrohttpd calls --------------------------------------------------------- */

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version, const char *data,
                                 size_t *size, void **exchange)
{
    (void)version;
    if (!*exchange) {
        *exchange = make_exchange(context, connection);
        return *exchange ? begin_request(*exchange) : MHD_NO;
    }
    if (*size > 0) {
        size_t taken = *size;
        *size = 0;
        return take_body(*exchange, data, taken);
    }
    return finish_request(*exchange, method, path);
}

/* The answer is sent, or will never be. */
static void on_completed(void *context, struct MHD_Connection *connection, void **exchange_cell,
                         enum MHD_RequestTerminationCode reason)
{
    (void)context, (void)connection, (void)reason;
    struct httpd_exchange *exchange = *exchange_cell;
    *exchange_cell = NULL;
    if (!exchange)
        return;
    (void)connection_enter(exchange->slot, CONNECTION_WAITING);
    if (exchange->post)
        (void)MHD_destroy_post_processor(exchange->post);
    form_release(&exchange->form);
    buf_release(&exchange->body);
    free(exchange);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **slot,
                          enum MHD_ConnectionNotificationCode what)
{
    struct httpd *server = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *slot = connection_open(server->connections, info->connect_fd);
    } else if (*slot) {
        connection_close(*slot);
        *slot = NULL;
    }
}

/* Decode %XX in place. A %00 stays as it is, so that a path is not cut there. */
static size_t on_unescape(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context, (void)connection;
    char *out = text;
    for (const char *in = text; *in != '\0'; out++) {
        bool is_code = in[0] == '%' && isxdigit((unsigned char)in[1]) &&
                       isxdigit((unsigned char)in[2]) && (in[1] != '0' || in[2] != '0');
        if (is_code) {
            const char digits[3] = {in[1], in[2], '\0'};
            *out = (char)strtoul(digits, NULL, 16);
            in += 3;
        } else {
            *out = *in++;
        }
    }
    *out = '\0';
    return (size_t)(out - text);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *context, const char *format,
                                                         va_list args)
{
    char text[ERR_TEXT_MAX];
    (void)vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    const struct httpd *server = context;
    log_warn(server->options.log, "HTTP server", LOG_FIELDS(LOG_STR("reason", text)));
}

/* The library's state is broken. Its caller is gone from view, so the log is not used. */
static void on_panic(void *context, const char *file, unsigned line, const char *reason)
{
    (void)context;
    struct log_sink sink = {.fd = STDERR_FILENO, .format = LOG_FORMAT_TEXT};
    struct log log = {.sink = &sink, .module = "httpd"};
    log_write(&log, LOG_ERROR, "libmicrohttpd gave up",
              LOG_FIELDS(LOG_STR("file", file), LOG_INT("line", line), LOG_STR("reason", reason)));
    abort();
}

/* --- Life cycle --------------------------------------------------------------------------- */

static struct MHD_Daemon *start_daemon(struct httpd *server, int listener)
{
    const struct httpd_options *options = &server->options;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    MHD_set_panic_func(on_panic, NULL);
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT, options->max_connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL, MHD_OPTION_END);
}

enum app_err httpd_start(const struct httpd_options *options, struct httpd **httpd,
                         struct err_buf *why)
{
    int listener = -1;
    struct httpd *server = calloc(1, sizeof(*server));
    enum app_err err = server ? APP_OK : APP_NO_MEMORY;
    if (err)
        goto out;
    server->options = *options;
    err = connections_new(options->idle_timeout_s, &server->connections);
    if (err)
        goto out;
    err = listener_open(options->address, options->port, &listener, &server->port, why);
    if (err)
        goto out;
    server->daemon = start_daemon(server, listener);
    if (!server->daemon) {
        err = err_set(why, APP_CONFIG, "the HTTP server cannot start its threads");
        goto out; /* the library has closed the socket */
    }
    *httpd = server;
    server = NULL;
out:
    if (server) {
        connections_free(&server->connections);
        free(server);
    }
    return err;
}

uint16_t httpd_port(const struct httpd *httpd)
{
    return httpd->port;
}

void httpd_stop(struct httpd **httpd)
{
    struct httpd *server = *httpd;
    *httpd = NULL;
    if (!server)
        return;
    /* MHD_stop_daemon alone would cut the connections of handlers that still run. */
    int listener = MHD_quiesce_daemon(server->daemon);
    connections_drain(server->connections);
    MHD_stop_daemon(server->daemon);
    if (listener >= 0)
        close(listener);
    connections_free(&server->connections);
    free(server);
}
