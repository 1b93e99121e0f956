/* SPDX-License-Identifier: MIT */
/* Fetches by names of a name server that changes its mind: the C library's resolver, real DNS. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/net/http_client.h"
#include "support/dns_server.h"
#include "support/origin.h"
#include "support/temp_dir.h"

enum { CANNOT_RUN = 77 }; /* to tests/run-one.sh */

struct fixture {
    struct dns_server *dns;
    struct origin *origin; /* on 127.0.0.1, the only address that may be asked */
    uint16_t port;         /* that is fetched from; the origin's */
    int trap;              /* listens where no fetch may go; -1: not set */
    struct address_guard *guard;
    struct buf body;
    struct err_buf why;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->dns = dns_server_start();
    fixture->origin = origin_start();
    fixture->port = origin_port(fixture->origin);
    fixture->trap = -1;
    assert_int_equal(address_guard_new("127.0.0.1/32", "1-65535", &fixture->guard, NULL), APP_OK);
    origin_answer(fixture->origin, "/picture", "200 OK", "", "picture");
    buf_init(&fixture->body, 1000);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    buf_release(&fixture->body);
    address_guard_free(&fixture->guard);
    if (fixture->trap >= 0)
        (void)close(fixture->trap);
    origin_stop(&fixture->origin);
    dns_server_stop(&fixture->dns);
    free(fixture);
    return 0;
}

static enum app_err fetch_with(struct fixture *fixture, struct http_client *client,
                               const char *name, const char *path)
{
    char url[200];
    (void)snprintf(url, sizeof(url), "http://%s:%u%s", name, fixture->port, path);
    const struct http_fetch fetch = {.url = url,
                                     .guard = fixture->guard,
                                     .deadline_ns = deadline_in_ms(20000),
                                     .max_bytes = 1000};
    fixture->why = (struct err_buf){.text = ""};
    return http_client_fetch(client, &fetch, &fixture->body, &fixture->why);
}

/* With a client that has neither a connection nor a name in memory. */
static enum app_err fetch(struct fixture *fixture, const char *name, const char *path)
{
    struct http_client *client = NULL;
    assert_int_equal(http_client_new(&client), APP_OK);
    enum app_err err = fetch_with(fixture, client, name, path);
    http_client_free(&client);
    return err;
}

static void assert_refused(const struct fixture *fixture, enum app_err err, const char *address)
{
    assert_int_equal(err, APP_FORBIDDEN_ADDRESS);
    if (!strstr(fixture->why.detail, address))
        fail_msg("%s does not name %s", fixture->why.detail, address);
}

/* On the port that is fetched from. False: this machine has no such address. */
static bool set_trap(struct fixture *fixture, const char *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(fixture->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(fixture->port)};
    bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    assert_true(is_v4 || inet_pton(AF_INET6, address, &v6.sin6_addr) == 1);
    const struct sockaddr *at = is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
    fixture->trap = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fixture->trap >= 0 && bind(fixture->trap, at, is_v4 ? sizeof(v4) : sizeof(v6)) == 0 &&
           listen(fixture->trap, 1) == 0;
}

static void assert_nobody_in_trap(const struct fixture *fixture)
{
    struct pollfd connected = {fixture->trap, POLLIN, 0};
    assert_int_equal(poll(&connected, 1, 0), 0);
}

static void a_second_answer_that_is_private_is_refused(void **state)
{
    struct fixture *fixture = *state;
    dns_server_say(fixture->dns, "flips.test", "127.0.0.1|10.0.0.1|169.254.169.254");
    assert_int_equal(fetch(fixture, "flips.test", "/picture"), APP_OK);
    assert_string_equal(fixture->body.data, "picture");
    assert_refused(fixture, fetch(fixture, "flips.test", "/picture"), "10.0.0.1");
    assert_refused(fixture, fetch(fixture, "flips.test", "/picture"), "169.254.169.254");
    assert_int_equal(dns_server_questions(fixture->dns, "flips.test"), 3);
    assert_int_equal(origin_connections(fixture->origin), 1);
}

/* curl remembers a name for each of its ports: at another one it asks again. */
static void a_redirect_to_the_same_name_that_has_become_private_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct origin *other = origin_start();
    char location[100];
    dns_server_say(fixture->dns, "moves.test", "127.0.0.1|127.0.0.2");
    (void)snprintf(location, sizeof(location), "Location: http://moves.test:%u/picture\r\n",
                   fixture->port);
    origin_answer(other, "/away", "302 Found", location, "");
    assert_true(set_trap(fixture, "127.0.0.2"));
    fixture->port = origin_port(other);
    enum app_err err = fetch(fixture, "moves.test", "/away");
    unsigned asked = origin_requests(other, "/away");
    origin_stop(&other);
    assert_refused(fixture, err, "127.0.0.2");
    assert_int_equal(asked, 1);
    assert_int_equal(dns_server_questions(fixture->dns, "moves.test"), 2);
    assert_int_equal(origin_connections(fixture->origin), 0);
    assert_nobody_in_trap(fixture);
}

