/* SPDX-License-Identifier: MIT */
/* run: web=all */
/* Tokens, from the client's header through the web server to the authentication server's keys. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"
#include "support/process.h"
#include "support/scene.h"
#include "support/token.h"

enum { LOG_MAX = 4 * 1024 * 1024, HEADER_MAX = 10 * 1024 };

struct play {
    struct scene *scene;
    struct origin *authn; /* the authentication server */
    char server[60];
    struct token_key *rsa, *ec;
};

static void publish(const struct play *play)
{
    char *set = token_key_set((const struct token_key *const[]){play->rsa, play->ec}, 2);
    origin_answer(play->authn, "/jwks", "200 OK", "Content-Type: application/json\r\n", set);
    free(set);
}

/* With `further`, and with AUTHN_SERVER unless it is `open`. */
static int start_with(void **state, bool open, const char *further)
{
    struct play *play = calloc(1, sizeof(*play));
    void *scene = NULL;
    char server[100];
    if (!play)
        return -1;
    play->authn = origin_start();
    play->rsa = token_key_new(TOKEN_RSA_2048, "rsa-1");
    play->ec = token_key_new(TOKEN_P256, "ec-1");
    publish(play);
    (void)snprintf(play->server, sizeof(play->server), "http://127.0.0.1:%d",
                   origin_port(play->authn));
    (void)snprintf(server, sizeof(server), "AUTHN_SERVER=%s", open ? "" : play->server);
    *state = play;
    int failed =
        scene_start(&scene, (const char *const[]){server, "API_PROCESSES=1", further, NULL});
    play->scene = scene;
    return failed;
}

static int start(void **state)
{
    return start_with(state, false, NULL);
}

static int start_open(void **state)
{
    return start_with(state, true, NULL);
}

static int start_disabled(void **state)
{
    return start_with(state, false, "AUTHN_DISABLE=true");
}

static int stop(void **state)
{
    struct play *play = *state;
    void *scene = play->scene;
    int failed = scene_stop(&scene);
    origin_stop(&play->authn);
    token_key_free(&play->rsa);
    token_key_free(&play->ec);
    free(play);
    return failed;
}

/* POST a picture's URL with that Authorization header, NULL: without one. */
static void post(const struct play *play, const char *authorization, struct http_reply *reply)
{
    char line[HEADER_MAX];
    const char *const headers[] = {line, NULL};
    (void)snprintf(line, sizeof(line), "Authorization: %s", authorization ? authorization : "");
    scene_post(play->scene, scene_url(play->scene, "/pictures/camera.png").text,
               authorization ? headers : NULL, reply);
}

static char *good_token(const struct play *play, const struct token_key *key, const char *algorithm)
{
    char *claims = token_claims(play->server, "emojify", 60);
    char *token = token_sign(key, algorithm, claims);
    free(claims);
    return token;
}

static void assert_unauthorized(const struct play *play, const char *authorization,
                                const char *text)
{
    struct http_reply reply;
    post(play, authorization, &reply);
    assert_error(&reply, 401, text);
    assert_header(&reply, "WWW-Authenticate", "Bearer realm=\"emojify\"");
    http_reply_release(&reply);
}

static void assert_passes(const struct play *play, const char *scheme, char *token)
{
    char authorization[HEADER_MAX];
    struct http_reply reply;
    (void)snprintf(authorization, sizeof(authorization), "%s %s", scheme, token);
    post(play, authorization, &reply);
    if (reply.status != 200)
        fail_msg("%s: %d %s", scheme, reply.status, http_reply_text(&reply));
    assert_int_equal(reply.body.len, 32);
    http_reply_release(&reply);
    free(token);
}

/* Frees the token. */
static void assert_invalid(const struct play *play, char *token)
{
    char authorization[HEADER_MAX];
    (void)snprintf(authorization, sizeof(authorization), "jwt %s", token);
    assert_unauthorized(play, authorization, "Invalid jwt\n");
    free(token);
}

/* --- What clients of the Go service know ---------------------------------------- */

static void without_a_header_is_unauthorized(void **state)
{
    assert_unauthorized(*state, NULL, "No auth header\n");
}

static void another_scheme_is_unauthorized(void **state)
{
    assert_unauthorized(*state, "basic abc:123", "No auth token\n");
    assert_unauthorized(*state, "jwt", "No auth token\n");
    assert_unauthorized(*state, "JWT abc", "No auth token\n");
}

