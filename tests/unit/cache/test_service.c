/* SPDX-License-Identifier: MIT */
/* Over a real directory, or over a store that does as the test says. */
#include "cache/service.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/store_file.h"
#include "health.pb-c.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/wire/cache_item.h"
#include "support/grpc_client.h"
#include "support/temp_dir.h"

enum {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_NOT_FOUND = 5,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
};

#define BYTES(text) (text), sizeof(text) - 1

/* A store whose every operation takes its time and then fails, or says yes. */
struct scripted_store {
    struct store base;
    _Atomic int err; /* enum app_err */
    _Atomic unsigned delay_ms;
    sem_t waiting;        /* posted when a Get of "slow" waits, */
    sem_t go_on;          /* until this is */
    struct content *kept; /* what a Get of "kept" finds; one of "large" finds another each time */
};

struct fixture {
    struct temp_dir dir;
    struct log_sink sink;
    struct log log;
    struct store *store;
    struct scripted_store scripted;
    struct service *service;
    struct grpc_client *client;
    struct grpc_client_answer answer;
};

static enum app_err scripted_result(struct store *store, struct err_buf *why)
{
    struct scripted_store *scripted = (struct scripted_store *)(void *)store;
    enum app_err err = (enum app_err)scripted->err;
    usleep(scripted->delay_ms * 1000);
    if (err)
        err_detail(why, "disk sda1 is on fire");
    return err ? err_set(why, err, "as scripted") : APP_OK;
}

static struct content *new_large(void)
{
    return content_new(calloc(1, LIMIT_RESULT_BYTES), LIMIT_RESULT_BYTES);
}

static enum app_err scripted_get(struct store *store, const char *id, size_t id_len,
                                 struct content **content, struct err_buf *why)
{
    struct scripted_store *scripted = (struct scripted_store *)(void *)store;
    if (id_len == 4 && memcmp(id, "slow", 4) == 0) {
        store_before_wait(store);
        sem_post(&scripted->waiting);
        sem_wait(&scripted->go_on);
    }
    enum app_err err = scripted_result(store, why);
    if (err)
        return err;
    if (id_len == 4 && memcmp(id, "kept", 4) == 0)
        *content = content_get(scripted->kept);
    else if (id_len == 5 && memcmp(id, "large", 5) == 0)
        *content = new_large();
    else
        *content = content_new(strdup("x"), 1);
    return APP_OK;
}

static enum app_err scripted_put(struct store *store, const char *id, size_t id_len,
                                 const void *data, size_t len, struct err_buf *why)
{
    (void)id;
    (void)id_len;
    (void)data;
    (void)len;
    return scripted_result(store, why);
}

static enum app_err scripted_exists(struct store *store, const char *id, size_t id_len,
                                    bool *exists, struct err_buf *why)
{
    (void)id;
    (void)id_len;
    *exists = true;
    return scripted_result(store, why);
}

static enum app_err scripted_check(struct store *store, struct err_buf *why)
{
    return scripted_result(store, why);
}

static const struct store_operations scripted_operations = {
    .get = scripted_get,
    .put = scripted_put,
    .exists = scripted_exists,
    .check = scripted_check,
};

static enum app_err start_at(struct fixture *fixture, const char *address, uint16_t port,
                             struct store *store, struct service **service)
{
    const struct service_options options = {
        .address = address, .port = port, .store = store, .log = &fixture->log};
    struct err_buf why = {.text = ""};
    enum app_err err = service_start(&options, service, &why);
    if (err)
        assert_string_not_equal(why.text, "");
    return err;
}

static void connect_client(struct fixture *fixture, bool compress)
{
    const struct grpc_client_options options = {.address = service_address(fixture->service),
                                                .compress = compress};
    grpc_client_free(&fixture->client);
    fixture->client = grpc_client_new(&options);
}

