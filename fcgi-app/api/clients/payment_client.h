/* SPDX-License-Identifier: MIT */
/*
 * The payment gateway behind POST /payments: takes a card as JSON by POST and
 * answers 2xx with JSON when the payment is made. Never asked twice for one
 * payment. Any thread with its own HTTP client.
 */
#ifndef API_CLIENTS_PAYMENT_CLIENT_H
#define API_CLIENTS_PAYMENT_CLIENT_H

#include <stdint.h>

#include "api/clients/breaker.h"
#include "api/clients/card.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/net/http_client.h"

enum { PAYMENT_CALL_HEADERS_MAX = 8 };

struct payment_call {
    struct http_client *http;
    const char *address; /* PAYMENT_ADDRESS, the whole URL */
    int64_t deadline_ns;
    int64_t timeout_ms;                /* what the gateway is due, see struct cache_call */
    struct breaker *breaker;           /* NULL: none */
    const char *request_id;            /* NULL: none */
    const struct http_header *headers; /* further ones, at most PAYMENT_CALL_HEADERS_MAX */
    size_t header_count;
};

/* Zero-initialise it. */
struct payment_answer {
    int status;      /* 2xx */
    struct buf body; /* JSON, or empty */
};

/*
 * Send the card. The caller releases the answer, after an error too.
 * APP_UPSTREAM_FAILED (not reached, another status, not JSON, more than
 * LIMIT_PAYMENT_ANSWER) and APP_UPSTREAM_TIMEOUT, both with a text for the client
 * that says so when the payment may have been made all the same; APP_UNAVAILABLE at
 * once while the breaker is open; APP_NO_MEMORY.
 * why->detail has no word of the gateway's, which may repeat the card.
 */
enum app_err payment_client_pay(const struct payment_call *call, const struct card *card,
                                struct payment_answer *answer, struct err_buf *why)
    __attribute__((warn_unused_result));

/* Overwrite and free it. Safe to call twice. */
void payment_answer_release(struct payment_answer *answer);

#endif
