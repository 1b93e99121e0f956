/* SPDX-License-Identifier: MIT */
/* run: seconds=18 */
/*
 * Against a fake cache in this process, or, where one has to be frozen or
 * killed, in a process of its own, which is this program run as a server.
 */
#include "api/clients/cache_client.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/wire/cache_item.h"
#include "support/fake_cache.h"
#include "support/temp_dir.h"

extern char **environ;

enum { PATIENCE_MS = 20000 }; /* of a call that is not expected to use it up */
enum { GRPC_OK = 0, GRPC_CANCELLED = 1, GRPC_UNAVAILABLE = 14 };

struct fixture {
    struct temp_dir dir;
    char address[128];
    struct log_sink sink;
    struct log log;
    struct fake_cache *fake;
    struct cache_client *client;
    struct cache_caller *caller;
};

static void open_client(struct fixture *fixture)
{
    struct err_buf why = {.text = ""};
    const struct cache_client_options options = {.address = fixture->address, .log = &fixture->log};
    assert_int_equal(cache_client_new(&options, &fixture->client, &why), APP_OK);
    assert_int_equal(cache_caller_new(fixture->client, &fixture->caller), APP_OK);
}

static void close_client(struct fixture *fixture)
{
    cache_caller_free(&fixture->caller);
    cache_client_free(&fixture->client);
    assert_null(fixture->caller);
    assert_null(fixture->client);
}

static int set_up_without_server(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    temp_dir_init(&fixture->dir);
    (void)snprintf(fixture->address, sizeof(fixture->address), "unix:%s/socket", fixture->dir.path);
    fixture->sink.fd = -1;
    atomic_init(&fixture->sink.level, LOG_OFF);
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    *state = fixture;
    open_client(fixture);
    return 0;
}

static int set_up(void **state)
{
    (void)set_up_without_server(state);
    struct fixture *fixture = *state;
    fixture->fake = fake_cache_start(fixture->address);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    close_client(fixture);
    fake_cache_stop(&fixture->fake);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

static struct cache_call call_within(int64_t ms)
{
    return (struct cache_call){.deadline_ns = deadline_in_ms(ms)};
}

/* A CacheItem with `len` bytes of a pattern; the caller frees. */
static char *make_item(const char *id, size_t data_len, size_t *len)
{
    char *message = malloc(WIRE_CACHE_ITEM_HEAD_MAX + strlen(id) + data_len);
    assert_non_null(message);
    size_t head = wire_cache_item_head(id, strlen(id), data_len, message);
    for (size_t i = 0; i < data_len; i++)
        message[head + i] = (char)(i * 31 + i / 251);
    *len = head + data_len;
    return message;
}

static void script_one(struct fixture *fixture, const char *method, struct fake_cache_answer answer)
{
    fake_cache_script(fixture->fake, method, &answer, 1);
}

static enum app_err get(struct cache_caller *caller, struct cache_item *item, struct err_buf *why)
{
    struct cache_call call = call_within(PATIENCE_MS);
    return cache_get(caller, &call, "key", item, why);
}

/* Get fails with `expected`, leaving the item alone. */
static void assert_get_fails(struct fixture *fixture, enum app_err expected)
{
    struct cache_item item;
    struct cache_item junk;
    struct err_buf why = {.text = ""};
    memset(&junk, 0x5a, sizeof(junk));
    item = junk;
    assert_int_equal(get(fixture->caller, &item, &why), expected);
    assert_memory_equal(&item, &junk, sizeof(item));
    if (expected == APP_UPSTREAM_FAILED)
        assert_true(why.text[0] != '\0' && why.detail[0] != '\0');
}

/* Whether Get brings exactly the data of the scripted message. */
static bool get_brings(struct cache_caller *caller, const char *data, size_t len)
{
    struct cache_item item;
    struct err_buf why = {.text = ""};
    enum app_err err = get(caller, &item, &why);
    if (err) {
        print_error("%s: %s\n", app_strerror(err), why.detail);
        return false;
    }
    size_t at = 0;
    bool same = item.len == len;
    for (size_t i = 0; i < item.count && same; i++) {
        same = at + item.pieces[i].iov_len <= len &&
               memcmp(item.pieces[i].iov_base, data + at, item.pieces[i].iov_len) == 0;
        at += item.pieces[i].iov_len;
    }
    cache_item_release(&item);
    cache_item_release(&item);
    return same && at == len;
}

static void check_size(struct fixture *fixture, size_t data_len)
{
    size_t len;
    char *message = make_item("key", data_len, &len);
    script_one(fixture, "Get", (struct fake_cache_answer){.message = message, .len = len});
    assert_true(get_brings(fixture->caller, message + len - data_len, data_len));
    free(message);
}

static void items_of_all_sizes_arrive_whole(void **state)
{
    struct fixture *fixture = *state;
    check_size(fixture, 1);
    check_size(fixture, 1024);
    check_size(fixture, 100 * 1024);
    check_size(fixture, 3 * 1024 * 1024);
    check_size(fixture, LIMIT_RESULT_BYTES);
}

static void an_item_beyond_the_limit_is_refused(void **state)
{
    struct fixture *fixture = *state;
    size_t len;
    char *message = make_item("key", LIMIT_CACHE_MESSAGE + 2048, &len);
    script_one(fixture, "Get", (struct fake_cache_answer){.message = message, .len = len});
    assert_get_fails(fixture, APP_UPSTREAM_FAILED);
    assert_int_equal(fake_cache_calls(fixture->fake, "Get"), 1);
    free(message);
    check_size(fixture, 1024); /* and the connection is fine */
}

static void what_is_not_there_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    assert_get_fails(fixture, APP_NOT_FOUND);
}

