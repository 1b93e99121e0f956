/* SPDX-License-Identifier: MIT */
/*
 * POST /payments: the card is checked, handed to the payment gateway, and forgotten. All memory
 * of this process that held a part of it is overwritten: the body and its way here by lib/fcgi,
 * what jansson and curl used by their allocators (lib/base/secret.h). The web server has buffers
 * of its own.
 */
#include "api/app.h"
#include "api/clients/payment_client.h"
#include "api/routes/routes.h"

#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"
#include "lib/http/header.h"
#include "lib/telemetry/trace.h"

enum { GATEWAY_TIMEOUT_MS = 10 * 1000 };

/* The body is the request's own memory, const to keep routes from writing by mistake. */
static void wipe_body(const char *body, size_t len)
{
    union {
        const char *from;
        void *to;
    } memory = {.from = body};
    explicit_bzero(memory.to, len);
}

static enum app_err read_card(struct exchange *exchange, struct card *card)
{
    const char *body;
    size_t len;
    enum app_err err = request_body(exchange->request, LIMIT_PAYMENT_CARD, &body, &len);
    if (err == APP_TOO_LARGE)
        return err_set(&exchange->why, err, "the card is longer than %d bytes", LIMIT_PAYMENT_CARD);
    if (err)
        return err;
    err = card_read(body, len, (int64_t)time(NULL), card, &exchange->why);
    wipe_body(body, len);
    return err;
}

static enum app_err relay(struct exchange *exchange, const struct payment_answer *answer)
{
    if (answer->body.len == 0)
        return response_send(exchange->response, 204, NULL, NULL, 0);
    bool is_plain = answer->status == 201 || answer->status == 202;
    return response_send(exchange->response, is_plain ? answer->status : 200, "application/json",
                         answer->body.data, answer->body.len);
}

enum app_err route_payments(struct exchange *exchange)
{
    struct card card;
    struct payment_answer answer = {.status = 0};
    struct http_header headers[TRACE_HEADERS_MAX];
    const struct payment_call call = {
        .http = exchange->worker->http,
        .address = exchange->app->config.payment_address,
        .deadline_ns = deadline_min(exchange->deadline_ns, deadline_in_ms(GATEWAY_TIMEOUT_MS)),
        .timeout_ms = GATEWAY_TIMEOUT_MS,
        .breaker = &exchange->app->breakers.payment,
        .request_id = exchange->request->id,
        .headers = headers,
        .header_count = trace_headers(&exchange->request->trace, headers),
    };
    if (!*call.address)
        return err_set(&exchange->why, APP_NOT_IMPLEMENTED, "payments are not configured");

    enum app_err err = read_card(exchange, &card);
    if (err)
        return err;
    int64_t started_ns = clock_now_ns();
    err = payment_client_pay(&call, &card, &answer, &exchange->why);
    telemetry_upstream(&exchange->app->telemetry, UPSTREAM_PAYMENT, started_ns, err);
    card_wipe(&card);
    if (!err)
        err = relay(exchange, &answer);
    payment_answer_release(&answer);
    return err;
}
