/* SPDX-License-Identifier: MIT */
/* run: web=all seconds=17 */
/* POST /api/payments: from a page's form to the payment gateway, and what is kept: nothing. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/process_memory.h"
#include "support/raw_http.h"
#include "support/scene.h"

enum { LOG_MAX = 4 * 1024 * 1024, SETTLE_MS = 300, LARGE_BODY = 200 * 1000 };

#define NAME   "Mr Paul Banks"
#define NUMBER "5555555555554444"
#define CVC    "9075"
#define CARD                                                                                       \
    "{\"name\":\"" NAME "\",\"number\":\"5555 5555 5555 4444\",\"cvc\":\"" CVC                     \
    "\",\"expiry\":\"12/99\"}"

struct play {
    struct scene *scene;
    struct origin *gateway;
};

static int start_with(void **state, bool has_gateway)
{
    struct play *play = calloc(1, sizeof(*play));
    void *scene = NULL;
    char setting[100] = "PAYMENT_ADDRESS=";
    if (!play)
        return -1;
    play->gateway = origin_start();
    if (has_gateway)
        (void)snprintf(setting, sizeof(setting), "PAYMENT_ADDRESS=http://127.0.0.1:%d/pay",
                       origin_port(play->gateway));
    *state = play;
    int failed = scene_start(&scene, (const char *const[]){setting, NULL});
    play->scene = scene;
    return failed;
}

static int start(void **state)
{
    return start_with(state, true);
}

static int start_without(void **state)
{
    return start_with(state, false);
}

static int stop(void **state)
{
    struct play *play = *state;
    void *scene = play->scene;
    int failed = scene_stop(&scene);
    origin_stop(&play->gateway);
    free(play);
    return failed;
}

static void pay(const struct play *play, const char *body, struct http_reply *reply)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    scene_ask(
        play->scene,
        &(struct http_call){
            .url = "/api/payments", .headers = headers, .body = body, .body_len = strlen(body)},
        reply);
}

static void assert_refused(const struct play *play, const char *body, int status, const char *text)
{
    struct http_reply reply;
    pay(play, body, &reply);
    assert_error(&reply, status, text);
    http_reply_release(&reply);
}

static void a_payment_reaches_the_gateway_and_its_answer_the_page(void **state)
{
    const struct play *play = *state;
    struct http_reply reply;
    size_t len;
    origin_answer(play->gateway, "/pay", "200 OK", "", "{\"id\":\"42\",\"message\":\"paid\"}");
    pay(play, CARD, &reply);
    json_t *answer = assert_json(&reply);
    assert_string_equal(json_string_value(json_object_get(answer, "id")), "42");
    assert_header(&reply, "Cache-Control", "no-store");
    json_decref(answer);
    http_reply_release(&reply);

    char *sent = origin_last_body(play->gateway, "/pay", &len);
    assert_string_equal(sent, "{\"name\":\"" NAME "\",\"number\":\"" NUMBER "\",\"cvc\":\"" CVC
                              "\",\"expiry\":\"12/99\",\"type\":\"\"}");
    free(sent);
}

static void a_card_that_is_wrong_is_refused_here(void **state)
{
    const struct play *play = *state;
    unsigned before = origin_requests(play->gateway, NULL);
    assert_refused(play, "", 400, "the body must be a JSON object\n");
    assert_refused(play, "{}", 400, "name must be 1 to 100 bytes of printable text\n");
    assert_refused(play, "{\"name\":\"a\",\"number\":\"5555555555554445\"}", 400,
                   "number must be a card number\n");
    assert_refused(
        play, "{\"name\":\"a\",\"number\":\"" NUMBER "\",\"cvc\":\"123\",\"expiry\":\"01/20\"}",
        400, "the card has expired\n");
    assert_int_equal(origin_requests(play->gateway, NULL), before);
}

static void a_card_of_more_than_8_kib_is_too_large(void **state)
{
    char body[LIMIT_PAYMENT_CARD + 2];
    memset(body, ' ', sizeof(body));
    body[LIMIT_PAYMENT_CARD + 1] = '\0';
    assert_refused(*state, body, 413, "the card is longer than 8192 bytes\n");
}

static void a_gateway_that_fails_is_a_bad_gateway_without_its_words(void **state)
{
    const struct play *play = *state;
    origin_answer(play->gateway, "/pay", "402 Payment Required", "", "no money on " NUMBER);
    assert_refused(play, CARD, 502, "the payment gateway refused the payment\n");
    origin_answer(play->gateway, "/pay", "500 Boom", "", "trace of " NUMBER);
    assert_refused(play, CARD, 502, "the payment gateway failed\n");
    origin_answer(play->gateway, "/pay", "200 OK", "", "paid by " NUMBER);
    assert_refused(play, CARD, 502,
                   "the payment gateway's answer cannot be read; the payment may have been made\n");
}

static void a_payment_that_breaks_off_is_not_sent_again(void **state)
{
    const struct play *play = *state;
    unsigned before = origin_requests(play->gateway, "/pay");
    origin_on(play->gateway, "/pay", "", 0, &(struct origin_options){.reset = true});
    assert_refused(play, CARD, 502, NULL);
    assert_int_equal(origin_requests(play->gateway, "/pay"), before + 1);
}

static void a_gateway_that_does_not_answer_is_a_timeout_after_ten_seconds(void **state)
{
    const struct play *play = *state;
    struct http_reply reply;
    origin_on(play->gateway, "/pay", "x", 1, &(struct origin_options){.delay_ms = 30000});
    pay(play, CARD, &reply);
    assert_error(&reply, 504,
                 "the payment gateway did not answer in time; the payment may have been made\n");
    assert_true(reply.seconds > 9.5 && reply.seconds < 20);
    http_reply_release(&reply);
}

/* --- What is kept -------------------------------------------------------------- */