static void an_item_without_data_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    script_one(fixture, "Get", (struct fake_cache_answer){.message = "\x0a\x03key", .len = 5});
    assert_get_fails(fixture, APP_NOT_FOUND);
    script_one(fixture, "Get", (struct fake_cache_answer){.message = "", .len = 0});
    assert_get_fails(fixture, APP_NOT_FOUND);
}

static enum app_err put(struct fixture *fixture, const void *data, size_t len)
{
    struct cache_call call = call_within(PATIENCE_MS);
    struct err_buf why = {.text = ""};
    return cache_put(fixture->caller, &call, "key", data, len, &why);
}

static void data_up_to_the_limit_can_be_put(void **state)
{
    struct fixture *fixture = *state;
    char *data = calloc(1, LIMIT_RESULT_BYTES + 1);
    assert_non_null(data);
    assert_int_equal(put(fixture, data, LIMIT_RESULT_BYTES), APP_OK);
    assert_int_equal(put(fixture, data, 1), APP_OK);
    assert_int_equal(fake_cache_calls(fixture->fake, "Put"), 2);
    assert_int_equal(put(fixture, data, LIMIT_RESULT_BYTES + 1), APP_TOO_LARGE);
    assert_int_equal(put(fixture, data, 0), APP_BAD_REQUEST);
    assert_int_equal(fake_cache_calls(fixture->fake, "Put"), 2);
    free(data);
}

static enum app_err take_down(struct fixture *fixture, const char *id)
{
    struct cache_call call = call_within(PATIENCE_MS);
    struct err_buf why = {.text = ""};
    return cache_take_down(fixture->caller, &call, id, &why);
}

static void a_take_down_is_a_put_without_data(void **state)
{
    struct fixture *fixture = *state;
    char request[64];
    assert_int_equal(take_down(fixture, "key"), APP_OK);
    assert_int_equal(fake_cache_calls(fixture->fake, "Put"), 1);
    assert_int_equal(fake_cache_request(fixture->fake, request, sizeof(request)), 5);
    assert_memory_equal(request, "\x0a\x03key", 5);
    assert_int_equal(take_down(fixture, ""), APP_BAD_REQUEST);
    assert_int_equal(take_down(fixture, "\xff"), APP_BAD_REQUEST);
    assert_int_equal(fake_cache_calls(fixture->fake, "Put"), 1);
}

static void a_take_down_that_is_refused_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    for (int status = 1; status <= 16; status++) {
        script_one(fixture, "Put", (struct fake_cache_answer){.status = status});
        assert_int_equal(take_down(fixture, "key"),
                         status == 4 ? APP_UPSTREAM_TIMEOUT : APP_UPSTREAM_FAILED);
    }
}

