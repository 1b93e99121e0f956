/* SPDX-License-Identifier: MIT */
/* Whom a stranger's URL may lead to: addresses, names, redirects, kept connections. */
#include "unit/lib/net/fetch_fixture.h"

static void a_redirect_to_loopback_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const locations[] = {
        "http://127.0.0.2/",
        "http://private.test/",
        "http://2130706434/",
        "http://0x7f.2/",
        "http://0177.0.0.2/",
        "http://127.2/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.2]/",
        "http://169.254.169.254/meta",
        "http://[64:ff9b::7f00:2]/",
        "//127.0.0.2/",
        "https://127.0.0.2/",
    };
    for (size_t i = 0; i < sizeof(locations) / sizeof(locations[0]); i++) {
        redirect(fixture, "/a", "302 Found", locations[i]);
        assert_outcome(fixture, fetch(fixture, "/a"), APP_FORBIDDEN_ADDRESS,
                       "this address may not be fetched");
    }
}

static void an_address_is_forbidden_only_when_the_guard_refused_all_of_a_name(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/", "200 OK", "", "ok");
    assert_outcome(fixture, fetch_from(fixture, "private.test", "/"), APP_FORBIDDEN_ADDRESS,
                   "this address may not be fetched");
    assert_string_equal(fixture->why.detail, "127.0.0.2 is in 127.0.0.0/8 (loopback, RFC 1122)");
    assert_outcome(fixture, fetch_from(fixture, "many-private.test", "/"), APP_FORBIDDEN_ADDRESS,
                   "this address may not be fetched");
    assert_int_equal(fetch_from(fixture, "mixed.test", "/"), APP_OK);
    assert_string_equal(fixture->body.data, "ok");

    int port = origin_port(fixture->origin);
    origin_stop(&fixture->origin);
    char url[100];
    (void)snprintf(url, sizeof(url), "http://mixed.test:%d/", port);
    assert_outcome(fixture, fetch_url(fixture, url), APP_ORIGIN_FAILED,
                   "the picture's server could not be reached");
}

static void a_kept_connection_is_checked_again(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/", "200 OK", "", "ok");
    assert_int_equal(fetch_from(fixture, "127.0.0.1", "/"), APP_OK);
    struct address_guard *stricter = new_guard("");
    fixture->fetch.guard = stricter;
    enum app_err err = fetch_from(fixture, "127.0.0.1", "/");
    address_guard_free(&stricter);
    assert_outcome(fixture, err, APP_FORBIDDEN_ADDRESS, "this address may not be fetched");
    assert_int_equal(origin_requests(fixture->origin, "/"), 1);
}

static void a_connection_to_an_upstream_is_never_used(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/", "200 OK", "", "ok");
    char url[100];
    (void)snprintf(url, sizeof(url), "http://public.test:%d/", origin_port(fixture->origin));
    const struct http_request request = {.method = "GET",
                                         .url = url,
                                         .user = "box",
                                         .password = "secret",
                                         .deadline_ns = deadline_in_ms(20000),
                                         .max_answer = 1000};
    struct http_answer answer = {.status = 0};
    assert_int_equal(http_client_request(fixture->client, &request, &answer, NULL), APP_OK);
    buf_release(&answer.body);
    assert_int_equal(fetch_url(fixture, url), APP_OK);
    assert_int_equal(origin_connections(fixture->origin), 2);
    char value[100];
    origin_last_header(fixture->origin, "/", "Authorization", value, sizeof(value));
    assert_string_equal(value, "");
}

/* A name's owner may answer with another address whenever he is asked again. */
static void an_answer_of_dns_that_changes_leads_nowhere(void **state)
{
    struct fixture *fixture = *state;
    char url[100];
    (void)snprintf(url, sizeof(url), "http://rebinding.test:%d/", origin_port(fixture->origin));
    origin_answer(fixture->origin, "/", "200 OK", "Connection: close\r\n", "ok");
    rebinding_lookups = 0;
    assert_int_equal(fetch_url(fixture, url), APP_OK);
    http_client_free(&fixture->client); /* and with it what curl remembers of the name */
    assert_int_equal(http_client_new(&fixture->client), APP_OK);
    assert_outcome(fixture, fetch_url(fixture, url), APP_FORBIDDEN_ADDRESS,
                   "this address may not be fetched");
    assert_non_null(strstr(fixture->why.detail, "127.0.0.2"));
    assert_int_equal(rebinding_lookups, 2);
    assert_int_equal(origin_requests(fixture->origin, "/"), 1);
}

static void the_odd_spellings_of_an_address_are_that_address(void **state)
{
    struct fixture *fixture = *state;
    static const char *const hosts[] = {"127.0.0.2",  "127.2",      "0x7f.0.0.2",
                                        "0177.0.0.2", "2130706434", "[::ffff:127.0.0.2]",
                                        "0x7f000002", "127.0.0.2."};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        enum app_err err = fetch_from(fixture, hosts[i], "/");
        if (err != APP_FETCH_FAILED) /* the last dot: not a name at all, for some resolvers */
            assert_outcome(fixture, err, APP_FORBIDDEN_ADDRESS, "this address may not be fetched");
    }
    assert_int_equal(origin_connections(fixture->origin), 0);
}

static void only_hosts_of_the_list_are_asked_when_there_is_one(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/", "200 OK", "", "ok");
    fixture->fetch.allow_hosts = "public.test, xn--bcher-kva.test";
    assert_int_equal(fetch_from(fixture, "public.test", "/"), APP_OK);
    assert_int_equal(fetch_from(fixture,
                                "b\xc3\xbc"
                                "cher.test",
                                "/"),
                     APP_OK);
    assert_outcome(fixture, fetch_from(fixture, "127.0.0.1", "/"), APP_FORBIDDEN_ADDRESS,
                   "this address may not be fetched");
    assert_string_equal(fixture->why.detail,
                        "127.0.0.1 is not in the list of hosts that may be fetched from");
}

static void a_denied_host_is_refused_also_behind_a_redirect(void **state)
{
    struct fixture *fixture = *state;
    char url[100];
    origin_answer(fixture->origin, "/", "200 OK", "", "ok");
    fixture->fetch.allow_hosts = "public.test, mixed.test";
    fixture->fetch.deny_hosts = "mixed.test";
    (void)snprintf(url, sizeof(url), "http://mixed.test:%d/", origin_port(fixture->origin));
    redirect(fixture, "/away", "302 Found", url);
    assert_outcome(fixture, fetch_url(fixture, url), APP_FORBIDDEN_ADDRESS,
                   "this address may not be fetched");
    assert_outcome(fixture, fetch_from(fixture, "public.test", "/away"), APP_FORBIDDEN_ADDRESS,
                   "this address may not be fetched");
    assert_string_equal(fixture->why.detail,
                        "mixed.test is in the list of hosts that are not fetched from");
    assert_int_equal(origin_requests(fixture->origin, "/"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FETCH_TEST(a_redirect_to_loopback_is_refused),
        FETCH_TEST(an_address_is_forbidden_only_when_the_guard_refused_all_of_a_name),
        FETCH_TEST(a_kept_connection_is_checked_again),
        FETCH_TEST(a_connection_to_an_upstream_is_never_used),
        FETCH_TEST(an_answer_of_dns_that_changes_leads_nowhere),
        FETCH_TEST(the_odd_spellings_of_an_address_are_that_address),
        FETCH_TEST(only_hosts_of_the_list_are_asked_when_there_is_one),
        FETCH_TEST(a_denied_host_is_refused_also_behind_a_redirect),
    };
    return cmocka_run_group_tests(tests, global_init, global_release);
}