static void a_token_that_cannot_be_verified_is_unauthorized(void **state)
{
    assert_unauthorized(*state, "jwt abc", "Invalid jwt\n");
    assert_unauthorized(*state, "Bearer abc", "Invalid jwt\n");
}

static void a_good_token_passes_in_either_scheme(void **state)
{
    const struct play *play = *state;
    assert_passes(play, "jwt", good_token(play, play->rsa, "RS256"));
    assert_passes(play, "Bearer", good_token(play, play->rsa, "RS256"));
    assert_passes(play, "bearer", good_token(play, play->ec, "ES256"));
}

static void pictures_and_health_are_open(void **state)
{
    const struct play *play = *state;
    struct http_reply reply;
    scene_get(play->scene, "/api/health", NULL, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
    scene_get(play->scene, "/api/cache/unknown", NULL, &reply);
    assert_int_equal(reply.status, 404);
    http_reply_release(&reply);
}

static void a_wrong_method_is_told_before_a_token_is_asked_for(void **state)
{
    const struct play *play = *state;
    struct http_reply reply;
    scene_ask(play->scene, &(struct http_call){.method = "PUT", .url = "/api/"}, &reply);
    assert_error(&reply, 405, NULL);
    http_reply_release(&reply);
}

/* --- Tokens that lie ------------------------------------------------------------ */

static void a_token_for_others_or_out_of_its_time_is_invalid(void **state)
{
    const struct play *play = *state;
    const struct {
        const char *issuer, *audience;
        int64_t lifetime_s;
    } cases[] = {
        {"http://127.0.0.1:1", "emojify", 60},
        {play->server, "other", 60},
        {play->server, "emojify", -120},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *claims = token_claims(cases[i].issuer, cases[i].audience, cases[i].lifetime_s);
        assert_invalid(play, token_sign(play->ec, "ES256", claims));
        free(claims);
    }
}

static void a_token_that_expired_less_than_a_minute_ago_still_passes(void **state)
{
    const struct play *play = *state;
    char *claims = token_claims(play->server, "emojify", -20);
    assert_passes(play, "jwt", token_sign(play->ec, "ES256", claims));
    free(claims);
}

static void a_token_without_a_signature_or_with_a_shared_secret_is_invalid(void **state)
{
    const struct play *play = *state;
    char *claims = token_claims(play->server, "emojify", 60);
    json_t *jwk = token_key_public(play->rsa);
    char *public = json_dumps(jwk, JSON_COMPACT);
    assert_invalid(play, token_join("{\"alg\":\"none\",\"kid\":\"rsa-1\"}", claims, "", 0));
    assert_invalid(play, token_join("{\"alg\":\"none\",\"kid\":\"rsa-1\"}", claims, "x", 1));
    assert_invalid(play, token_sign_hmac("{\"alg\":\"HS256\",\"kid\":\"rsa-1\"}", claims, public));
    free(public);
    json_decref(jwk);
    free(claims);
}

static void a_key_of_the_clients_own_making_is_invalid(void **state)
{
    const struct play *play = *state;
    struct token_key *own = token_key_new(TOKEN_P256, "ec-1");
    assert_invalid(play, good_token(play, own, "ES256"));
    token_key_free(&own);
}

static void made_up_key_ids_do_not_become_requests(void **state)
{
    enum { TOKENS = 30 };
    const struct play *play = *state;
    unsigned before = origin_requests(play->authn, "/jwks");
    for (int i = 0; i < TOKENS; i++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "made-up-%d", i);
        struct token_key *own = token_key_new(TOKEN_P256, id);
        assert_invalid(play, good_token(play, own, "ES256"));
        token_key_free(&own);
    }
    /* Once in ten seconds, however long this machine takes. */
    assert_in_range(origin_requests(play->authn, "/jwks") - before, 0, 5);
}

/* --- Log ------------------------------------------------------------------------ */

static void read_log(const struct play *play, struct buf *text)
{
    char path[PATH_MAX + 16];
    char block[65536];
    size_t got;
    (void)snprintf(path, sizeof(path), "%s/api.log", play->scene->stack.state);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    buf_init(text, LOG_MAX);
    while ((got = fread(block, 1, sizeof(block), file)) > 0)
        assert_int_equal(buf_append(text, block, got), APP_OK);
    (void)fclose(file);
    assert_non_null(text->data);
}