static void a_put_answered_with_another_id_went_well(void **state)
{
    struct fixture *fixture = *state;
    script_one(fixture, "Put", (struct fake_cache_answer){.message = "\x0a\x02zz", .len = 4});
    assert_int_equal(put(fixture, "x", 1), APP_OK);
}

static enum app_err ask_exists(struct fixture *fixture, bool *exists)
{
    struct cache_call call = call_within(PATIENCE_MS);
    struct err_buf why = {.text = ""};
    return cache_exists(fixture->caller, &call, "key", exists, &why);
}

static void exists_tells_yes_from_no(void **state)
{
    struct fixture *fixture = *state;
    bool exists = false;
    script_one(fixture, "Exists", (struct fake_cache_answer){.message = "\x08\x01", .len = 2});
    assert_int_equal(ask_exists(fixture, &exists), APP_OK);
    assert_true(exists);
    script_one(fixture, "Exists", (struct fake_cache_answer){.message = "", .len = 0});
    assert_int_equal(ask_exists(fixture, &exists), APP_OK);
    assert_false(exists);
    exists = true;
    script_one(fixture, "Exists", (struct fake_cache_answer){.status = 5});
    assert_int_equal(ask_exists(fixture, &exists), APP_OK);
    assert_false(exists);
}

static enum app_err ask_check(struct fixture *fixture, int *status)
{
    struct cache_call call = call_within(PATIENCE_MS);
    struct err_buf why = {.text = ""};
    return cache_check(fixture->caller, &call, status, &why);
}

static void check_brings_the_serving_status(void **state)
{
    struct fixture *fixture = *state;
    int status = 77;
    assert_int_equal(ask_check(fixture, &status), APP_OK);
    assert_int_equal(status, 1);
    script_one(fixture, "Check", (struct fake_cache_answer){.message = "\x08\x02", .len = 2});
    assert_int_equal(ask_check(fixture, &status), APP_OK);
    assert_int_equal(status, 2);
}

static void answers_that_are_no_messages_are_failures(void **state)
{
    struct fixture *fixture = *state;
    const struct fake_cache_answer bad[] = {
        {.message = "\xff\xff\xff\xff", .len = 4},
        {.message = "\x0a\x7fshort", .len = 7},
        {.ending = FAKE_CACHE_SILENCE},
    };
    static const char *const methods[] = {"Get", "Put", "Exists", "Check"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bool exists = true;
        int status = 77;
        for (size_t method = 0; method < 4; method++)
            script_one(fixture, methods[method], bad[i]);
        assert_get_fails(fixture, APP_UPSTREAM_FAILED);
        assert_int_equal(put(fixture, "x", 1), APP_UPSTREAM_FAILED);
        assert_int_equal(ask_exists(fixture, &exists), APP_UPSTREAM_FAILED);
        assert_int_equal(ask_check(fixture, &status), APP_UPSTREAM_FAILED);
        assert_true(exists);
        assert_int_equal(status, 77);
    }
}

static void an_answer_with_a_number_is_read_only_when_it_is_small(void **state)
{
    struct fixture *fixture = *state;
    static char fields[1026]; /* of which each is a valid one that nobody knows */
    bool exists = true;
    memset(fields, 'x', sizeof(fields));
    script_one(fixture, "Exists", (struct fake_cache_answer){.message = fields, .len = 1024});
    assert_int_equal(ask_exists(fixture, &exists), APP_OK);
    assert_false(exists);
    script_one(fixture, "Exists", (struct fake_cache_answer){.message = fields, .len = 1026});
    assert_int_equal(ask_exists(fixture, &exists), APP_UPSTREAM_FAILED);
}

static void a_failure_is_told_to_the_log_and_not_to_the_client(void **state)
{
    struct fixture *fixture = *state;
    script_one(fixture, "Get", (struct fake_cache_answer){.status = 13, .words = "disk sda1"});
    struct cache_item item;
    struct err_buf why = {.text = ""};
    assert_int_equal(get(fixture->caller, &item, &why), APP_UPSTREAM_FAILED);
    assert_string_equal(why.detail, "Get: gRPC status 13: disk sda1");
    assert_null(strstr(why.text, "sda1"));
    assert_int_equal(get(fixture->caller, &item, NULL), APP_UPSTREAM_FAILED);
}

