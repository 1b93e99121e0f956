/* SPDX-License-Identifier: MIT */
#include "api/app.h"
#include "api/routes/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/fcgi/response.h"
#include "lib/net/http_client.h"
#include "support/cmocka.h"
#include "support/loopback.h"
#include "support/origin.h"

#define CARD                                                                                       \
    "{\"name\":\"Mr Paul Banks\",\"number\":\"4111 1111 1111 1111\",\"cvc\":\"123\","              \
    "\"expiry\":\"12/99\"}"
#define SENT                                                                                       \
    "{\"name\":\"Mr Paul Banks\",\"number\":\"4111111111111111\",\"cvc\":\"123\","                 \
    "\"expiry\":\"12/99\",\"type\":\"\"}"

static const char *const environment[] = {"REQUEST_METHOD=POST", "REQUEST_URI=/payments",
                                          "CONTENT_TYPE=application/json",
                                          "HTTP_X_REQUEST_ID=request-1", NULL};

struct fixture {
    struct log_sink sink;
    struct app app;
    struct worker worker;
    struct origin *origin;
    char address[60];
    struct loopback loopback;
    struct exchange exchange;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->origin = origin_start();
    assert_int_equal(http_client_new(&fixture->worker.http), APP_OK);
    (void)snprintf(fixture->address, sizeof(fixture->address), "http://127.0.0.1:%d/pay",
                   origin_port(fixture->origin));
    fixture->app.config.payment_address = fixture->address;
    fixture->sink = (struct log_sink){.fd = -1, .level = LOG_OFF};
    fixture->app.log = (struct log){.sink = &fixture->sink, .module = "test"};
    fixture->app.config.run_dir = "/proc/self/nothing"; /* metrics in memory of its own */
    fixture->app.config.statsd_server = "";
    assert_int_equal(
        telemetry_start(&fixture->app.telemetry, &fixture->app.config, &fixture->app.log, NULL),
        APP_OK);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    loopback_release(&fixture->loopback);
    telemetry_stop(&fixture->app.telemetry);
    http_client_free(&fixture->worker.http);
    origin_stop(&fixture->origin);
    free(fixture);
    return 0;
}

/* Once a test. */
static enum app_err post(struct fixture *fixture, const char *body, size_t len)
{
    loopback_init(&fixture->loopback, environment, body, len);
    assert_int_equal(fixture->loopback.init_err, APP_OK);
    fixture->exchange = (struct exchange){
        .app = &fixture->app,
        .worker = &fixture->worker,
        .request = &fixture->loopback.request,
        .response = &fixture->loopback.response,
        .parameter = "",
        .deadline_ns = deadline_in_ms(20000),
    };
    return route_payments(&fixture->exchange);
}

static void assert_answer(struct fixture *fixture, int status, const char *body)
{
    assert_int_equal(fixture->loopback.response.status, status);
    assert_string_equal(fixture->loopback.body.data, body);
    assert_string_equal(loopback_header(&fixture->loopback, "Cache-Control"), "no-store");
}

static void a_payment_is_handed_on_and_its_answer_relayed(void **state)
{
    struct fixture *fixture = *state;
    size_t len;
    origin_answer(fixture->origin, "/pay", "200 OK", "Content-Type: text/x\r\nSet-Cookie: a=b\r\n",
                  "{\"id\":\"7\"}");
    assert_int_equal(post(fixture, CARD, strlen(CARD)), APP_OK);
    assert_answer(fixture, 200, "{\"id\":\"7\"}");
    assert_string_equal(loopback_header(&fixture->loopback, "Content-Type"), "application/json");
    assert_null(loopback_header(&fixture->loopback, "Set-Cookie"));
    char *sent = origin_last_body(fixture->origin, "/pay", &len);
    assert_string_equal(sent, SENT);
    free(sent);
}

static void a_payment_that_is_queued_stays_a_202(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/pay", "202 Accepted", "", "{}");
    assert_int_equal(post(fixture, CARD, strlen(CARD)), APP_OK);
    assert_answer(fixture, 202, "{}");
}

static void an_unusual_success_is_a_200(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/pay", "218 Fine", "", "{}");
    assert_int_equal(post(fixture, CARD, strlen(CARD)), APP_OK);
    assert_answer(fixture, 200, "{}");
}

static void a_success_without_a_body_is_a_204(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/pay", "200 OK", "", "");
    assert_int_equal(post(fixture, CARD, strlen(CARD)), APP_OK);
    assert_answer(fixture, 204, "");
    assert_null(loopback_header(&fixture->loopback, "Content-Type"));
}

static void a_card_that_is_wrong_does_not_reach_the_gateway(void **state)
{
    struct fixture *fixture = *state;
    static const char body[] = "{\"name\":\"a\",\"number\":\"4111111111111112\",\"cvc\":\"123\","
                               "\"expiry\":\"12/99\"}";
    assert_int_equal(post(fixture, body, strlen(body)), APP_BAD_REQUEST);
    assert_string_equal(fixture->exchange.why.text, "number must be a card number");
    assert_int_equal(fixture->loopback.response.state, RESPONSE_HEADERS);
    assert_int_equal(origin_connections(fixture->origin), 0);
}

static void post_padded(struct fixture *fixture, size_t len, enum app_err err)
{
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, ' ', len);
    memcpy(body, CARD, sizeof(CARD) - 1);
    assert_int_equal(post(fixture, body, len), err);
    free(body);
}

static void a_card_may_have_8_kib(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/pay", "200 OK", "", "{}");
    post_padded(fixture, LIMIT_PAYMENT_CARD, APP_OK);
}

static void a_card_may_not_have_more_than_8_kib(void **state)
{
    struct fixture *fixture = *state;
    post_padded(fixture, LIMIT_PAYMENT_CARD + 1, APP_TOO_LARGE);
    assert_string_equal(fixture->exchange.why.text, "the card is longer than 8192 bytes");
    assert_int_equal(origin_connections(fixture->origin), 0);
}

static void a_gateway_that_fails_sends_nothing_to_the_client(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/pay", "500 Boom", "", SENT);
    assert_int_equal(post(fixture, CARD, strlen(CARD)), APP_UPSTREAM_FAILED);
    assert_string_equal(fixture->exchange.why.text, "the payment gateway failed");
    assert_int_equal(fixture->loopback.writes, 0);
}

static void without_a_gateway_payments_are_not_implemented(void **state)
{
    struct fixture *fixture = *state;
    fixture->app.config.payment_address = "";
    assert_int_equal(post(fixture, CARD, strlen(CARD)), APP_NOT_IMPLEMENTED);
    assert_string_equal(fixture->exchange.why.text, "payments are not configured");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_payment_is_handed_on_and_its_answer_relayed),
        TEST(a_payment_that_is_queued_stays_a_202),
        TEST(an_unusual_success_is_a_200),
        TEST(a_success_without_a_body_is_a_204),
        TEST(a_card_that_is_wrong_does_not_reach_the_gateway),
        TEST(a_card_may_have_8_kib),
        TEST(a_card_may_not_have_more_than_8_kib),
        TEST(a_gateway_that_fails_sends_nothing_to_the_client),
        TEST(without_a_gateway_payments_are_not_implemented),
    };
    if (http_client_global_init() != APP_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_client_global_release();
    return failed;
}
