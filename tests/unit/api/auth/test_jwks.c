/* SPDX-License-Identifier: MIT */
/* run: alone */
#include "api/auth/jwks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/http/status.h"
#include "support/cmocka.h"
#include "support/origin.h"
#include "support/token.h"

static struct jwt_key *const junk_key = (struct jwt_key *)16;

/* The clock by which keys age. */
static _Atomic int64_t fake_now_ns;

static int64_t fake_clock(void)
{
    return atomic_load(&fake_now_ns);
}

static void pass(double seconds)
{
    atomic_fetch_add(&fake_now_ns, (int64_t)(seconds * 1e9));
}

struct fixture {
    struct origin *origin;
    struct http_client *http;
    char server[60];
    struct token_key *a, *b;
    struct jwks *jwks;
    struct err_buf why;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->origin = origin_start();
    assert_int_equal(http_client_new(&fixture->http), APP_OK);
    (void)snprintf(fixture->server, sizeof(fixture->server), "http://127.0.0.1:%d",
                   origin_port(fixture->origin));
    fixture->a = token_key_new(TOKEN_P256, "a");
    fixture->b = token_key_new(TOKEN_P256, "b");
    atomic_store(&fake_now_ns, 1000 * NS_PER_S);
    const struct jwks_options options = {fixture->server, 2, fake_clock};
    assert_int_equal(jwks_new(&options, &fixture->jwks), APP_OK);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    jwks_free(&fixture->jwks);
    assert_null(fixture->jwks);
    token_key_free(&fixture->a);
    token_key_free(&fixture->b);
    http_client_free(&fixture->http);
    origin_stop(&fixture->origin);
    free(fixture);
    return 0;
}

static void publish(struct fixture *fixture, const struct token_key *first,
                    const struct token_key *second)
{
    const struct token_key *keys[] = {first, second};
    char *set = token_key_set(keys, second ? 2 : 1);
    origin_answer(fixture->origin, "/jwks", "200 OK", "Content-Type: application/json\r\n", set);
    free(set);
}

static void fail_with(struct fixture *fixture, int status)
{
    char line[64];
    (void)snprintf(line, sizeof(line), "%d %s", status, http_status_reason(status));
    origin_answer(fixture->origin, "/jwks", line, "", "no");
}

static enum app_err get(struct fixture *fixture, const char *id)
{
    struct jwt_key *key = junk_key;
    const struct jwks_call call = {fixture->http, deadline_in_ms(20000), "request-1"};
    fixture->why = (struct err_buf){.text = ""};
    enum app_err err = jwks_get(fixture->jwks, &call, id, &key, &fixture->why);
    if (err) {
        assert_ptr_equal(key, junk_key);
    } else {
        assert_string_equal(jwt_key_id(key), id);
        jwt_key_put(&key);
    }
    return err;
}

static unsigned fetches(struct fixture *fixture)
{
    return origin_requests(fixture->origin, "/jwks");
}

static void assert_unavailable(struct fixture *fixture, const char *id, const char *reason)
{
    assert_int_equal(get(fixture, id), APP_UNAVAILABLE);
    if (!strstr(fixture->why.detail, reason))
        print_error("wanted \"%s\", got \"%s\"\n", reason, fixture->why.detail);
    assert_non_null(strstr(fixture->why.detail, reason));
}

/* --- What is fetched, and how often --- */

static void a_key_is_fetched_once_and_kept(void **state)
{
    struct fixture *fixture = *state;
    publish(fixture, fixture->a, fixture->b);
    assert_int_equal(get(fixture, "a"), APP_OK);
    assert_int_equal(get(fixture, "b"), APP_OK);
    pass(2699.9);
    assert_int_equal(get(fixture, "a"), APP_OK);
    assert_int_equal(get(fixture, "b"), APP_OK);
    assert_int_equal(fetches(fixture), 1);
}

