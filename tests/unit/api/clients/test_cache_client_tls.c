/* SPDX-License-Identifier: MIT */
/* Whom the client takes for the cache. Certificates are made by the test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/clients/cache_client.h"
#include "lib/base/clock.h"
#include "support/certificates.h"
#include "support/cmocka.h"
#include "support/fake_cache.h"
#include "support/process.h"
#include "support/temp_dir.h"

#define CACHE_URI "spiffe://11111111.consul/ns/default/dc/dc1/svc/emojify-cache"
#define OTHER_URI "spiffe://11111111.consul/ns/default/dc/dc1/svc/other"

enum { PATIENCE_MS = 20000 };

struct fixture {
    struct temp_dir dir;
    struct log_sink sink;
    struct log log;
    struct authority *authority;
    struct authority *stranger;
    struct certificates server;
    struct certificates client;
    struct fake_cache *fake;
    struct cache_client *cache;
    struct cache_caller *caller;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    temp_dir_init(&fixture->dir);
    fixture->sink.fd = -1;
    atomic_init(&fixture->sink.level, LOG_TRACE);
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    fixture->authority = authority_new();
    fixture->stranger = authority_new();
    authority_issue(fixture->authority, fixture->authority, "URI:" OTHER_URI, &fixture->dir,
                    "client", &fixture->client);
    *state = fixture;
    return 0;
}

static void close_client(struct fixture *fixture)
{
    cache_caller_free(&fixture->caller);
    cache_client_free(&fixture->cache);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    close_client(fixture);
    fake_cache_stop(&fixture->fake);
    authority_free(&fixture->authority);
    authority_free(&fixture->stranger);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

/* A cache with a certificate for `names`, at 127.0.0.1. */
static void start_cache(struct fixture *fixture, const struct authority *issuer, const char *names)
{
    fake_cache_stop(&fixture->fake);
    authority_issue(issuer, fixture->authority, names, &fixture->dir, "server", &fixture->server);
    fixture->fake = fake_cache_start_tls("127.0.0.1:0", &fixture->server.tls);
}

static enum app_err check(struct fixture *fixture)
{
    struct cache_call call = {.deadline_ns = deadline_in_ms(PATIENCE_MS)};
    struct err_buf why = {.text = ""};
    int status;
    return cache_check(fixture->caller, &call, &status, &why);
}

/* Whether a call to the cache goes through. */
static enum app_err ask(struct fixture *fixture, const char *address, const char *identity)
{
    struct err_buf why = {.text = ""};
    const struct cache_client_options options = {.address = address,
                                                 .tls = fixture->client.tls,
                                                 .tls_identity = identity,
                                                 .log = &fixture->log};
    close_client(fixture);
    assert_int_equal(cache_client_new(&options, &fixture->cache, &why), APP_OK);
    assert_int_equal(cache_caller_new(fixture->cache, &fixture->caller), APP_OK);
    return check(fixture);
}

static enum app_err ask_fake(struct fixture *fixture, const char *identity)
{
    return ask(fixture, fake_cache_address(fixture->fake), identity);
}

static void a_certificate_for_the_address_is_taken(void **state)
{
    struct fixture *fixture = *state;
    start_cache(fixture, fixture->authority, "IP:127.0.0.1");
    assert_int_equal(ask_fake(fixture, NULL), APP_OK);
    assert_int_equal(ask_fake(fixture, ""), APP_OK);
}

static void a_certificate_for_another_name_is_refused(void **state)
{
    struct fixture *fixture = *state;
    start_cache(fixture, fixture->authority, "DNS:example.org,IP:127.0.0.2");
    assert_int_equal(ask_fake(fixture, NULL), APP_UPSTREAM_FAILED);
}

static void a_certificate_with_a_spiffe_uri_only_is_taken(void **state)
{
    struct fixture *fixture = *state;
    start_cache(fixture, fixture->authority, "URI:" CACHE_URI);
    assert_int_equal(ask_fake(fixture, NULL), APP_OK);
}

static void other_uris_are_no_identity(void **state)
{
    struct fixture *fixture = *state;
    start_cache(fixture, fixture->authority, "URI:https://127.0.0.1/");
    assert_int_equal(ask_fake(fixture, NULL), APP_UPSTREAM_FAILED);
}