static void assert_file_has_none(const char *path, const char *const *secrets, size_t count)
{
    char block[65536];
    size_t got;
    struct buf text;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    buf_init(&text, LOG_MAX);
    while ((got = fread(block, 1, sizeof(block), file)) > 0)
        assert_int_equal(buf_append(&text, block, got), APP_OK);
    (void)fclose(file);
    for (size_t i = 0; i < count; i++) {
        if (text.len > 0 && memmem(text.data, text.len, secrets[i], strlen(secrets[i])))
            fail_msg("%s has %s", path, secrets[i]);
    }
    buf_release(&text);
}

/* The last test of its group: all others' cards have gone through by then. */
static void nothing_of_a_card_is_in_any_log(void **state)
{
    static const char *const secrets[] = {NAME,       NUMBER,     "5555 5555",
                                          "no money", "trace of", "paid by"};
    const struct play *play = *state;
    size_t logs = 0;
    DIR *dir = opendir(play->scene->stack.state);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[PATH_MAX + 300];
        const char *end = strrchr(entry->d_name, '.');
        if (!end || strcmp(end, ".log") != 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", play->scene->stack.state, entry->d_name);
        assert_file_has_none(path, secrets, sizeof(secrets) / sizeof(secrets[0]));
        logs++;
    }
    closedir(dir);
    assert_true(logs >= 2);
}

/* --- Without a gateway --------------------------------------------------------- */

static void without_a_gateway_payments_are_not_implemented(void **state)
{
    assert_refused(*state, CARD, 501, "payments are not configured\n");
}

/* --- Memory ------------------------------------------------------------------------ */

static void assert_forgotten(const struct play *play, const char *secret)
{
    pid_t pids[8];
    size_t count = stack_pids(&play->scene->stack, "api", pids, 8);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        char where[256] = "";
        size_t found = process_memory_find(pids[i], secret, where, sizeof(where));
        if (found > 0)
            fail_msg("%s is in the memory of an api %zu times, at %s", secret, found, where);
    }
}

/* A card that is sent, refused, too long, no JSON, and one that never comes whole. */
static void no_card_is_left_in_the_memory(void **state)
{
    static const char *const cards[][2] = {
        {"{\"name\":\"A B\",\"number\":\"4111111111111111\",\"cvc\":\"737\",\"expiry\":\"12/99\"}",
         "4111111111111111"},
        {"{\"name\":\"A B\",\"number\":\"4222222222222224\",\"cvc\":\"737\",\"expiry\":\"12/99\"}",
         "4222222222222224"},
        {"{\"name\":\"A B\",\"number\":\"378282246310005\",\"cvc\":\"7373\",\"expiry\":\"12/01\"}",
         "378282246310005"},
        {"[\"6011111111111117\"", "6011111111111117"},
    };
    const struct play *play = *state;
    static char padded[LARGE_BODY + 200];
    origin_answer(play->gateway, "/pay", "200 OK", "Content-Type: application/json\r\n", "{}");
    for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++) {
        struct http_reply reply;
        pay(play, cards[i][0], &reply);
        assert_true(reply.status >= 200);
        http_reply_release(&reply);
    }
    static const struct {
        const char *number;
        int padding;
    } too_long[] = {{"30569309025904", LIMIT_PAYMENT_CARD}, {"3566002020360505", LARGE_BODY}};
    for (size_t i = 0; i < 2; i++) {
        struct http_reply reply;
        (void)snprintf(padded, sizeof(padded), "{\"number\":\"%s\",\"name\":\"%0*d\"}",
                       too_long[i].number, too_long[i].padding, 1);
        pay(play, padded, &reply);
        assert_int_equal(reply.status, 413);
        http_reply_release(&reply);
    }
    int fd = raw_http_connect(play->scene->stack.port);
    assert_true(raw_http_send_str(fd, "POST /api/payments HTTP/1.1\r\nHost: x\r\nContent-Type: "
                                      "application/json\r\nContent-Length: 300\r\n\r\n"
                                      "{\"number\":\"3530111333300000\","));
    sleep_ms(SETTLE_MS);
    (void)close(fd);
    sleep_ms(SETTLE_MS);
    for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++)
        assert_forgotten(play, cards[i][1]);
    assert_forgotten(play, too_long[0].number);
    assert_forgotten(play, too_long[1].number);
    assert_forgotten(play, "3530111333300000");
    assert_forgotten(play, "\"cvc\":\"737\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payment_reaches_the_gateway_and_its_answer_the_page),
        cmocka_unit_test(a_card_that_is_wrong_is_refused_here),
        cmocka_unit_test(a_card_of_more_than_8_kib_is_too_large),
        cmocka_unit_test(a_gateway_that_fails_is_a_bad_gateway_without_its_words),
        cmocka_unit_test(a_payment_that_breaks_off_is_not_sent_again),
        cmocka_unit_test(a_gateway_that_does_not_answer_is_a_timeout_after_ten_seconds),
        cmocka_unit_test(nothing_of_a_card_is_in_any_log),
        cmocka_unit_test(no_card_is_left_in_the_memory),
    };
    const struct CMUnitTest without[] = {
        cmocka_unit_test(without_a_gateway_payments_are_not_implemented),
    };
    int failed = cmocka_run_group_tests(tests, start, stop);
    failed += cmocka_run_group_tests(without, start_without, stop);
    return failed;
}