static void the_request_goes_to_jwks_below_the_server_with_our_request_id(void **state)
{
    struct fixture *fixture = *state;
    char value[100];
    publish(fixture, fixture->a, NULL);
    assert_int_equal(get(fixture, "a"), APP_OK);
    origin_last_header(fixture->origin, "/jwks", "", value, sizeof(value));
    assert_string_equal(value, "GET /jwks HTTP/1.1");
    origin_last_header(fixture->origin, "/jwks", "X-Request-Id", value, sizeof(value));
    assert_string_equal(value, "request-1");
}

static void a_slash_at_the_servers_end_is_not_doubled(void **state)
{
    struct fixture *fixture = *state;
    char servers[2][80];
    (void)snprintf(servers[0], sizeof(servers[0]), "%s/", fixture->server);
    (void)snprintf(servers[1], sizeof(servers[1]), "%s/authn", fixture->server);
    publish(fixture, fixture->a, NULL);
    char *set = token_key_set((const struct token_key *const[]){fixture->a}, 1);
    origin_answer(fixture->origin, "/authn/jwks", "200 OK", "", set);
    free(set);
    for (size_t i = 0; i < 2; i++) {
        jwks_free(&fixture->jwks);
        const struct jwks_options options = {servers[i], 2, fake_clock};
        assert_int_equal(jwks_new(&options, &fixture->jwks), APP_OK);
        assert_int_equal(get(fixture, "a"), APP_OK);
    }
    assert_int_equal(fetches(fixture), 1);
    assert_int_equal(origin_requests(fixture->origin, "/authn/jwks"), 1);
}

static void an_unknown_id_is_fetched_for_at_most_once_in_ten_seconds(void **state)
{
    struct fixture *fixture = *state;
    char id[32];
    publish(fixture, fixture->a, NULL);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(id, sizeof(id), "made-up-%d", i);
        assert_int_equal(get(fixture, id), APP_NOT_FOUND);
    }
    assert_int_equal(fetches(fixture), 1);
    pass(9.9);
    assert_int_equal(get(fixture, "more"), APP_NOT_FOUND);
    assert_int_equal(fetches(fixture), 1);
    pass(0.1);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(id, sizeof(id), "again-%d", i);
        assert_int_equal(get(fixture, id), APP_NOT_FOUND);
    }
    assert_int_equal(fetches(fixture), 2);
}

static void the_same_unknown_id_is_not_fetched_for_within_a_minute(void **state)
{
    struct fixture *fixture = *state;
    publish(fixture, fixture->a, NULL);
    assert_int_equal(get(fixture, "retired"), APP_NOT_FOUND);
    for (int i = 0; i < 5; i++) {
        pass(11);
        assert_int_equal(get(fixture, "retired"), APP_NOT_FOUND);
    }
    assert_int_equal(fetches(fixture), 1);
    pass(5);
    assert_int_equal(get(fixture, "retired"), APP_NOT_FOUND);
    assert_int_equal(fetches(fixture), 2);
}

static void a_new_key_is_found_when_a_token_names_it(void **state)
{
    struct fixture *fixture = *state;
    publish(fixture, fixture->a, NULL);
    assert_int_equal(get(fixture, "a"), APP_OK);
    pass(11);
    publish(fixture, fixture->a, fixture->b);
    assert_int_equal(get(fixture, "b"), APP_OK);
    assert_int_equal(get(fixture, "a"), APP_OK);
    assert_int_equal(fetches(fixture), 2);
}

static void a_key_that_was_unknown_is_taken_once_any_fetch_brings_it(void **state)
{
    struct fixture *fixture = *state;
    publish(fixture, fixture->a, NULL);
    assert_int_equal(get(fixture, "b"), APP_NOT_FOUND);
    pass(11);
    publish(fixture, fixture->a, fixture->b);
    assert_int_equal(get(fixture, "b"), APP_NOT_FOUND); /* remembered as unknown */
    assert_int_equal(get(fixture, "c"), APP_NOT_FOUND); /* this one fetches */
    assert_int_equal(get(fixture, "b"), APP_OK);
    assert_int_equal(fetches(fixture), 2);
}