static void no_part_of_a_token_is_logged_but_the_reason_is(void **state)
{
    const struct play *play = *state;
    struct buf log;
    char *claims = token_claims(play->server, "somebody-else", 60);
    char *token = token_sign(play->ec, "ES256", claims);
    char *copy = strdup(token);
    assert_non_null(copy);
    assert_invalid(play, token);
    read_log(play, &log);
    assert_non_null(strstr(log.data, "another audience"));
    for (char *part = strtok_r(copy, ".", &token); part; part = strtok_r(NULL, ".", &token))
        assert_null(strstr(log.data, part));
    assert_null(strstr(log.data, "somebody-else"));
    buf_release(&log);
    free(copy);
    free(claims);
}

/* --- The authentication server fails -------------------------------------------- */

/* Has the process started anew, so that it knows no keys. */
static void forget_keys(const struct play *play)
{
    pid_t old = scene_signal(play->scene, "api", SIGTERM);
    assert_true(process_wait_gone(old, 5000));
    scene_wait_status(play->scene, "/api/health", 200, 5000);
}

static void a_server_that_fails_is_a_503_until_it_is_back_and_does_no_harm_then(void **state)
{
    const struct play *play = *state;
    char authorization[HEADER_MAX];
    struct http_reply reply;
    char *token = good_token(play, play->ec, "ES256");
    (void)snprintf(authorization, sizeof(authorization), "jwt %s", token);
    free(token);

    forget_keys(play);
    origin_answer(play->authn, "/jwks", "500 Internal Server Error", "", "secret words");
    post(play, authorization, &reply);
    assert_error(&reply, 503, "the authentication server cannot be asked now\n");
    assert_header(&reply, "Retry-After", "1");
    http_reply_release(&reply);

    publish(play);
    sleep_ms(1100);
    assert_passes(play, "jwt", good_token(play, play->ec, "ES256"));
    origin_answer(play->authn, "/jwks", "500 Internal Server Error", "", "");
    assert_passes(play, "jwt", good_token(play, play->rsa, "RS256"));
}

/* --- Switched off --------------------------------------------------------------- */

static void without_authorization_posts_are_open_and_the_log_says_so(void **state)
{
    const struct play *play = *state;
    struct http_reply reply;
    struct buf log;
    post(play, NULL, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
    post(play, "jwt nonsense", &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
    assert_int_equal(origin_requests(play->authn, NULL), 0);
    read_log(play, &log);
    assert_non_null(strstr(log.data, "[WARN]  api: POST is open to everybody: "
                                     "reason=\"AUTHN_SERVER is empty\""));
    assert_null(strstr(log.data, "AUTHN_DISABLE"));
    buf_release(&log);
}

/* It once opened POST to everybody. */
static void the_old_name_for_that_opens_nothing_and_the_log_says_so(void **state)
{
    const struct play *play = *state;
    struct http_reply reply;
    struct buf log;
    post(play, NULL, &reply);
    assert_int_equal(reply.status, 401);
    http_reply_release(&reply);
    read_log(play, &log);
    assert_non_null(strstr(log.data, "[WARN]  api: AUTHN_DISABLE is ignored"));
    assert_null(strstr(log.data, "POST is open to everybody"));
    buf_release(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_header_is_unauthorized),
        cmocka_unit_test(another_scheme_is_unauthorized),
        cmocka_unit_test(a_token_that_cannot_be_verified_is_unauthorized),
        cmocka_unit_test(a_good_token_passes_in_either_scheme),
        cmocka_unit_test(pictures_and_health_are_open),
        cmocka_unit_test(a_wrong_method_is_told_before_a_token_is_asked_for),
        cmocka_unit_test(a_token_for_others_or_out_of_its_time_is_invalid),
        cmocka_unit_test(a_token_that_expired_less_than_a_minute_ago_still_passes),
        cmocka_unit_test(a_token_without_a_signature_or_with_a_shared_secret_is_invalid),
        cmocka_unit_test(a_key_of_the_clients_own_making_is_invalid),
        cmocka_unit_test(made_up_key_ids_do_not_become_requests),
        cmocka_unit_test(no_part_of_a_token_is_logged_but_the_reason_is),
        cmocka_unit_test(a_server_that_fails_is_a_503_until_it_is_back_and_does_no_harm_then),
    };
    const struct CMUnitTest open[] = {
        cmocka_unit_test(without_authorization_posts_are_open_and_the_log_says_so),
    };
    const struct CMUnitTest disabled[] = {
        cmocka_unit_test(the_old_name_for_that_opens_nothing_and_the_log_says_so),
    };
    int failed = cmocka_run_group_tests(tests, start, stop);
    failed += cmocka_run_group_tests(open, start_open, stop);
    failed += cmocka_run_group_tests(disabled, start_disabled, stop);
    return failed;
}