static void grpc_statuses_become_our_errors(void **state)
{
    struct fixture *fixture = *state;
    for (int status = 1; status <= 16; status++) {
        script_one(fixture, "Get", (struct fake_cache_answer){.status = status});
        assert_get_fails(fixture, status == 4   ? APP_UPSTREAM_TIMEOUT
                                  : status == 5 ? APP_NOT_FOUND
                                                : APP_UPSTREAM_FAILED);
        if (status != 4) {
            script_one(fixture, "Put", (struct fake_cache_answer){.status = status});
            assert_int_equal(put(fixture, "x", 1), status == 9 ? APP_GONE : APP_UPSTREAM_FAILED);
        }
        if (status != 4 && status != 5) {
            bool exists;
            script_one(fixture, "Exists", (struct fake_cache_answer){.status = status});
            assert_int_equal(ask_exists(fixture, &exists),
                             status == 9 ? APP_GONE : APP_UPSTREAM_FAILED);
        }
    }
}

static void reads_are_tried_once_more_when_the_cache_was_away(void **state)
{
    struct fixture *fixture = *state;
    const struct fake_cache_answer away[] = {
        {.status = GRPC_UNAVAILABLE},
        {.status = GRPC_CANCELLED},
        {.ending = FAKE_CACHE_RESET},
    };
    for (unsigned i = 0; i < 3; i++) {
        struct fake_cache_answer answers[] = {away[i], {.message = "\x12\x01x", .len = 3}};
        fake_cache_script(fixture->fake, "Get", answers, 2);
        assert_true(get_brings(fixture->caller, "x", 1));
        assert_int_equal(fake_cache_calls(fixture->fake, "Get"), 2 * (i + 1));

        bool exists = false;
        answers[1] = (struct fake_cache_answer){.message = "\x08\x01", .len = 2};
        fake_cache_script(fixture->fake, "Exists", answers, 2);
        assert_int_equal(ask_exists(fixture, &exists), APP_OK);
        assert_true(exists);

        int status = 77;
        fake_cache_script(fixture->fake, "Check", answers, 2);
        assert_int_equal(ask_check(fixture, &status), APP_OK);
        assert_int_equal(fake_cache_calls(fixture->fake, "Check"), 2 * (i + 1));
    }
}

static void reads_are_not_tried_a_third_time(void **state)
{
    struct fixture *fixture = *state;
    script_one(fixture, "Get", (struct fake_cache_answer){.status = GRPC_UNAVAILABLE});
    assert_get_fails(fixture, APP_UPSTREAM_FAILED);
    assert_int_equal(fake_cache_calls(fixture->fake, "Get"), 2);
}

static void a_put_is_tried_once(void **state)
{
    struct fixture *fixture = *state;
    script_one(fixture, "Put", (struct fake_cache_answer){.status = GRPC_UNAVAILABLE});
    assert_int_equal(put(fixture, "x", 1), APP_UPSTREAM_FAILED);
    script_one(fixture, "Put", (struct fake_cache_answer){.ending = FAKE_CACHE_RESET});
    assert_int_equal(put(fixture, "x", 1), APP_UPSTREAM_FAILED);
    assert_int_equal(fake_cache_calls(fixture->fake, "Put"), 2);
}

static void other_failures_are_not_tried_again(void **state)
{
    struct fixture *fixture = *state;
    script_one(fixture, "Get", (struct fake_cache_answer){.status = 13});
    assert_get_fails(fixture, APP_UPSTREAM_FAILED);
    assert_int_equal(fake_cache_calls(fixture->fake, "Get"), 1);
}

static void check_id(struct fixture *fixture, const char *id, enum app_err expected)
{
    struct cache_call call = call_within(PATIENCE_MS);
    struct cache_item item;
    struct err_buf why = {.text = ""};
    bool exists;
    assert_int_equal(cache_get(fixture->caller, &call, id, &item, &why),
                     expected ? expected : APP_NOT_FOUND);
    assert_int_equal(cache_put(fixture->caller, &call, id, "x", 1, &why), expected);
    assert_int_equal(cache_exists(fixture->caller, &call, id, &exists, &why), expected);
}