static void a_key_that_was_taken_back_is_gone_with_the_next_fetch(void **state)
{
    struct fixture *fixture = *state;
    publish(fixture, fixture->a, NULL);
    assert_int_equal(get(fixture, "a"), APP_OK);
    pass(11);
    publish(fixture, fixture->b, NULL);
    assert_int_equal(get(fixture, "b"), APP_OK);
    assert_int_equal(get(fixture, "a"), APP_NOT_FOUND);
}

static void the_first_of_two_keys_with_one_id_counts(void **state)
{
    struct fixture *fixture = *state;
    struct token_key *other = token_key_new(TOKEN_P256, "a");
    struct jwt_key *key = NULL;
    const struct jwks_call call = {fixture->http, deadline_in_ms(20000), NULL};
    const struct jwt_expectation expected = {"i", "u", 1000};
    struct jwt_header header;
    publish(fixture, fixture->a, other);
    assert_int_equal(jwks_get(fixture->jwks, &call, "a", &key, &fixture->why), APP_OK);
    char *token = token_sign(fixture->a, "ES256", "{\"iss\":\"i\",\"aud\":\"u\",\"exp\":1000}");
    assert_int_equal(jwt_read_header(token, strlen(token), &header, &fixture->why), APP_OK);
    assert_int_equal(jwt_verify(token, strlen(token), &header, key, &expected, &fixture->why),
                     APP_OK);
    free(token);
    jwt_key_put(&key);
    token_key_free(&other);
}

static void keys_that_are_not_taken_do_not_spoil_the_others(void **state)
{
    struct fixture *fixture = *state;
    char *document;
    json_t *jwk = token_key_public(fixture->a);
    char *good = json_dumps(jwk, 0);
    assert_true(asprintf(&document,
                         "{\"keys\":[7,null,{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\"AAAA\"},%s,{}]}",
                         good) > 0);
    origin_answer(fixture->origin, "/jwks", "200 OK", "", document);
    assert_int_equal(get(fixture, "a"), APP_OK);
    assert_int_equal(get(fixture, "s"), APP_NOT_FOUND);
    free(document);
    free(good);
    json_decref(jwk);
}

/* --- Failures --- */

static void known_keys_work_while_the_server_is_down(void **state)
{
    struct fixture *fixture = *state;
    publish(fixture, fixture->a, NULL);
    assert_int_equal(get(fixture, "a"), APP_OK);
    origin_stop(&fixture->origin);
    pass(3000);
    assert_int_equal(get(fixture, "a"), APP_OK);
    assert_unavailable(fixture, "b", ""); /* it may have one by now */
    assert_int_equal(get(fixture, "a"), APP_OK);
    pass(600);
    assert_unavailable(fixture, "a", "");
}

static void a_set_is_renewed_before_its_hour_is_over(void **state)
{
    struct fixture *fixture = *state;
    publish(fixture, fixture->a, NULL);
    assert_int_equal(get(fixture, "a"), APP_OK);
    pass(44 * 60);

    /* The server is down at first: the key is good, and the server is not asked all the time. */
    fail_with(fixture, 503);
    unsigned before = fetches(fixture);
    pass(60);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(get(fixture, "a"), APP_OK);
        pass(11);
    }
    assert_int_equal(fetches(fixture), before + 1);
    publish(fixture, fixture->a, NULL);
    pass(5);
    assert_int_equal(get(fixture, "a"), APP_OK);
    assert_int_equal(fetches(fixture), before + 2);

    /* An hour after the first fetch nobody has to wait, and the second one's hour has begun. */
    pass(15 * 60);
    assert_int_equal(get(fixture, "a"), APP_OK);
    assert_int_equal(fetches(fixture), before + 2);
}