static void prepare(struct fixture *fixture)
{
    temp_dir_init(&fixture->dir);
    fixture->sink.fd = -1;
    atomic_init(&fixture->sink.level, LOG_TRACE); /* so that records are made */
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    fixture->scripted.base.operations = &scripted_operations;
    sem_init(&fixture->scripted.waiting, 0, 0);
    sem_init(&fixture->scripted.go_on, 0, 0);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    prepare(fixture);
    const struct store_file_options options = {fixture->dir.path, 0, 0, 0, &fixture->log};
    struct err_buf why = {.text = ""};
    assert_int_equal(store_file_new(&options, &fixture->store, &why), APP_OK);
    assert_int_equal(start_at(fixture, "127.0.0.1", 0, fixture->store, &fixture->service), APP_OK);
    connect_client(fixture, false);
    *state = fixture;
    return 0;
}

static int set_up_scripted(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    prepare(fixture);
    assert_int_equal(start_at(fixture, "127.0.0.1", 0, &fixture->scripted.base, &fixture->service),
                     APP_OK);
    connect_client(fixture, false);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    grpc_client_answer_release(&fixture->answer);
    grpc_client_free(&fixture->client);
    service_stop(&fixture->service, 5000);
    store_free(&fixture->store);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

/* Returns the status. */
static int call(struct fixture *fixture, const char *method, const void *message, size_t len)
{
    grpc_client_call(fixture->client, method, message, len, &fixture->answer);
    return fixture->answer.status;
}

static void assert_answers(struct fixture *fixture, const char *method, const void *message,
                           size_t len, const char *expected, size_t expected_len)
{
    assert_int_equal(call(fixture, method, message, len), GRPC_OK);
    assert_int_equal(fixture->answer.len, expected_len);
    assert_memory_equal(fixture->answer.message, expected, expected_len);
}

static void what_was_put_is_got_byte_for_byte(void **state)
{
    struct fixture *fixture = *state;
    static const size_t sizes[] = {1, 1024, 100 * 1024, 3 * 1024 * 1024, LIMIT_RESULT_BYTES};
    char *item = malloc(WIRE_CACHE_ITEM_HEAD_MAX + 3 + LIMIT_RESULT_BYTES);
    assert_non_null(item);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t len = wire_cache_item_head("key", 3, sizes[i], item);
        for (size_t at = 0; at < sizes[i]; at++)
            item[len++] = (char)(at * 31 + at / 251 + i);
        assert_answers(fixture, "/Cache/Put", item, len, BYTES("\x0a\x03key"));
        assert_answers(fixture, "/Cache/Get", BYTES("\x0a\x03key"), item, len);
    }
    free(item);
}

static void what_is_not_there_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x03key")), GRPC_NOT_FOUND);
    assert_null(fixture->answer.message);
    assert_string_equal(fixture->answer.words, "not found");
    assert_answers(fixture, "/Cache/Exists", BYTES("\x0a\x03key"), BYTES(""));
}

static void what_is_there_exists(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(call(fixture, "/Cache/Put", BYTES("\x0a\x03key\x12\x01x")), GRPC_OK);
    assert_answers(fixture, "/Cache/Exists", BYTES("\x0a\x03key"), BYTES("\x08\x01"));
}

static void an_entry_put_without_data_is_taken_down(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(call(fixture, "/Cache/Put", BYTES("\x0a\x03key\x12\x01x")), GRPC_OK);
    assert_answers(fixture, "/Cache/Put", BYTES("\x0a\x03key"), BYTES("\x0a\x03key"));
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x03key")), GRPC_NOT_FOUND);
    assert_int_equal(call(fixture, "/Cache/Exists", BYTES("\x0a\x03key")),
                     GRPC_FAILED_PRECONDITION);
    assert_int_equal(call(fixture, "/Cache/Put", BYTES("\x0a\x03key\x12\x01x")),
                     GRPC_FAILED_PRECONDITION);
    assert_string_equal(fixture->answer.words, "this picture was taken down");
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x03key")), GRPC_NOT_FOUND);
    assert_answers(fixture, "/Cache/Put", BYTES("\x0a\x03key"), BYTES("\x0a\x03key"));
}

