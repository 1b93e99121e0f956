/* SPDX-License-Identifier: MIT */
/* Names that need no network: what a name server would say is not ours to test. */
#include "cache/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"

static struct resolver *make(const char *host)
{
    struct resolver *resolver = NULL;
    assert_int_equal(resolver_new(host, "6379", &resolver), APP_OK);
    return resolver;
}

static void an_address_is_found_again_and_again(void **state)
{
    (void)state;
    struct resolver *resolver = make("127.0.0.1");
    for (int i = 0; i < 3; i++) {
        struct addrinfo *list = NULL;
        struct err_buf why = {.text = ""};
        assert_int_equal(resolver_lookup(resolver, deadline_in_ms(10000), &list, &why), APP_OK);
        assert_int_equal(list->ai_family, AF_INET);
        assert_int_equal(list->ai_socktype, SOCK_STREAM);
        const struct sockaddr_in *name = (const struct sockaddr_in *)(const void *)list->ai_addr;
        assert_int_equal(ntohs(name->sin_port), 6379);
        assert_int_equal(ntohl(name->sin_addr.s_addr), INADDR_LOOPBACK);
        freeaddrinfo(list);
    }
    resolver_free(&resolver);
    assert_null(resolver);
    resolver_free(&resolver);
}

static void a_name_that_cannot_be_is_a_failure_and_says_which(void **state)
{
    (void)state;
    struct addrinfo junk;
    struct addrinfo *list = &junk;
    struct err_buf why = {.text = ""};
    struct resolver *resolver = make("not..a.name");
    assert_int_equal(resolver_lookup(resolver, deadline_in_ms(20000), &list, &why),
                     APP_UPSTREAM_FAILED);
    assert_ptr_equal(list, &junk);
    assert_non_null(strstr(why.detail, "not..a.name: "));
    resolver_free(&resolver);
}

static void a_lookup_that_is_late_is_taken_up_again_or_left(void **state)
{
    (void)state;
    struct addrinfo *list = NULL;
    struct err_buf why = {.text = ""};
    struct resolver *resolver = make("127.0.0.1");
    enum app_err err = resolver_lookup(resolver, 0, &list, &why);
    if (err)
        assert_int_equal(err, APP_UPSTREAM_TIMEOUT);
    else
        freeaddrinfo(list);
    assert_int_equal(resolver_lookup(resolver, deadline_in_ms(10000), &list, &why), APP_OK);
    freeaddrinfo(list);
    for (int i = 0; i < 20; i++) { /* whatever state the request is in */
        if (!resolver_lookup(resolver, 0, &list, &why))
            freeaddrinfo(list);
        resolver_free(&resolver);
        resolver = make("127.0.0.1");
    }
    resolver_free(&resolver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_found_again_and_again),
        cmocka_unit_test(a_name_that_cannot_be_is_a_failure_and_says_which),
        cmocka_unit_test(a_lookup_that_is_late_is_taken_up_again_or_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