static void a_failure_is_not_repeated_within_a_second(void **state)
{
    struct fixture *fixture = *state;
    fail_with(fixture, 500);
    assert_unavailable(fixture, "a", "answered 500");
    assert_unavailable(fixture, "a", "a moment ago");
    assert_unavailable(fixture, "b", "a moment ago");
    pass(0.9);
    assert_unavailable(fixture, "a", "a moment ago");
    assert_int_equal(fetches(fixture), 1);
    publish(fixture, fixture->a, NULL);
    pass(0.1);
    assert_int_equal(get(fixture, "a"), APP_OK);
    assert_int_equal(fetches(fixture), 2);
}

static void a_failure_keeps_the_keys_that_are_there(void **state)
{
    struct fixture *fixture = *state;
    publish(fixture, fixture->a, NULL);
    assert_int_equal(get(fixture, "a"), APP_OK);
    pass(20);
    origin_answer(fixture->origin, "/jwks", "200 OK", "", "{\"keys\":[]}");
    assert_unavailable(fixture, "b", "no keys");
    assert_int_equal(get(fixture, "a"), APP_OK);
}

static void documents_that_are_no_key_set_are_failures(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *document;
        const char *reason;
    } cases[] = {
        {"", "JWKS: "},
        {"not JSON", "JWKS: "},
        {"[]", "no array"},
        {"null", "JWKS: "},
        {"{}", "no array"},
        {"{\"keys\":{}}", "no array"},
        {"{\"keys\":[]}", "no keys"},
        {"{\"keys\":[{}]}", "a key has no id"},
        {"{\"keys\":[{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\"AAAA\"}]}", "neither RSA nor EC"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        origin_answer(fixture->origin, "/jwks", "200 OK", "", cases[i].document);
        assert_unavailable(fixture, "a", cases[i].reason);
        pass(2);
    }
}

static void answers_other_than_200_are_failures(void **state)
{
    struct fixture *fixture = *state;
    static const int statuses[] = {204, 302, 401, 404, 503};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        char reason[32];
        (void)snprintf(reason, sizeof(reason), "answered %d", statuses[i]);
        fail_with(fixture, statuses[i]);
        assert_unavailable(fixture, "a", reason);
        pass(2);
    }
}

/* A set with `count` keys of which the last one is "a". */
static void publish_many(struct fixture *fixture, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 1; i < count; i++) {
        json_t *jwk = token_key_public(fixture->b);
        char id[32];
        (void)snprintf(id, sizeof(id), "b-%zu", i);
        json_object_set_new(jwk, "kid", json_string(id));
        json_array_append_new(list, jwk);
    }
    json_array_append_new(list, token_key_public(fixture->a));
    json_t *set = json_pack("{s:o}", "keys", list);
    char *text = json_dumps(set, 0);
    assert_non_null(text);
    origin_answer(fixture->origin, "/jwks", "200 OK", "", text);
    free(text);
    json_decref(set);
}

static void a_set_may_have_64_keys_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    publish_many(fixture, LIMIT_JWKS_KEYS + 1);
    assert_unavailable(fixture, "a", "very many");
    pass(2);
    publish_many(fixture, LIMIT_JWKS_KEYS);
    assert_int_equal(get(fixture, "a"), APP_OK);
}

static void a_document_may_have_256_kib_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    char *set = token_key_set((const struct token_key *const[]){fixture->a}, 1);
    char *padded;
    assert_true(asprintf(&padded, "%-*s", LIMIT_JWKS_BYTES + 1, set) > 0);
    origin_answer(fixture->origin, "/jwks", "200 OK", "", padded);
    assert_unavailable(fixture, "a", "more than");
    pass(2);
    padded[LIMIT_JWKS_BYTES] = '\0';
    origin_answer(fixture->origin, "/jwks", "200 OK", "", padded);
    assert_int_equal(get(fixture, "a"), APP_OK);
    free(padded);
    free(set);
}

/* --- Several threads --- */

