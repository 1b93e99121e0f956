/* SPDX-License-Identifier: MIT */
/*
 * What the tests of fetches share: a server of theirs, a client, and names that
 * a resolver of their own knows. In a header, since each program needs a
 * getaddrinfo of its own.
 */
#ifndef TESTS_UNIT_LIB_NET_FETCH_FIXTURE_H
#define TESTS_UNIT_LIB_NET_FETCH_FIXTURE_H

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/net/http_client.h"
#include "support/origin.h"

/*
 * Names as these tests have them; curl's resolver finds this program's
 * getaddrinfo before the C library's. "1.2.3.4|::1": these addresses.
 */
static const struct {
    const char *name;
    const char *addresses;
    unsigned delay_ms;
} names[] = {
    {"public.test", "127.0.0.1", 0},
    {"private.test", "127.0.0.2", 0},
    {"many-private.test", "127.0.0.2|::1|127.0.0.3|169.254.169.254", 0},
    {"mixed.test", "127.0.0.2|127.0.0.1", 0},
    {"slow.test", "127.0.0.1", 2000},
    {"xn--bcher-kva.test", "127.0.0.1", 0},
};
static _Atomic int lookups_running;
static _Atomic int rebinding_lookups; /* "rebinding.test": 127.0.0.1 first, then 127.0.0.2 */

static int resolve_numeric(const char *address, const char *service, const struct addrinfo *hints,
                           struct addrinfo **result)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    return real(address, service, &numeric, result);
}

static int resolve_list(const char *list, const char *service, const struct addrinfo *hints,
                        struct addrinfo **result)
{
    struct addrinfo **end = result;
    while (list) {
        const char *bar = strchr(list, '|');
        char address[64];
        (void)snprintf(address, sizeof(address), "%.*s",
                       bar ? (int)(bar - list) : (int)strlen(list), list);
        if (resolve_numeric(address, service, hints, end) == 0)
            end = &(*end)->ai_next;
        list = bar ? bar + 1 : NULL;
    }
    return 0;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    if (strcasecmp(name, "rebinding.test") == 0)
        return resolve_list(rebinding_lookups++ ? "127.0.0.2" : "127.0.0.1", service, hints,
                            result);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i].name) == 0) {
            lookups_running++;
            usleep(names[i].delay_ms * 1000);
            int failed = resolve_list(names[i].addresses, service, hints, result);
            lookups_running--;
            return failed;
        }
    }
    return EAI_NONAME;
}

struct fixture {
    struct origin *origin;
    struct http_client *client;
    struct address_guard *guard;
    struct http_fetch fetch;
    struct buf body;
    struct err_buf why;
};

static struct address_guard *new_guard(const char *allow_cidr)
{
    struct address_guard *guard = NULL;
    assert_int_equal(address_guard_new(allow_cidr, "1-65535", &guard, NULL), APP_OK);
    return guard;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->origin = origin_start();
    fixture->guard = new_guard("127.0.0.1/32");
    assert_int_equal(http_client_new(&fixture->client), APP_OK);
    buf_init(&fixture->body, 1000000);
    fixture->fetch = (struct http_fetch){
        .guard = fixture->guard, .deadline_ns = deadline_in_ms(20000), .max_bytes = 1000};
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    http_client_free(&fixture->client);
    origin_stop(&fixture->origin);
    address_guard_free(&fixture->guard);
    buf_release(&fixture->body);
    free(fixture);
    return 0;
}

static enum app_err fetch_url(struct fixture *fixture, const char *url)
{
    fixture->fetch.url = url;
    fixture->why = (struct err_buf){.text = "junk", .detail = "junk"};
    return http_client_fetch(fixture->client, &fixture->fetch, &fixture->body, &fixture->why);
}

/* http://HOST:PORT and the target, with the origin's port. */
static enum app_err fetch_from(struct fixture *fixture, const char *host, const char *target)
{
    char url[500];
    (void)snprintf(url, sizeof(url), "http://%s:%d%s", host, origin_port(fixture->origin), target);
    return fetch_url(fixture, url);
}

static enum app_err fetch(struct fixture *fixture, const char *target)
{
    return fetch_from(fixture, "public.test", target);
}

static void assert_outcome(struct fixture *fixture, enum app_err err, enum app_err expected,
                           const char *text)
{
    if (err != expected || strcmp(fixture->why.text, text) != 0)
        print_error("%s: %s: %s\n", app_strerror(err), fixture->why.text, fixture->why.detail);
    assert_int_equal(err, expected);
    assert_string_equal(fixture->why.text, text);
    assert_int_equal(fixture->body.len, 0);
}

static void redirect(struct fixture *fixture, const char *target, const char *status,
                     const char *location)
{
    char header[800];
    (void)snprintf(header, sizeof(header), "Location: %s\r\n", location);
    origin_answer(fixture->origin, target, status, header, "moved");
}

static int global_init(void **state)
{
    (void)state;
    return http_client_global_init() ? -1 : 0;
}

static int global_release(void **state)
{
    (void)state;
    http_client_global_release();
    return 0;
}

#define FETCH_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