static const char *const check_methods[] = {"/Cache/Check", "/grpc.health.v1.Health/Check"};

static void check_answers_under_both_names(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 2; i++) {
        assert_answers(fixture, check_methods[i], BYTES(""), BYTES("\x08\x01"));
        assert_answers(fixture, check_methods[i],
                       BYTES("\x0a\x05"
                             "Cache"),
                       BYTES("\x08\x01"));
        assert_int_equal(call(fixture, check_methods[i], BYTES("\x0a\x05Other")), GRPC_NOT_FOUND);
    }
}

/* By what is made of proto/health.proto, as a probe does it. */
static void health_is_grpcs_own_protocol(void **state)
{
    struct fixture *fixture = *state;
    const ProtobufCServiceDescriptor *service = &grpc__health__v1__health__descriptor;
    char path[64];
    (void)snprintf(path, sizeof(path), "/%s/%s", service->name, service->methods[0].name);
    assert_int_equal(call(fixture, path, BYTES("")), GRPC_OK);
    Grpc__Health__V1__HealthCheckResponse *answer = grpc__health__v1__health_check_response__unpack(
        NULL, fixture->answer.len, (const uint8_t *)fixture->answer.message);
    assert_non_null(answer);
    assert_int_equal(answer->status,
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
    grpc__health__v1__health_check_response__free_unpacked(answer, NULL);
    (void)snprintf(path, sizeof(path), "/%s/%s", service->name, service->methods[1].name);
    assert_int_equal(call(fixture, path, BYTES("")), GRPC_UNIMPLEMENTED);
}

static void a_broken_store_is_not_serving(void **state)
{
    struct fixture *fixture = *state;
    fixture->scripted.err = APP_INTERNAL;
    for (size_t i = 0; i < 2; i++)
        assert_answers(fixture, check_methods[i], BYTES(""), BYTES("\x08\x02"));
}

static void the_stores_errors_become_statuses_without_its_details(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum app_err err;
        int status;
    } cases[] = {
        {APP_NOT_FOUND, GRPC_NOT_FOUND},          {APP_GONE, GRPC_FAILED_PRECONDITION},
        {APP_TOO_LARGE, GRPC_RESOURCE_EXHAUSTED}, {APP_NO_MEMORY, GRPC_RESOURCE_EXHAUSTED},
        {APP_UNAVAILABLE, GRPC_UNAVAILABLE},      {APP_INTERNAL, GRPC_INTERNAL},
    };
    static const char *const methods[] = {"/Cache/Get", "/Cache/Put", "/Cache/Exists"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture->scripted.err = (int)cases[i].err;
        for (size_t method = 0; method < 3; method++) {
            assert_int_equal(call(fixture, methods[method], BYTES("\x0a\x03key\x12\x01x")),
                             cases[i].status);
            assert_string_equal(fixture->answer.words, "as scripted");
        }
    }
}

static void assert_invalid(struct fixture *fixture, const void *message, size_t len)
{
    static const char *const methods[] = {"/Cache/Get", "/Cache/Put", "/Cache/Exists"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(call(fixture, methods[i], message, len), GRPC_INVALID_ARGUMENT);
        assert_string_not_equal(fixture->answer.words, "");
    }
}

static void ids_that_are_none_are_invalid(void **state)
{
    struct fixture *fixture = *state;
    char message[WIRE_CACHE_ITEM_HEAD_MAX + LIMIT_CACHE_FOREIGN_ID + 1];
    char id[LIMIT_CACHE_FOREIGN_ID + 1];
    memset(id, 'i', sizeof(id));
    assert_invalid(fixture, BYTES(""));
    assert_invalid(fixture, BYTES("\x0a\x02\xff\xfe"));
    assert_invalid(fixture, message, wire_cache_item_head(id, sizeof(id), 0, message));
    assert_int_equal(
        call(fixture, "/Cache/Get", message, wire_cache_item_head(id, sizeof(id) - 1, 0, message)),
        GRPC_NOT_FOUND);
}