struct job {
    struct fixture *fixture;
    pthread_t thread;
    int64_t deadline_ms;
    int64_t took_ms;
    enum app_err err;
};

static void *run_job(void *object)
{
    struct job *job = object;
    struct jwt_key *key = NULL;
    struct http_client *http = NULL;
    struct err_buf why = {.text = ""};
    int64_t begin_ns = clock_now_ns();
    job->err = http_client_new(&http);
    const struct jwks_call call = {http, deadline_in_ms(job->deadline_ms), NULL};
    if (!job->err)
        job->err = jwks_get(job->fixture->jwks, &call, "a", &key, &why);
    job->took_ms = (clock_now_ns() - begin_ns) / NS_PER_MS;
    jwt_key_put(&key);
    http_client_free(&http);
    return NULL;
}

static void start_job(struct fixture *fixture, struct job *job, int64_t deadline_ms)
{
    *job = (struct job){.fixture = fixture, .deadline_ms = deadline_ms};
    assert_int_equal(pthread_create(&job->thread, NULL, run_job, job), 0);
}

static void publish_slowly(struct fixture *fixture, unsigned delay_ms)
{
    char *response;
    char *set = token_key_set((const struct token_key *const[]){fixture->a}, 1);
    int len =
        asprintf(&response, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(set), set);
    assert_true(len > 0);
    origin_on(fixture->origin, "/jwks", response, (size_t)len,
              &(struct origin_options){.delay_ms = delay_ms});
    free(response);
    free(set);
}

static void wait_for_fetches(struct fixture *fixture, unsigned count)
{
    int64_t deadline_ns = deadline_in_ms(5000);
    while (fetches(fixture) < count && deadline_left_ms(deadline_ns) > 0)
        continue;
    assert_int_equal(fetches(fixture), count);
}

static void many_threads_make_one_fetch(void **state)
{
    enum { JOBS = 12 };
    struct fixture *fixture = *state;
    struct job jobs[JOBS];
    publish_slowly(fixture, 300); /* a server that is well and far away */
    for (size_t i = 0; i < JOBS; i++)
        start_job(fixture, &jobs[i], 10000);
    for (size_t i = 0; i < JOBS; i++) {
        pthread_join(jobs[i].thread, NULL);
        assert_int_equal(jobs[i].err, APP_OK);
    }
    assert_int_equal(fetches(fixture), 1);
}

static void a_slow_server_holds_few_threads(void **state)
{
    enum { JOBS = 6 };
    struct fixture *fixture = *state;
    struct job fetcher;
    struct job jobs[JOBS];
    size_t impatient = 0;
    publish_slowly(fixture, 1500);
    start_job(fixture, &fetcher, 10000);
    wait_for_fetches(fixture, 1);
    for (size_t i = 0; i < JOBS; i++)
        start_job(fixture, &jobs[i], 10000);
    for (size_t i = 0; i < JOBS; i++) {
        pthread_join(jobs[i].thread, NULL);
        if (jobs[i].err == APP_UNAVAILABLE) {
            assert_true(jobs[i].took_ms >= 100 && jobs[i].took_ms < 1400);
            impatient++;
        } else {
            assert_int_equal(jobs[i].err, APP_OK);
        }
    }
    pthread_join(fetcher.thread, NULL);
    assert_int_equal(fetcher.err, APP_OK);
    assert_int_equal(impatient, JOBS - 1); /* patient: the one that fetches and one more */
    assert_int_equal(fetches(fixture), 1);
}

static void a_failure_does_not_bring_a_renewal_forward(void **state)
{
    struct fixture *fixture = *state;
    publish(fixture, fixture->a, NULL);
    assert_int_equal(get(fixture, "a"), APP_OK);
    pass(11);
    fail_with(fixture, 503);
    assert_unavailable(fixture, "made-up", "");
    unsigned before = fetches(fixture);
    pass(61);
    assert_int_equal(get(fixture, "a"), APP_OK);
    assert_int_equal(fetches(fixture), before);
}

