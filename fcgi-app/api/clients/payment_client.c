/* SPDX-License-Identifier: MIT */
/* Money may have moved by the time anything goes wrong, and the texts must not deny it. */
#include "api/clients/payment_client.h"

#include <string.h>

#include <jansson.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/http/header.h"

enum { PATIENCE_MS = 1000 }; /* with another payment that tries whether the gateway is back */

static enum app_err ask(const struct payment_call *call, const struct card *card,
                        struct http_answer *answer, struct err_buf *why)
{
    struct http_header headers[3 + PAYMENT_CALL_HEADERS_MAX] = {
        {"Content-Type", "application/json"}, {"Accept", "application/json"}};
    size_t header_count = 2;
    if (call->request_id)
        headers[header_count++] = (struct http_header){"X-Request-Id", call->request_id};
    for (size_t i = 0; i < call->header_count && i < PAYMENT_CALL_HEADERS_MAX; i++)
        headers[header_count++] = call->headers[i];
    char json[CARD_JSON_MAX];
    size_t len;
    enum app_err err = card_write(card, json, &len);
    if (!err) {
        const struct http_request request = {
            .method = "POST",
            .url = call->address,
            .headers = headers,
            .header_count = header_count,
            .body = json,
            .body_len = len,
            .deadline_ns = call->deadline_ns,
            .max_answer = LIMIT_PAYMENT_ANSWER,
            .once = true,
        };
        err = http_client_request(call->http, &request, answer, why);
    }
    explicit_bzero(json, sizeof(json));
    return err;
}

static enum app_err explain(enum app_err err, struct err_buf *why)
{
    if (err == APP_UPSTREAM_TIMEOUT)
        return err_set(
            why, err, "the payment gateway did not answer in time; the payment may have been made");
    if (err == APP_UPSTREAM_FAILED)
        return err_set(why, err,
                       "the payment gateway cannot be reached or its answer was lost; the payment "
                       "may have been made");
    return err;
}

static enum app_err check_status(int status, struct err_buf *why)
{
    if (status >= 200 && status <= 299)
        return APP_OK;
    err_detail(why, "the payment gateway answered %d", status);
    return err_set(why, APP_UPSTREAM_FAILED, "%s",
                   status >= 400 && status <= 499 ? "the payment gateway refused the payment"
                                                  : "the payment gateway failed");
}

static enum app_err check_body(const struct buf *body, struct err_buf *why)
{
    json_t *value = body->len > 0 ? json_loadb(body->data, body->len, JSON_DECODE_ANY, NULL) : NULL;
    json_decref(value);
    if (value || body->len == 0)
        return APP_OK;
    err_detail(why, "the payment gateway's answer is not JSON");
    return err_set(why, APP_UPSTREAM_FAILED,
                   "the payment gateway's answer cannot be read; the payment may have been made");
}

enum app_err payment_client_pay(const struct payment_call *call, const struct card *card,
                                struct payment_answer *answer, struct err_buf *why)
{
    struct http_answer received = {.status = 0};
    struct breaker_pass pass;
    int64_t now_ns = clock_now_ns();
    bool in_full = breaker_is_full_time(now_ns, call->deadline_ns, call->timeout_ms);
    int64_t patience_ns = deadline_min(call->deadline_ns, now_ns + PATIENCE_MS * NS_PER_MS);
    enum app_err err = breaker_enter(call->breaker, now_ns, patience_ns, &pass, why);
    if (err)
        return err;
    err = ask(call, card, &received, why);
    breaker_leave(call->breaker, &pass, breaker_judge_http(err, received.status, in_full),
                  clock_now_ns());
    if (err)
        return explain(err, why);
    *answer = (struct payment_answer){received.status, received.body};
    err = check_status(received.status, why);
    if (!err)
        err = check_body(&received.body, why);
    return err;
}

void payment_answer_release(struct payment_answer *answer)
{
    if (answer->body.data)
        explicit_bzero(answer->body.data, answer->body.capacity);
    buf_release(&answer->body);
}