static void ids_that_cannot_be_sent_are_refused_without_a_call(void **state)
{
    struct fixture *fixture = *state;
    char longest[LIMIT_CACHE_ID + 2] = "";
    memset(longest, 'i', LIMIT_CACHE_ID + 1);
    check_id(fixture, "", APP_BAD_REQUEST);
    check_id(fixture, "\xff\xfe", APP_BAD_REQUEST);
    check_id(fixture, longest, APP_BAD_REQUEST);
    assert_int_equal(fake_cache_calls(fixture->fake, "Get"), 0);
    longest[LIMIT_CACHE_ID] = '\0';
    check_id(fixture, longest, APP_OK);
    check_id(fixture, "gr\xc3\xbc\xc3\x9f", APP_OK);
}

static void assert_request_id_sent(struct fixture *fixture, const char *id, const char *expected)
{
    char seen[128];
    struct cache_call call = {.deadline_ns = deadline_in_ms(PATIENCE_MS), .request_id = id};
    struct err_buf why = {.text = ""};
    bool exists;
    assert_int_equal(cache_exists(fixture->caller, &call, "key", &exists, &why), APP_OK);
    fake_cache_metadata(fixture->fake, "x-request-id", seen, sizeof(seen));
    assert_string_equal(seen, expected);
}

static void the_request_id_goes_along_when_it_is_legal(void **state)
{
    struct fixture *fixture = *state;
    char long_id[LIMIT_REQUEST_ID + 2] = "";
    memset(long_id, 'r', LIMIT_REQUEST_ID + 1);
    assert_request_id_sent(fixture, "abc-123", "abc-123");
    assert_request_id_sent(fixture, NULL, "");
    assert_request_id_sent(fixture, "two\nlines", "");
    assert_request_id_sent(fixture, "", "");
    assert_request_id_sent(fixture, long_id, "");
    long_id[LIMIT_REQUEST_ID] = '\0';
    assert_request_id_sent(fixture, long_id, long_id);
}

static void assert_sent(struct fixture *fixture, const char *name, const char *expected)
{
    char seen[128];
    fake_cache_metadata(fixture->fake, name, seen, sizeof(seen));
    assert_string_equal(seen, expected);
}

static void further_headers_go_along_when_they_are_legal(void **state)
{
    static const struct http_header headers[] = {
        {"traceparent", "00-1-2-01"},
        {"two words", "x"},
        {"x-break", "a\nb"},
        {"x-data-bin", "AAAA"},
        {"x-empty", ""},
        {"b3", "1"},
        {"x-seven", "7"},
        {"x-eight", "8"},
        {"x-nine", "9"},
    };
    struct fixture *fixture = *state;
    struct cache_call call = {.deadline_ns = deadline_in_ms(PATIENCE_MS),
                              .request_id = "id",
                              .headers = headers,
                              .header_count = sizeof(headers) / sizeof(headers[0])};
    struct err_buf why = {.text = ""};
    bool exists;
    assert_int_equal(cache_exists(fixture->caller, &call, "key", &exists, &why), APP_OK);
    assert_sent(fixture, "x-request-id", "id");
    assert_sent(fixture, "traceparent", "00-1-2-01");
    assert_sent(fixture, "b3", "1");
    assert_sent(fixture, "x-break", "");
    assert_sent(fixture, "x-data-bin", "");
    assert_sent(fixture, "x-eight", "8");
    assert_sent(fixture, "x-nine", ""); /* one more than CACHE_CALL_HEADERS_MAX */
}

/* Get within `ms` fails with a timeout, not before that and not much later. */
static void assert_times_out(struct fixture *fixture, int64_t ms)
{
    struct cache_item item;
    struct err_buf why = {.text = ""};
    int64_t started = clock_now_ns();
    struct cache_call call = call_within(ms);
    assert_int_equal(cache_get(fixture->caller, &call, "key", &item, &why), APP_UPSTREAM_TIMEOUT);
    int64_t spent_ms = (clock_now_ns() - started) / NS_PER_MS;
    assert_true(spent_ms >= ms - 1);
    assert_true(spent_ms < (ms > 0 ? ms : 0) + 3000);
}