static void malformed_messages_are_invalid(void **state)
{
    struct fixture *fixture = *state;
    assert_invalid(fixture, BYTES("\xff\xff\xff\xff"));
    assert_invalid(fixture, BYTES("\x0a\x7fshort"));
    assert_int_equal(call(fixture, "/Cache/Check", BYTES("\xff")), GRPC_INVALID_ARGUMENT);
}

static void data_beyond_the_limit_is_refused(void **state)
{
    struct fixture *fixture = *state;
    size_t len = LIMIT_RESULT_BYTES + 1;
    char *item = calloc(1, WIRE_CACHE_ITEM_HEAD_MAX + 3 + len + 10000);
    assert_non_null(item);
    size_t head = wire_cache_item_head("key", 3, len, item);
    assert_int_equal(call(fixture, "/Cache/Put", item, head + len), GRPC_INVALID_ARGUMENT);
    head = wire_cache_item_head("key", 3, len + 10000, item); /* beyond what is received at all */
    assert_int_equal(call(fixture, "/Cache/Put", item, head + len + 10000),
                     GRPC_RESOURCE_EXHAUSTED);
    free(item);
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x03key")), GRPC_NOT_FOUND);
}

static void unknown_methods_are_unimplemented_however_many_come(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 200; i++)
        assert_int_equal(call(fixture, "/Cache/Delete", BYTES("\x0a\x03key")), GRPC_UNIMPLEMENTED);
    assert_answers(fixture, "/Cache/Check", BYTES(""), BYTES("\x08\x01"));
}

static void compressed_messages_are_refused(void **state)
{
    struct fixture *fixture = *state;
    char item[10000];
    memset(item, 0, sizeof(item));
    size_t head = wire_cache_item_head("key", 3, sizeof(item) - 100, item);
    connect_client(fixture, true);
    assert_int_equal(call(fixture, "/Cache/Put", item, head + sizeof(item) - 100),
                     GRPC_UNIMPLEMENTED);
    connect_client(fixture, false);
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x03key")), GRPC_NOT_FOUND);
}

static void an_address_that_is_taken_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct service *other = NULL;
    const char *port = strrchr(service_address(fixture->service), ':') + 1;
    assert_int_equal(
        start_at(fixture, "127.0.0.1", (uint16_t)strtoul(port, NULL, 10), fixture->store, &other),
        APP_CONFIG);
    assert_null(other);

    char address[128];
    (void)snprintf(address, sizeof(address), "unix:%s/socket", fixture->dir.path);
    assert_int_equal(start_at(fixture, address, 0, fixture->store, &other), APP_OK);
    assert_string_equal(service_address(other), address);
    struct service *third = NULL;
    assert_int_equal(start_at(fixture, address, 0, fixture->store, &third), APP_CONFIG);
    assert_null(third);
    grpc_client_free(&fixture->client);
    fixture->client = grpc_client_new(&(struct grpc_client_options){.address = address});
    assert_int_equal(call(fixture, "/Cache/Check", BYTES("")), GRPC_OK);
    service_stop(&other, 5000);
    /* What is left of a socket is no obstacle. */
    assert_int_equal(start_at(fixture, address, 0, fixture->store, &other), APP_OK);
    service_stop(&other, 5000);
}

