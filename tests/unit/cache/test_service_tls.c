/* SPDX-License-Identifier: MIT */
/* Whom the service lets in. Certificates are made by the test. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/self_check.h"
#include "cache/service.h"
#include "cache/store_file.h"
#include "lib/base/clock.h"
#include "support/certificates.h"
#include "support/cmocka.h"
#include "support/grpc_client.h"
#include "support/process.h"
#include "support/temp_dir.h"

enum { PATIENCE_MS = 20000, GRPC_OK = 0, GRPC_UNAVAILABLE = 14 };

struct fixture {
    struct temp_dir dir;
    struct temp_dir entries;
    struct log_sink sink;
    struct log log;
    char log_path[PATH_MAX];
    struct authority *authority;
    struct authority *stranger;
    struct certificates server;
    struct certificates client;
    struct store *store;
    struct service *service;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct err_buf why = {.text = ""};
    temp_dir_init(&fixture->dir);
    temp_dir_init(&fixture->entries);
    temp_dir_path(&fixture->dir, "log", fixture->log_path);
    fixture->sink.fd = open(fixture->log_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    atomic_init(&fixture->sink.level, LOG_WARN);
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    fixture->authority = authority_new();
    fixture->stranger = authority_new();
    authority_issue(fixture->authority, fixture->authority, "IP:127.0.0.1", &fixture->dir, "server",
                    &fixture->server);
    authority_issue(fixture->authority, fixture->authority, "DNS:client", &fixture->dir, "client",
                    &fixture->client);
    const struct store_file_options store = {fixture->entries.path, 0, 0, 0, &fixture->log};
    assert_int_equal(store_file_new(&store, &fixture->store, &why), APP_OK);
    const struct service_options service = {.address = "127.0.0.1",
                                            .store = fixture->store,
                                            .log = &fixture->log,
                                            .tls = fixture->server.tls};
    assert_int_equal(service_start(&service, &fixture->service, &why), APP_OK);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    service_stop(&fixture->service, 5000);
    store_free(&fixture->store);
    authority_free(&fixture->authority);
    authority_free(&fixture->stranger);
    close(fixture->sink.fd);
    temp_dir_release(&fixture->entries);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

/* The status of a call over a connection of its own. */
static int ask_as(struct fixture *fixture, const struct rpc_tls *tls)
{
    const struct grpc_client_options options = {.address = service_address(fixture->service),
                                                .tls = *tls};
    struct grpc_client_answer answer = {0};
    struct grpc_client *client = grpc_client_new(&options);
    grpc_client_call(client, "/Cache/Check", "", 0, &answer);
    int status = answer.status;
    grpc_client_answer_release(&answer);
    grpc_client_free(&client);
    return status;
}

static void a_client_of_the_authority_is_let_in(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask_as(fixture, &fixture->client.tls), GRPC_OK);
}

static void a_client_of_another_authority_is_kept_out(void **state)
{
    struct fixture *fixture = *state;
    struct certificates other;
    authority_issue(fixture->stranger, fixture->authority, "DNS:client", &fixture->dir, "other",
                    &other);
    assert_int_equal(ask_as(fixture, &other.tls), GRPC_UNAVAILABLE);
    assert_int_equal(ask_as(fixture, &fixture->client.tls), GRPC_OK);
}

static void a_client_without_tls_is_kept_out(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask_as(fixture, &(const struct rpc_tls){.ca = NULL}), GRPC_UNAVAILABLE);
    assert_int_equal(ask_as(fixture, &fixture->client.tls), GRPC_OK);
}

static void files_are_read_again_under_way(void **state)
{
    struct fixture *fixture = *state;
    struct certificates server;
    struct certificates client;
    authority_issue(fixture->stranger, fixture->stranger, "DNS:client", &fixture->dir, "new",
                    &client);
    assert_int_equal(ask_as(fixture, &client.tls), GRPC_UNAVAILABLE);
    authority_issue(fixture->stranger, fixture->stranger, "IP:127.0.0.1", &fixture->dir, "server",
                    &server);
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (ask_as(fixture, &client.tls) != GRPC_OK) {
        assert_true(clock_now_ns() < deadline);
        sleep_ms(100);
    }
    assert_int_equal(ask_as(fixture, &fixture->client.tls), GRPC_UNAVAILABLE);
}

static void the_self_check_is_answered_and_leaves_no_trace_in_the_log(void **state)
{
    struct fixture *fixture = *state;
    struct self_check_options options = {.address = service_address(fixture->service),
                                         .interval_ms = 5000,
                                         .tls = true,
                                         .log = &fixture->log};
    char content[1000] = "";
    for (int i = 0; i < 5; i++)
        assert_true(self_check_answers(&options));
    assert_int_equal(ask_as(fixture, &fixture->client.tls), GRPC_OK);
    FILE *file = fopen(fixture->log_path, "re");
    assert_non_null(file);
    (void)!fread(content, 1, sizeof(content) - 1, file);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(content, "");

    options.tls = false; /* a server that waits for a ClientHello says nothing */
    options.interval_ms = 200;
    assert_false(self_check_answers(&options));
}

static void wrong_files_are_named_at_the_start(void **state)
{
    struct fixture *fixture = *state;
    struct service *junk = fixture->service;
    struct err_buf why = {.text = ""};
    const struct service_options options = {.address = "127.0.0.1",
                                            .store = fixture->store,
                                            .log = &fixture->log,
                                            .tls = {.key = fixture->server.key}};
    assert_int_equal(service_start(&options, &junk, &why), APP_CONFIG);
    assert_ptr_equal(junk, fixture->service);
    assert_non_null(strstr(why.text, "TLS_CA"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_client_of_the_authority_is_let_in),
        TEST(a_client_of_another_authority_is_kept_out),
        TEST(a_client_without_tls_is_kept_out),
        TEST(files_are_read_again_under_way),
        TEST(the_self_check_is_answered_and_leaves_no_trace_in_the_log),
        TEST(wrong_files_are_named_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