static void a_slow_cache_is_a_timeout_at_the_deadline(void **state)
{
    struct fixture *fixture = *state;
    script_one(fixture, "Get",
               (struct fake_cache_answer){.ending = FAKE_CACHE_ECHO, .delay_ms = 10000});
    assert_times_out(fixture, 200);
    assert_times_out(fixture, 0);
    assert_times_out(fixture, -5000);
    script_one(fixture, "Get", (struct fake_cache_answer){.message = "\x12\x01x", .len = 3});
    assert_true(get_brings(fixture->caller, "x", 1));
}

static void put_data_may_go_away_after_a_timeout(void **state)
{
    struct fixture *fixture = *state;
    script_one(fixture, "Put",
               (struct fake_cache_answer){.ending = FAKE_CACHE_ECHO, .delay_ms = 100});
    for (int64_t ms = 0; ms < 8; ms++) {
        char *data = calloc(1, 4000000);
        assert_non_null(data);
        struct cache_call call = call_within(ms);
        struct err_buf why = {.text = ""};
        assert_int_equal(cache_put(fixture->caller, &call, "key", data, 4000000, &why),
                         APP_UPSTREAM_TIMEOUT);
        memset(data, 0xff, 4000000);
        free(data);
    }
}

/* This program as a fake cache at the fixture's address; ready when it listens. */
static pid_t spawn_server(const struct fixture *fixture)
{
    char program[] = "/proc/self/exe";
    char option[] = "--serve";
    char address[sizeof(fixture->address)];
    memcpy(address, fixture->address, sizeof(address));
    char *arguments[] = {program, option, address, NULL};
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, program, NULL, NULL, arguments, environ), 0);
    for (int i = 0; i < 1000 && !temp_dir_has(&fixture->dir, "socket"); i++)
        usleep(10000);
    return pid;
}

static void end_server(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Milliseconds until a call works. */
static int64_t wait_for_service(struct fixture *fixture)
{
    int64_t started = clock_now_ns();
    int status;
    while (ask_check(fixture, &status) != APP_OK) {
        assert_true(clock_now_ns() - started < 10 * NS_PER_S);
        usleep(20000);
    }
    return (clock_now_ns() - started) / NS_PER_MS;
}

static void a_frozen_cache_is_a_timeout_and_works_again_when_it_goes_on(void **state)
{
    struct fixture *fixture = *state;
    pid_t pid = spawn_server(fixture);
    (void)wait_for_service(fixture);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    assert_times_out(fixture, 300);
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_get_fails(fixture, APP_NOT_FOUND);
    end_server(pid);
}

static void assert_fails_quickly(struct fixture *fixture)
{
    int64_t started = clock_now_ns();
    assert_get_fails(fixture, APP_UPSTREAM_FAILED);
    assert_int_equal(put(fixture, "x", 1), APP_UPSTREAM_FAILED);
    assert_true(clock_now_ns() - started < 3 * NS_PER_S);
}

static void a_dead_cache_is_a_failure_at_once(void **state)
{
    struct fixture *fixture = *state;
    assert_fails_quickly(fixture); /* never there */
    pid_t pid = spawn_server(fixture);
    (void)wait_for_service(fixture);
    end_server(pid);
    assert_fails_quickly(fixture); /* gone */
}

static void service_resumes_within_two_seconds_of_the_caches_return(void **state)
{
    struct fixture *fixture = *state;
    for (int round = 0; round < 3; round++) {
        fixture->fake = fake_cache_start(fixture->address);
        int64_t ms = wait_for_service(fixture);
        print_message("service after %d ms\n", (int)ms);
        assert_true(ms < 2000);
        fake_cache_stop(&fixture->fake);
        int64_t until = deadline_in_ms(1500); /* long enough for the back-off to grow */
        while (clock_now_ns() < until) {
            assert_get_fails(fixture, APP_UPSTREAM_FAILED);
            usleep(100000);
        }
    }
}

static void an_idle_client_survives_a_restart_without_a_failed_call(void **state)
{
    struct fixture *fixture = *state;
    int status;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(ask_check(fixture, &status), APP_OK);
        fake_cache_stop(&fixture->fake);
        fixture->fake = fake_cache_start(fixture->address);
        usleep(1500000); /* the watcher has noticed both */
    }
}