static void an_identity_that_is_asked_for_must_be_there_and_is_enough(void **state)
{
    struct fixture *fixture = *state;
    start_cache(fixture, fixture->authority, "URI:" CACHE_URI);
    assert_int_equal(ask_fake(fixture, CACHE_URI), APP_OK);
    assert_int_equal(ask_fake(fixture, OTHER_URI), APP_UPSTREAM_FAILED);
    assert_int_equal(ask_fake(fixture, CACHE_URI "2"), APP_UPSTREAM_FAILED);
    start_cache(fixture, fixture->authority, "IP:127.0.0.1");
    assert_int_equal(ask_fake(fixture, CACHE_URI), APP_UPSTREAM_FAILED);
}

static void a_certificate_of_another_authority_is_refused(void **state)
{
    struct fixture *fixture = *state;
    start_cache(fixture, fixture->stranger, "IP:127.0.0.1,URI:" CACHE_URI);
    assert_int_equal(ask_fake(fixture, NULL), APP_UPSTREAM_FAILED);
    assert_int_equal(ask_fake(fixture, CACHE_URI), APP_UPSTREAM_FAILED);
}

static void a_cache_without_tls_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake = fake_cache_start("127.0.0.1:0");
    assert_int_equal(ask_fake(fixture, NULL), APP_UPSTREAM_FAILED);
}

/* Which shows names too: looking one up in a test would leak 10 bytes inside c-ares 1.18. */
static void a_socket_goes_by_the_name_localhost(void **state)
{
    struct fixture *fixture = *state;
    char address[128];
    (void)snprintf(address, sizeof(address), "unix:%s/socket", fixture->dir.path);
    authority_issue(fixture->authority, fixture->authority, "DNS:localhost", &fixture->dir,
                    "server", &fixture->server);
    fixture->fake = fake_cache_start_tls(address, &fixture->server.tls);
    assert_int_equal(ask_fake(fixture, NULL), APP_OK);
}

/* Another authority, for both ends: what one end had before is of no use any more. */
static void files_are_read_again_under_way(void **state)
{
    struct fixture *fixture = *state;
    char address[64];
    start_cache(fixture, fixture->authority, "IP:127.0.0.1");
    (void)snprintf(address, sizeof(address), "%s", fake_cache_address(fixture->fake));
    assert_int_equal(ask(fixture, address, NULL), APP_OK);
    fake_cache_stop(&fixture->fake);
    authority_issue(fixture->stranger, fixture->stranger, "URI:" OTHER_URI, &fixture->dir, "client",
                    &fixture->client);
    authority_issue(fixture->stranger, fixture->stranger, "IP:127.0.0.1", &fixture->dir, "server",
                    &fixture->server);
    fixture->fake = fake_cache_start_tls(address, &fixture->server.tls);
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (check(fixture) != APP_OK) {
        assert_true(clock_now_ns() < deadline);
        sleep_ms(50);
    }
}

static void wrong_files_are_named_at_the_start(void **state)
{
    struct fixture *fixture = *state;
    struct cache_client *junk = (struct cache_client *)(void *)fixture;
    struct err_buf why = {.text = ""};
    struct cache_client_options options = {.address = "127.0.0.1:1", .log = &fixture->log};
    options.tls.ca = fixture->client.ca;
    assert_int_equal(cache_client_new(&options, &junk, &why), APP_CONFIG);
    assert_ptr_equal(junk, fixture);
    assert_non_null(strstr(why.text, "CACHE_TLS_KEY"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_certificate_for_the_address_is_taken),
        TEST(a_certificate_for_another_name_is_refused),
        TEST(a_certificate_with_a_spiffe_uri_only_is_taken),
        TEST(other_uris_are_no_identity),
        TEST(an_identity_that_is_asked_for_must_be_there_and_is_enough),
        TEST(a_certificate_of_another_authority_is_refused),
        TEST(a_cache_without_tls_is_a_failure),
        TEST(a_socket_goes_by_the_name_localhost),
        TEST(files_are_read_again_under_way),
        TEST(wrong_files_are_named_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
