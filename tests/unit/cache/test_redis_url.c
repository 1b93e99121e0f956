/* SPDX-License-Identifier: MIT */
#include "cache/redis_url.h"

#include <stdio.h>
#include <string.h>

#include "support/cmocka.h"

static struct redis_url parse(const char *text)
{
    struct redis_url url;
    struct err_buf why = {.text = ""};
    memset(&url, 0x5a, sizeof(url));
    if (redis_url_parse(text, &url, &why))
        fail_msg("%s: %s", text, why.text);
    return url;
}

static void assert_tcp(const char *text, const char *host, const char *port, const char *database)
{
    struct redis_url url = parse(text);
    assert_string_equal(url.path, "");
    assert_string_equal(url.host, host);
    assert_string_equal(url.port, port);
    assert_string_equal(url.database, database);
}

static void hosts_ports_and_databases_are_read(void **state)
{
    (void)state;
    assert_tcp("redis://localhost", "localhost", "6379", "0");
    assert_tcp("redis://localhost/", "localhost", "6379", "0");
    assert_tcp("redis://10.0.0.1:6380", "10.0.0.1", "6380", "0");
    assert_tcp("redis://redis.example.org:1/15", "redis.example.org", "1", "15");
    assert_tcp("redis://host:65535/0", "host", "65535", "0");
    assert_tcp("redis://[::1]", "::1", "6379", "0");
    assert_tcp("redis://[fe80::1%eth0]:7000/3", "fe80::1%eth0", "7000", "3");
    assert_tcp("redis://host/999999", "host", "6379", "999999");
}

static void paths_of_sockets_are_read(void **state)
{
    (void)state;
    struct redis_url url = parse("unix:///run/redis.sock");
    assert_string_equal(url.path, "/run/redis.sock");
    assert_string_equal(url.host, "");
    assert_string_equal(url.database, "0");
    url = parse("unix:///run/a%20b?db=7");
    assert_string_equal(url.path, "/run/a b");
    assert_string_equal(url.database, "7");
    url = parse("unix://u:p@/run/redis.sock?db=1");
    assert_string_equal(url.path, "/run/redis.sock");
    assert_string_equal(url.user, "u");
    assert_string_equal(url.password, "p");
}

static void assert_login(const char *text, const char *user, const char *password)
{
    struct redis_url url = parse(text);
    assert_string_equal(url.user, user);
    assert_string_equal(url.password, password);
    assert_string_equal(url.host, "host");
}

static void logins_are_read_and_decoded(void **state)
{
    (void)state;
    assert_login("redis://host", "", "");
    assert_login("redis://:secret@host", "", "secret");
    assert_login("redis://user:secret@host:1/2", "user", "secret");
    assert_login("redis://us%3aer:p%40ss%2Fw%25@host", "us:er", "p@ss/w%");
    assert_login("redis://user:a:b@c@host", "user", "a:b@c");
}

static void assert_refused(const char *text)
{
    struct redis_url url;
    struct redis_url junk;
    struct err_buf why = {.text = ""};
    memset(&url, 0x5a, sizeof(url));
    junk = url;
    if (redis_url_parse(text, &url, &why) != APP_CONFIG)
        fail_msg("%s is taken", text);
    assert_memory_equal(&url, &junk, sizeof(url));
    assert_string_not_equal(why.text, "");
    assert_null(strstr(why.text, "secret"));
    assert_null(strstr(why.detail, "secret"));
}

static void what_is_no_url_of_a_redis_is_refused_without_repeating_it(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",
        "localhost:6379",
        "http://secret/",
        "redis:",
        "redis://",
        "redis:///1",
        "redis://host:",
        "redis://host:0",
        "redis://host:65536",
        "redis://host:06379",
        "redis://host:1:2",
        "redis://ho st",
        "redis://secret host",
        "redis://::1",
        "redis://[::1",
        "redis://[::1]6379",
        "redis://[]",
        "redis://host/secret",
        "redis://host/1000000",
        "redis://host/-1",
        "redis://host/1/2",
        "redis://host?db=1",
        "redis://secret@host",
        "redis://secret:@host",
        "redis://u:secret%@host",
        "redis://u:secret%4@host",
        "redis://u:secret%zz@host",
        "redis://u:secret%00@host",
        "redis://u:secret@",
        "unix://",
        "unix:///",
        "unix://relative",
        "unix:/run/redis.sock",
        "unix:///run/redis.sock?secret=1",
        "unix:///run/redis.sock?db=",
        "unix:///run/redis.sock?db=x",
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        assert_refused(urls[i]);
}

static void tls_is_refused_in_so_many_words(void **state)
{
    (void)state;
    struct redis_url url;
    struct err_buf why = {.text = ""};
    assert_int_equal(redis_url_parse("rediss://host", &url, &why), APP_CONFIG);
    assert_non_null(strstr(why.text, "rediss:// is not supported"));
}

/* `prefix`, `len` letters and `suffix`. */
static const char *stretch(const char *prefix, int len, const char *suffix, char out[5000])
{
    char letters[4000];
    memset(letters, 'a', sizeof(letters));
    (void)snprintf(out, 5000, "%s%.*s%s", prefix, len, letters, suffix);
    return out;
}

static void each_part_has_a_longest_length(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        const char *suffix;
        int longest;
    } cases[] = {
        {"redis://", "", REDIS_HOST_MAX - 1},
        {"redis://u:", "@host", REDIS_PASSWORD_MAX - 1},
        {"redis://", ":p@host", REDIS_USER_MAX - 1},
        {"unix:///", "", REDIS_PATH_MAX - 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[5000];
        (void)parse(stretch(cases[i].prefix, cases[i].longest, cases[i].suffix, text));
        assert_refused(stretch(cases[i].prefix, cases[i].longest + 1, cases[i].suffix, text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_ports_and_databases_are_read),
        cmocka_unit_test(paths_of_sockets_are_read),
        cmocka_unit_test(logins_are_read_and_decoded),
        cmocka_unit_test(what_is_no_url_of_a_redis_is_refused_without_repeating_it),
        cmocka_unit_test(tls_is_refused_in_so_many_words),
        cmocka_unit_test(each_part_has_a_longest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