static void stopping_does_not_wait_for_anything(void **state)
{
    struct fixture *fixture = *state;
    int status;
    for (int round = 0; round < 5; round++) {
        assert_int_equal(ask_check(fixture, &status), APP_OK);
        int64_t started = clock_now_ns();
        close_client(fixture);
        assert_true(clock_now_ns() - started < NS_PER_S);
        open_client(fixture);
    }
    fake_cache_stop(&fixture->fake);
    (void)ask_check(fixture, &status); /* connecting */
    int64_t started = clock_now_ns();
    close_client(fixture);
    assert_true(clock_now_ns() - started < NS_PER_S);
    cache_client_free(&fixture->client);
    cache_caller_free(&fixture->caller);
}

/* Each of four callers has another connection, whose pauses between attempts have grown. */
static void all_connections_are_back_with_the_first(void **state)
{
    enum { CALLERS = 4, AWAY_MS = 4000, SOON_MS = 300 };
    struct fixture *fixture = *state;
    struct cache_caller *callers[CALLERS];
    int status = 0;
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(cache_caller_new(fixture->client, &callers[i]), APP_OK);
    fake_cache_stop(&fixture->fake);
    int64_t end_ns = deadline_in_ms(AWAY_MS);
    for (int i = 0; clock_now_ns() < end_ns; i++) {
        struct cache_call call = call_within(PATIENCE_MS);
        assert_int_equal(cache_check(callers[i % CALLERS], &call, &status, NULL),
                         APP_UPSTREAM_FAILED);
        deadline_sleep(deadline_in_ms(10));
    }
    fixture->fake = fake_cache_start(fixture->address);
    end_ns = deadline_in_ms(PATIENCE_MS);
    for (enum app_err err = APP_UPSTREAM_FAILED; err && clock_now_ns() < end_ns;) {
        for (int i = 0; err && i < CALLERS; i++) {
            struct cache_call call = call_within(PATIENCE_MS);
            err = cache_check(callers[i], &call, &status, NULL);
        }
        deadline_sleep(deadline_in_ms(5));
    }
    deadline_sleep(deadline_in_ms(SOON_MS));
    for (int i = 0; i < CALLERS; i++) {
        struct cache_call call = call_within(PATIENCE_MS);
        assert_int_equal(cache_check(callers[i], &call, &status, NULL), APP_OK);
        cache_caller_free(&callers[i]);
    }
}

/* --- Connecting ahead ------------------------------------------------------------- */

static int64_t connect_ms(struct fixture *fixture, int64_t ms)
{
    int64_t started_ns = clock_now_ns();
    cache_client_connect(fixture->client, ms);
    return (clock_now_ns() - started_ns) / NS_PER_MS;
}

static void all_connections_stand_before_the_first_call(void **state)
{
    struct fixture *fixture = *state;
    int status;
    assert_true(connect_ms(fixture, PATIENCE_MS) < PATIENCE_MS / 2);
    assert_int_equal(ask_check(fixture, &status), APP_OK);
    assert_true(connect_ms(fixture, PATIENCE_MS) < 100); /* it stands still */
}

static void a_cache_that_takes_no_connection_is_not_waited_for_once_it_refused(void **state)
{
    assert_true(connect_ms(*state, PATIENCE_MS) < PATIENCE_MS / 2);
}

/* It connects in the kernel and never says a word. */
static void a_cache_that_is_hung_is_waited_for_as_long_as_was_said(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int connections = 0;
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", fixture->address + strlen("unix:"));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_in_range(connect_ms(fixture, 100), 100, PATIENCE_MS / 2);
    for (int fd = accept(listener, NULL, NULL); fd >= 0; fd = accept(listener, NULL, NULL)) {
        connections++;
        (void)close(fd);
    }
    assert_int_equal(connections, 4);
    (void)close(listener);
}

static void an_address_that_is_none_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char address[400] = "unix:/";
    memset(address + 6, 'a', sizeof(address) - 7);
    struct cache_client *client = fixture->client;
    struct err_buf why = {.text = ""};
    const struct cache_client_options options = {.address = address, .log = &fixture->log};
    assert_int_equal(cache_client_new(&options, &client, &why), APP_CONFIG);
    assert_ptr_equal(client, fixture->client);
    assert_string_not_equal(why.text, "");
}