static void a_renewal_that_outlasts_the_hour_fails_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct job renewer;
    publish(fixture, fixture->a, NULL);
    assert_int_equal(get(fixture, "a"), APP_OK);
    pass(3599);
    publish_slowly(fixture, 10000);
    unsigned before = fetches(fixture);
    start_job(fixture, &renewer, 10000);
    wait_for_fetches(fixture, before + 1);
    pass(2);
    pthread_join(renewer.thread, NULL);
    assert_int_equal(renewer.err, APP_OK);
}

static void a_renewal_holds_up_nobody_else(void **state)
{
    struct fixture *fixture = *state;
    struct job renewer;
    publish(fixture, fixture->a, NULL);
    assert_int_equal(get(fixture, "a"), APP_OK);
    pass(2700);
    publish_slowly(fixture, 1000);
    unsigned before = fetches(fixture);
    start_job(fixture, &renewer, 10000);
    wait_for_fetches(fixture, before + 1);
    int64_t started_ns = clock_now_ns();
    assert_int_equal(get(fixture, "a"), APP_OK);
    assert_true(clock_now_ns() - started_ns < 500 * NS_PER_MS);
    pthread_join(renewer.thread, NULL);
    assert_int_equal(renewer.err, APP_OK);
    assert_int_equal(fetches(fixture), before + 1);
}

static void the_requests_deadline_ends_a_fetch(void **state)
{
    struct fixture *fixture = *state;
    struct job job;
    publish_slowly(fixture, 5000);
    start_job(fixture, &job, 200);
    pthread_join(job.thread, NULL);
    assert_int_equal(job.err, APP_UNAVAILABLE);
    assert_true(job.took_ms >= 200 && job.took_ms < 2500);
}

static void a_fetch_takes_three_seconds_at_most(void **state)
{
    struct fixture *fixture = *state;
    struct job job;
    publish_slowly(fixture, 20000);
    start_job(fixture, &job, 15000);
    pthread_join(job.thread, NULL);
    assert_int_equal(job.err, APP_UNAVAILABLE);
    assert_true(job.took_ms >= 2900 && job.took_ms < 10000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_fetched_once_and_kept),
        TEST(the_request_goes_to_jwks_below_the_server_with_our_request_id),
        TEST(a_slash_at_the_servers_end_is_not_doubled),
        TEST(an_unknown_id_is_fetched_for_at_most_once_in_ten_seconds),
        TEST(the_same_unknown_id_is_not_fetched_for_within_a_minute),
        TEST(a_new_key_is_found_when_a_token_names_it),
        TEST(a_key_that_was_unknown_is_taken_once_any_fetch_brings_it),
        TEST(a_key_that_was_taken_back_is_gone_with_the_next_fetch),
        TEST(the_first_of_two_keys_with_one_id_counts),
        TEST(keys_that_are_not_taken_do_not_spoil_the_others),
        TEST(known_keys_work_while_the_server_is_down),
        TEST(a_set_is_renewed_before_its_hour_is_over),
        TEST(a_failure_is_not_repeated_within_a_second),
        TEST(a_failure_keeps_the_keys_that_are_there),
        TEST(documents_that_are_no_key_set_are_failures),
        TEST(answers_other_than_200_are_failures),
        TEST(a_set_may_have_64_keys_and_no_more),
        TEST(a_document_may_have_256_kib_and_no_more),
        TEST(many_threads_make_one_fetch),
        TEST(a_slow_server_holds_few_threads),
        TEST(a_failure_does_not_bring_a_renewal_forward),
        TEST(a_renewal_that_outlasts_the_hour_fails_nobody),
        TEST(a_renewal_holds_up_nobody_else),
        TEST(the_requests_deadline_ends_a_fetch),
        TEST(a_fetch_takes_three_seconds_at_most),
    };
    if (http_client_global_init() != APP_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_client_global_release();
    return failed;
}