static void a_socket_is_for_its_user_and_group_whatever_the_umask(void **state)
{
    struct fixture *fixture = *state;
    static const mode_t umasks[] = {0, 022, 077};
    char address[128];
    (void)snprintf(address, sizeof(address), "unix:%s/socket", fixture->dir.path);
    for (size_t i = 0; i < 3; i++) {
        struct service *other = NULL;
        struct stat status;
        mode_t before = umask(umasks[i]);
        assert_int_equal(start_at(fixture, address, 0, fixture->store, &other), APP_OK);
        assert_int_equal(umask(before), umasks[i]);
        assert_int_equal(stat(address + strlen("unix:"), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0660);
        service_stop(&other, 5000);
    }
}

static void the_service_can_be_stopped_and_started_again_at_its_port(void **state)
{
    struct fixture *fixture = *state;
    const char *port_text = strrchr(service_address(fixture->service), ':') + 1;
    uint16_t port = (uint16_t)strtoul(port_text, NULL, 10);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(call(fixture, "/Cache/Check", BYTES("")), GRPC_OK);
        grpc_client_free(&fixture->client);
        service_stop(&fixture->service, 5000);
        assert_null(fixture->service);
        service_stop(&fixture->service, 5000);
        assert_int_equal(start_at(fixture, "127.0.0.1", port, fixture->store, &fixture->service),
                         APP_OK);
        connect_client(fixture, false);
    }
}

/* A call in another thread, begun when this returns. */
static void *get_in_background(void *argument)
{
    struct fixture *fixture = argument;
    (void)call(fixture, "/Cache/Get", BYTES("\x0a\x03key"));
    return NULL;
}

static pthread_t begin_slow_call(struct fixture *fixture, unsigned delay_ms)
{
    pthread_t thread;
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x03key")), GRPC_OK);
    fixture->scripted.delay_ms = delay_ms;
    assert_int_equal(pthread_create(&thread, NULL, get_in_background, fixture), 0);
    usleep(150000);
    return thread;
}

static void a_stop_lets_calls_in_hand_end(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread = begin_slow_call(fixture, 500);
    service_stop(&fixture->service, 5000);
    pthread_join(thread, NULL);
    assert_int_equal(fixture->answer.status, GRPC_OK);
}

static void a_stop_cancels_what_does_not_end_in_time(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread = begin_slow_call(fixture, 1000);
    service_stop(&fixture->service, 50);
    pthread_join(thread, NULL);
    assert_int_not_equal(fixture->answer.status, GRPC_OK);
}

static void *get_slow(void *argument)
{
    struct fixture *fixture = argument;
    const struct grpc_client_options options = {.address = service_address(fixture->service)};
    struct grpc_client *client = grpc_client_new(&options);
    struct grpc_client_answer answer = {0};
    grpc_client_call(client, "/Cache/Get", BYTES("\x0a\x04slow"), &answer);
    bool ok = answer.status == GRPC_OK;
    grpc_client_answer_release(&answer);
    grpc_client_free(&client);
    return ok ? fixture : NULL;
}

static void a_store_that_waits_keeps_nobody_else_waiting(void **state)
{
    struct fixture *fixture = *state;
    enum { SLOW_CALLS = 3 }; /* one thread is left */
    pthread_t threads[SLOW_CALLS];
    for (int i = 0; i < SLOW_CALLS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, get_slow, fixture), 0);
        sem_wait(&fixture->scripted.waiting);
    }
    for (int i = 0; i < 20; i++)
        assert_int_equal(call(fixture, "/Cache/Get",
                              BYTES("\x0a\x04"
                                    "fast")),
                         GRPC_OK);
    for (int i = 0; i < SLOW_CALLS; i++)
        sem_post(&fixture->scripted.go_on);
    for (int i = 0; i < SLOW_CALLS; i++) {
        void *ok;
        pthread_join(threads[i], &ok);
        assert_non_null(ok);
    }
}

enum { LARGE_MAX = LIMIT_CACHE_ANSWERS / LIMIT_RESULT_BYTES, NEGLECT_MS = 2000 };

static void who_reads_too_slowly_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x01k")), GRPC_OK); /* connected */
    assert_int_equal(grpc_client_neglect(fixture->client, "/Cache/Get", BYTES("\x0a\x05large"),
                                         LARGE_MAX + 1, NEGLECT_MS, GRPC_RESOURCE_EXHAUSTED),
                     1);
    /* The server learns last that its answers were read. */
    int64_t deadline = deadline_in_ms(5000);
    while (call(fixture, "/Cache/Get", BYTES("\x0a\x05large")) != GRPC_OK)
        assert_true(clock_now_ns() < deadline);
}