enum { THREADS = 16, ROUNDS = 100 };

struct parallel {
    struct cache_client *client;
    const char *data;
    size_t len;
    bool failed;
};

static void *get_again_and_again(void *argument)
{
    struct parallel *parallel = argument;
    struct cache_caller *caller;
    parallel->failed = cache_caller_new(parallel->client, &caller) != APP_OK;
    for (int i = 0; i < ROUNDS && !parallel->failed; i++)
        parallel->failed = !get_brings(caller, parallel->data, parallel->len);
    cache_caller_free(&caller);
    return NULL;
}

static void sixteen_threads_get_in_parallel(void **state)
{
    struct fixture *fixture = *state;
    size_t len;
    char *message = make_item("key", 100000, &len);
    script_one(fixture, "Get", (struct fake_cache_answer){.message = message, .len = len});
    pthread_t threads[THREADS];
    struct parallel parallels[THREADS];
    for (int i = 0; i < THREADS; i++) {
        parallels[i] = (struct parallel){fixture->client, message + len - 100000, 100000, false};
        assert_int_equal(pthread_create(&threads[i], NULL, get_again_and_again, &parallels[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        assert_false(parallels[i].failed);
    assert_int_equal(fake_cache_calls(fixture->fake, "Get"), THREADS * ROUNDS);
    free(message);
}

/* A fake cache until it is killed, or its parent is gone. */
static int serve(const char *address)
{
    struct fake_cache *fake = fake_cache_start(address);
    pid_t parent = getppid();
    while (getppid() == parent)
        usleep(200000);
    fake_cache_stop(&fake);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--serve") == 0)
        return serve(argv[2]);
#define TEST(name)       cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_ALONE(name) cmocka_unit_test_setup_teardown(name, set_up_without_server, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(items_of_all_sizes_arrive_whole),
        TEST(an_item_beyond_the_limit_is_refused),
        TEST(what_is_not_there_is_not_found),
        TEST(an_item_without_data_is_not_found),
        TEST(data_up_to_the_limit_can_be_put),
        TEST(a_take_down_is_a_put_without_data),
        TEST(a_take_down_that_is_refused_is_a_failure),
        TEST(a_put_answered_with_another_id_went_well),
        TEST(exists_tells_yes_from_no),
        TEST(check_brings_the_serving_status),
        TEST(answers_that_are_no_messages_are_failures),
        TEST(an_answer_with_a_number_is_read_only_when_it_is_small),
        TEST(a_failure_is_told_to_the_log_and_not_to_the_client),
        TEST(grpc_statuses_become_our_errors),
        TEST(reads_are_tried_once_more_when_the_cache_was_away),
        TEST(reads_are_not_tried_a_third_time),
        TEST(a_put_is_tried_once),
        TEST(other_failures_are_not_tried_again),
        TEST(ids_that_cannot_be_sent_are_refused_without_a_call),
        TEST(the_request_id_goes_along_when_it_is_legal),
        TEST(further_headers_go_along_when_they_are_legal),
        TEST(a_slow_cache_is_a_timeout_at_the_deadline),
        TEST(put_data_may_go_away_after_a_timeout),
        TEST_ALONE(a_frozen_cache_is_a_timeout_and_works_again_when_it_goes_on),
        TEST_ALONE(a_dead_cache_is_a_failure_at_once),
        TEST_ALONE(service_resumes_within_two_seconds_of_the_caches_return),
        TEST(an_idle_client_survives_a_restart_without_a_failed_call),
        TEST(stopping_does_not_wait_for_anything),
        TEST(all_connections_are_back_with_the_first),
        TEST(all_connections_stand_before_the_first_call),
        TEST_ALONE(a_cache_that_takes_no_connection_is_not_waited_for_once_it_refused),
        TEST_ALONE(a_cache_that_is_hung_is_waited_for_as_long_as_was_said),
        TEST_ALONE(an_address_that_is_none_is_refused),
        TEST(sixteen_threads_get_in_parallel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