static void a_redirect_to_a_name_that_is_private_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char location[100];
    dns_server_say(fixture->dns, "outer.test", "127.0.0.1");
    dns_server_say(fixture->dns, "inner.test", "169.254.169.254");
    (void)snprintf(location, sizeof(location), "Location: http://inner.test:%u/picture\r\n",
                   origin_port(fixture->origin));
    origin_answer(fixture->origin, "/away", "302 Found", location, "");
    assert_refused(fixture, fetch(fixture, "outer.test", "/away"), "169.254.169.254");
    assert_int_equal(origin_requests(fixture->origin, "/picture"), 0);
}

static void of_several_addresses_only_the_allowed_one_is_connected_to(void **state)
{
    struct fixture *fixture = *state;
    dns_server_say(fixture->dns, "both.test", "10.0.0.1,127.0.0.1,192.168.0.1");
    dns_server_say(fixture->dns, "none.test", "10.0.0.1,192.168.0.1,127.0.0.2");
    assert_int_equal(fetch(fixture, "both.test", "/picture"), APP_OK);
    assert_int_equal(fetch(fixture, "none.test", "/picture"), APP_FORBIDDEN_ADDRESS);
    assert_int_equal(origin_requests(fixture->origin, "/picture"), 1);
}

static void an_allowed_address_that_fails_is_no_way_to_a_private_one(void **state)
{
    struct fixture *fixture = *state;
    dns_server_say(fixture->dns, "next.test", "127.0.0.1,127.0.0.2");
    assert_true(set_trap(fixture, "127.0.0.2"));
    origin_stop(&fixture->origin);
    assert_int_equal(fetch(fixture, "next.test", "/picture"), APP_ORIGIN_FAILED);
    assert_nobody_in_trap(fixture);
}

/* ::1 is what the C library puts first (RFC 6724, section 2.1), so curl comes to it. */
static void a_private_address_of_the_other_family_is_not_connected_to(void **state)
{
    struct fixture *fixture = *state;
    dns_server_say(fixture->dns, "families.test", "127.0.0.1,::1");
    if (!set_trap(fixture, "::1"))
        skip();
    assert_int_equal(fetch(fixture, "families.test", "/picture"), APP_OK);
    assert_int_equal(origin_requests(fixture->origin, "/picture"), 1);
    assert_nobody_in_trap(fixture);
}

/* No question is asked for a kept connection, but its address is looked at. */
static void a_kept_connection_to_what_is_no_longer_allowed_is_not_used(void **state)
{
    struct fixture *fixture = *state;
    struct http_client *client = NULL;
    assert_int_equal(http_client_new(&client), APP_OK);
    dns_server_say(fixture->dns, "kept.test", "127.0.0.1");
    assert_int_equal(fetch_with(fixture, client, "kept.test", "/picture"), APP_OK);
    assert_int_equal(fetch_with(fixture, client, "kept.test", "/picture"), APP_OK);
    assert_int_equal(origin_connections(fixture->origin), 1);
    address_guard_free(&fixture->guard);
    assert_int_equal(address_guard_new("", "1-65535", &fixture->guard, NULL), APP_OK);
    enum app_err err = fetch_with(fixture, client, "kept.test", "/picture");
    http_client_free(&client);
    assert_refused(fixture, err, "127.0.0.1");
    assert_int_equal(origin_requests(fixture->origin, "/picture"), 2);
}

static void a_name_that_nobody_knows_is_told(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fetch(fixture, "unknown.test", "/picture"), APP_FETCH_FAILED);
}

#define DNS_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DNS_TEST(a_second_answer_that_is_private_is_refused),
        DNS_TEST(a_redirect_to_the_same_name_that_has_become_private_is_refused),
        DNS_TEST(a_redirect_to_a_name_that_is_private_is_refused),
        DNS_TEST(of_several_addresses_only_the_allowed_one_is_connected_to),
        DNS_TEST(an_allowed_address_that_fails_is_no_way_to_a_private_one),
        DNS_TEST(a_private_address_of_the_other_family_is_not_connected_to),
        DNS_TEST(a_kept_connection_to_what_is_no_longer_allowed_is_not_used),
        DNS_TEST(a_name_that_nobody_knows_is_told),
    };
    struct temp_dir temp;
    temp_dir_init(&temp);
    if (!dns_namespaces(temp.path)) {
        int error = errno;
        temp_dir_release(&temp);
        printf("no namespaces for a name server of its own: %s\n", strerror(error));
        return CANNOT_RUN;
    }
    if (http_client_global_init() != APP_OK)
        return EXIT_FAILURE;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_client_global_release();
    temp_dir_release(&temp);
    return failed;
}