static void what_several_read_slowly_counts_once(void **state)
{
    struct fixture *fixture = *state;
    fixture->scripted.kept = new_large();
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x01k")), GRPC_OK); /* connected */
    assert_int_equal(grpc_client_neglect(fixture->client, "/Cache/Get", BYTES("\x0a\x04kept"),
                                         LARGE_MAX + 1, NEGLECT_MS, GRPC_OK),
                     LARGE_MAX + 1);
    content_put(fixture->scripted.kept);
}

enum { THREADS = 16, ROUNDS = 50 };

struct parallel {
    struct fixture *fixture;
    char id;
    const char *failed;               /* the call; NULL: none */
    struct grpc_client_answer answer; /* the last one */
};

static void *put_and_get(void *argument)
{
    struct parallel *parallel = argument;
    /* gRPC's connect fails now and then (ENOENT) when so many connect at once. */
    const struct grpc_client_options options = {
        .address = service_address(parallel->fixture->service), .patient = true};
    struct grpc_client *client = grpc_client_new(&options);
    struct grpc_client_answer *answer = &parallel->answer;
    char item[20000];
    memset(item, parallel->id, sizeof(item));
    size_t len = wire_cache_item_head(&parallel->id, 1, 10000, item) + 10000;
    for (int i = 0; i < ROUNDS && !parallel->failed; i++) {
        grpc_client_call(client, "/Cache/Put", item, len, answer);
        if (answer->status != GRPC_OK)
            parallel->failed = "Put";
        if (!parallel->failed) {
            grpc_client_call(client, "/Cache/Get", item, 3, answer); /* the id, its first field */
            if (answer->status != GRPC_OK || answer->len != len ||
                memcmp(answer->message, item, len) != 0)
                parallel->failed = "Get";
        }
    }
    grpc_client_free(&client);
    return NULL;
}

static void sixteen_clients_work_in_parallel(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    struct parallel parallels[THREADS];
    for (int i = 0; i < THREADS; i++) {
        parallels[i] = (struct parallel){.fixture = fixture, .id = (char)('a' + i)};
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_get, &parallels[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        if (parallels[i].failed)
            fail_msg("client %d: %s: status %d: %s", i, parallels[i].failed,
                     parallels[i].answer.status, parallels[i].answer.words);
        grpc_client_answer_release(&parallels[i].answer);
    }
}

int main(void)
{
#define TEST(name)          cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_SCRIPTED(name) cmocka_unit_test_setup_teardown(name, set_up_scripted, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_is_got_byte_for_byte),
        TEST(what_is_not_there_is_not_found),
        TEST(what_is_there_exists),
        TEST(an_entry_put_without_data_is_taken_down),
        TEST(check_answers_under_both_names),
        TEST_SCRIPTED(health_is_grpcs_own_protocol),
        TEST_SCRIPTED(a_broken_store_is_not_serving),
        TEST_SCRIPTED(the_stores_errors_become_statuses_without_its_details),
        TEST(ids_that_are_none_are_invalid),
        TEST(malformed_messages_are_invalid),
        TEST(data_beyond_the_limit_is_refused),
        TEST(unknown_methods_are_unimplemented_however_many_come),
        TEST(compressed_messages_are_refused),
        TEST(an_address_that_is_taken_is_refused),
        TEST(a_socket_is_for_its_user_and_group_whatever_the_umask),
        TEST(the_service_can_be_stopped_and_started_again_at_its_port),
        TEST_SCRIPTED(a_stop_lets_calls_in_hand_end),
        TEST_SCRIPTED(a_stop_cancels_what_does_not_end_in_time),
        TEST_SCRIPTED(a_store_that_waits_keeps_nobody_else_waiting),
        TEST_SCRIPTED(who_reads_too_slowly_is_refused),
        TEST_SCRIPTED(what_several_read_slowly_counts_once),
        TEST(sixteen_clients_work_in_parallel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
