/* SPDX-License-Identifier: MIT */
#include "api/clients/payment_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "support/cmocka.h"
#include "support/origin.h"

#define JSON                                                                                       \
    "{\"name\":\"Mr Paul Banks\",\"number\":\"4111111111111111\",\"cvc\":\"123\","                 \
    "\"expiry\":\"10/26\",\"type\":\"visa\"}"

static const struct card card = {"Mr Paul Banks", "4111111111111111", "123", "10/26", "visa"};

struct fixture {
    struct origin *origin;
    struct http_client *http;
    char address[80];
    struct payment_call call;
    struct payment_answer answer;
    struct err_buf why;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->origin = origin_start();
    assert_int_equal(http_client_new(&fixture->http), APP_OK);
    (void)snprintf(fixture->address, sizeof(fixture->address), "http://127.0.0.1:%d/pay?key=k",
                   origin_port(fixture->origin));
    fixture->call = (struct payment_call){.http = fixture->http,
                                          .address = fixture->address,
                                          .deadline_ns = deadline_in_ms(20000),
                                          .request_id = "request-1"};
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    payment_answer_release(&fixture->answer);
    http_client_free(&fixture->http);
    origin_stop(&fixture->origin);
    free(fixture);
    return 0;
}

static enum app_err pay(struct fixture *fixture)
{
    payment_answer_release(&fixture->answer);
    fixture->answer = (struct payment_answer){.status = 0};
    fixture->why = (struct err_buf){.text = ""};
    return payment_client_pay(&fixture->call, &card, &fixture->answer, &fixture->why);
}

static void answer(struct fixture *fixture, const char *status, const char *body)
{
    origin_answer(fixture->origin, "/pay?key=k", status, "Content-Type: application/json\r\n",
                  body);
}

/* Neither text may hold anything of the card. */
static void assert_discreet(const struct err_buf *why)
{
    const char *const secrets[] = {card.name, card.number, card.cvc, card.expiry, card.type};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        assert_null(strstr(why->text, secrets[i]));
        assert_null(strstr(why->detail, secrets[i]));
    }
}

static void assert_fails(struct fixture *fixture, enum app_err err, const char *text)
{
    assert_int_equal(pay(fixture), err);
    assert_string_equal(fixture->why.text, text);
    assert_discreet(&fixture->why);
}

static void the_card_goes_to_the_gateway_as_json(void **state)
{
    struct fixture *fixture = *state;
    char value[100];
    size_t len;
    static const struct http_header headers[] = {{"traceparent", "00-1-2-01"}};
    fixture->call.headers = headers;
    fixture->call.header_count = 1;
    answer(fixture, "200 OK", "{\"id\":\"7\"}");
    assert_int_equal(pay(fixture), APP_OK);
    char *body = origin_last_body(fixture->origin, "/pay?key=k", &len);
    assert_int_equal(len, strlen(JSON));
    assert_string_equal(body, JSON);
    free(body);
    origin_last_header(fixture->origin, "/pay?key=k", "", value, sizeof(value));
    assert_string_equal(value, "POST /pay?key=k HTTP/1.1");
    origin_last_header(fixture->origin, "/pay?key=k", "Content-Type", value, sizeof(value));
    assert_string_equal(value, "application/json");
    origin_last_header(fixture->origin, "/pay?key=k", "X-Request-Id", value, sizeof(value));
    assert_string_equal(value, "request-1");
    origin_last_header(fixture->origin, "/pay?key=k", "traceparent", value, sizeof(value));
    assert_string_equal(value, "00-1-2-01");
}

static void what_the_gateway_answers_is_handed_on(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *line;
        int status;
        const char *body;
    } cases[] = {
        {"200 OK", 200, "{\"id\":\"7\",\"message\":\"paid\"}"},
        {"201 Created", 201, "[1]"},
        {"202 Accepted", 202, " \"queued\" "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        answer(fixture, cases[i].line, cases[i].body);
        assert_int_equal(pay(fixture), APP_OK);
        assert_int_equal(fixture->answer.status, cases[i].status);
        assert_string_equal(fixture->answer.body.data, cases[i].body);
    }
    answer(fixture, "200 OK", "");
    assert_int_equal(pay(fixture), APP_OK);
    assert_int_equal(fixture->answer.body.len, 0);
}

static void a_payment_that_is_refused_is_said_so_without_the_gateways_words(void **state)
{
    struct fixture *fixture = *state;
    static const char *const statuses[] = {"400 Bad Request", "402 Payment Required",
                                           "422 Unprocessable", "499 What"};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        answer(fixture, statuses[i], JSON);
        assert_fails(fixture, APP_UPSTREAM_FAILED, "the payment gateway refused the payment");
    }
    assert_string_equal(fixture->why.detail, "the payment gateway answered 499");
}

static void other_statuses_are_failures(void **state)
{
    struct fixture *fixture = *state;
    static const char *const statuses[] = {"301 Moved", "307 Temporary Redirect",
                                           "500 Internal Server Error", "503 Unavailable"};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        answer(fixture, statuses[i], JSON);
        assert_fails(fixture, APP_UPSTREAM_FAILED, "the payment gateway failed");
    }
}

