/* SPDX-License-Identifier: MIT */
/* run: web=lighttpd web=apache-fcgid web=apache-proxy web=nginx long seconds=150 */
/* Honest clients on bad lines, in their own time; `make test-long` (EMOJIFY_LONG_TESTS). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/grpc_client.h"
#include "support/process.h"
#include "support/raw_http.h"
#include "support/scene.h"

enum {
    UPLOAD_BYTES = 10 * 1000 * 1000,
    UPLOAD_STEP_BYTES = 10 * 1000,
    UPLOAD_STEP_MS = 100, /* 100 KB/s */
    PICTURE_BYTES = 8400 * 1000,
    BURST_BYTES = 1000 * 1000,
    PAUSE_MS = 15000,
    PAUSES = 4
};

static const char key[] = "0123456789abcdef0123456789abcdef";

/* Without the tier, so that answers come through FastCGI. */
static int start(void **state)
{
    return scene_start(state, (const char *const[]){"LOCAL_CACHE_DIR=", NULL});
}

/* It is no picture, which the application says when it has all of it. */
static void ten_megabytes_at_a_hundred_kilobytes_a_second_arrive(void **state)
{
    static const char some[UPLOAD_STEP_BYTES];
    const struct scene *scene = *state;
    struct buf answer;
    char head[256];
    buf_init(&answer, 1 << 20);
    (void)snprintf(head, sizeof(head),
                   "POST /api/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                   "Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n",
                   UPLOAD_BYTES);
    int fd = raw_http_connect(scene->stack.port);
    int64_t next_ns = clock_now_ns();
    assert_true(raw_http_send_str(fd, head));
    for (int sent = 0; sent < UPLOAD_BYTES; sent += UPLOAD_STEP_BYTES) {
        assert_true(raw_http_send(fd, some, sizeof(some)));
        next_ns += UPLOAD_STEP_MS * NS_PER_MS;
        deadline_sleep(next_ns);
    }
    (void)raw_http_read_all(fd, &answer);
    assert_int_equal(raw_http_status(&answer), 415);
    (void)close(fd);
    buf_release(&answer);
}

/* Put(id, data) of proto/cache.proto. */
static void store(const struct scene *scene, const char *data)
{
    struct grpc_client_answer answer = {0};
    char address[256];
    assert_true(stack_setting(&scene->stack, "cache", "BIND_ADDRESS", address, sizeof(address)));
    size_t len = 0;
    char *message = malloc(PICTURE_BYTES + 64);
    assert_non_null(message);
    message[len++] = 0x0a;
    message[len++] = (char)strlen(key);
    memcpy(message + len, key, sizeof(key) - 1);
    len += strlen(key);
    message[len++] = 0x12;
    for (unsigned left = PICTURE_BYTES; left > 0; left >>= 7)
        message[len++] = (char)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    memcpy(message + len, data, PICTURE_BYTES);
    struct grpc_client *client =
        grpc_client_new(&(struct grpc_client_options){.address = address, .patient = true});
    grpc_client_call(client, "/Cache/Put", message, len + PICTURE_BYTES, &answer);
    assert_int_equal(answer.status, 0);
    grpc_client_answer_release(&answer);
    grpc_client_free(&client);
    free(message);
}

static void take(int fd, struct buf *answer, size_t bytes)
{
    char some[64 * 1024];
    for (size_t taken = 0; taken < bytes;) {
        size_t room = bytes - taken < sizeof(some) ? bytes - taken : sizeof(some);
        ssize_t len = recv(fd, some, room, 0);
        assert_true(len > 0);
        assert_int_equal(buf_append(answer, some, (size_t)len), APP_OK);
        taken += (size_t)len;
    }
}

static void a_reader_in_bursts_gets_all(void **state)
{
    const struct scene *scene = *state;
    char *data = malloc(PICTURE_BYTES), request[128];
    const int room = 64 * 1024;
    struct buf answer;
    assert_non_null(data);
    for (size_t i = 0; i < PICTURE_BYTES; i++)
        data[i] = (char)(i * 7 + i / 251);
    data[0] = data[2] = (char)0xff; /* a JPEG by its first bytes */
    data[1] = (char)0xd8;
    data[3] = (char)0xe0;
    store(scene, data);
    buf_init(&answer, PICTURE_BYTES + 10000);
    int fd = raw_http_connect(scene->stack.port);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    (void)snprintf(request, sizeof(request),
                   "GET /api/cache/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", key);
    assert_true(raw_http_send_str(fd, request));
    for (int i = 0; i < PAUSES; i++) {
        take(fd, &answer, BURST_BYTES);
        sleep_ms(PAUSE_MS);
    }
    assert_true(raw_http_read_all(fd, &answer));
    assert_int_equal(raw_http_status(&answer), 200);
    const char *body = raw_http_body(&answer);
    assert_int_equal(answer.len - (size_t)(body - answer.data), PICTURE_BYTES);
    assert_memory_equal(body, data, PICTURE_BYTES);
    (void)close(fd);
    buf_release(&answer);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_megabytes_at_a_hundred_kilobytes_a_second_arrive),
        cmocka_unit_test(a_reader_in_bursts_gets_all),
    };
    return cmocka_run_group_tests(tests, start, scene_stop);
}