static void a_redirect_is_not_followed(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/pay?key=k", "307 Temporary Redirect",
                  "Location: /elsewhere\r\n", "");
    assert_int_equal(pay(fixture), APP_UPSTREAM_FAILED);
    assert_int_equal(origin_requests(fixture->origin, "/elsewhere"), 0);
}

static void an_answer_that_cannot_be_read_does_not_deny_the_payment(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bodies[] = {"paid", "{", "<html>", "{} {}", "{}x"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        answer(fixture, "200 OK", bodies[i]);
        assert_fails(fixture, APP_UPSTREAM_FAILED,
                     "the payment gateway's answer cannot be read; the payment may have been made");
    }
}

static void an_answer_may_have_64_kib_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    char *body = malloc(LIMIT_PAYMENT_ANSWER + 2);
    assert_non_null(body);
    memset(body, ' ', LIMIT_PAYMENT_ANSWER + 1);
    memcpy(body, "{}", 2);
    body[LIMIT_PAYMENT_ANSWER + 1] = '\0';
    answer(fixture, "200 OK", body);
    assert_fails(fixture, APP_UPSTREAM_FAILED,
                 "the payment gateway cannot be reached or its answer was lost; the payment may "
                 "have been made");
    body[LIMIT_PAYMENT_ANSWER] = '\0';
    answer(fixture, "200 OK", body);
    assert_int_equal(pay(fixture), APP_OK);
    free(body);
}

static void a_gateway_that_is_not_there_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    origin_stop(&fixture->origin);
    assert_fails(fixture, APP_UPSTREAM_FAILED,
                 "the payment gateway cannot be reached or its answer was lost; the payment may "
                 "have been made");
}

static void a_gateway_that_is_too_slow_is_a_timeout(void **state)
{
    struct fixture *fixture = *state;
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    origin_on(fixture->origin, "/pay?key=k", response, strlen(response),
              &(struct origin_options){.delay_ms = 10000});
    fixture->call.deadline_ns = deadline_in_ms(150);
    assert_fails(fixture, APP_UPSTREAM_TIMEOUT,
                 "the payment gateway did not answer in time; the payment may have been made");
}

static void a_payment_is_never_sent_twice(void **state)
{
    struct fixture *fixture = *state;
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    origin_on(fixture->origin, "/pay?key=k", response, strlen(response),
              &(struct origin_options){.drop_reused = 10});
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(pay(fixture), APP_OK);
        assert_int_equal(origin_requests(fixture->origin, "/pay?key=k"), i);
        assert_int_equal(origin_connections(fixture->origin), i);
    }
    origin_on(fixture->origin, "/pay?key=k", "", 0, &(struct origin_options){.reset = true});
    assert_int_equal(pay(fixture), APP_UPSTREAM_FAILED);
    assert_int_equal(origin_requests(fixture->origin, "/pay?key=k"), 4);
    assert_int_equal(origin_connections(fixture->origin), 4);
}

static void an_answer_can_be_released_twice(void **state)
{
    struct fixture *fixture = *state;
    answer(fixture, "200 OK", "{}");
    assert_int_equal(pay(fixture), APP_OK);
    payment_answer_release(&fixture->answer);
    assert_null(fixture->answer.body.data);
    payment_answer_release(&fixture->answer);
}

static void no_card_goes_to_a_gateway_that_keeps_failing(void **state)
{
    struct fixture *fixture = *state;
    struct breaker breaker;
    breaker_init(&breaker, "the payment gateway", NULL, NULL);
    fixture->call.breaker = &breaker;
    answer(fixture, "402 Payment Required", "{}"); /* of one card: counts for nothing */
    for (int i = 0; i < 2 * BREAKER_HISTORY; i++)
        assert_int_equal(pay(fixture), APP_UPSTREAM_FAILED);
    answer(fixture, "500 Oops", "{}");
    for (int i = 0; i < BREAKER_IN_ROW; i++)
        assert_int_equal(pay(fixture), APP_UPSTREAM_FAILED);
    unsigned requests = origin_requests(fixture->origin, NULL);
    assert_fails(fixture, APP_UNAVAILABLE,
                 "the payment gateway is not available now, try again later");
    assert_int_equal(origin_requests(fixture->origin, NULL), requests);
    breaker_release(&breaker);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_card_goes_to_the_gateway_as_json),
        TEST(what_the_gateway_answers_is_handed_on),
        TEST(a_payment_that_is_refused_is_said_so_without_the_gateways_words),
        TEST(other_statuses_are_failures),
        TEST(a_redirect_is_not_followed),
        TEST(an_answer_that_cannot_be_read_does_not_deny_the_payment),
        TEST(an_answer_may_have_64_kib_and_no_more),
        TEST(a_gateway_that_is_not_there_is_a_failure),
        TEST(a_gateway_that_is_too_slow_is_a_timeout),
        TEST(a_payment_is_never_sent_twice),
        TEST(an_answer_can_be_released_twice),
        TEST(no_card_goes_to_a_gateway_that_keeps_failing),
    };
    if (http_client_global_init() != APP_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_client_global_release();
    return failed;
}
