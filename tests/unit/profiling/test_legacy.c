/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "profiling/legacy.h"
#include "support/command.h"

static const struct profile_mapping mappings[] = {
    {"/usr/bin/emojify-api", "0a1b", 0x1000, 0x9000, 0x1000},
    {"/lib/libc.so.6", "c0ffee", 0x2000, 0x8000, 0x2000},
    {"/tmp/no build id\n.so", "", 0x1000, 0x2000, 0},
};

/* Names for google-pprof: 0x1300 has two functions inlined, 0x2f00 no name. */
static size_t resolve(void *context, const struct profile_mapping *mapping, uint64_t address,
                      struct profile_line *lines, size_t max)
{
    (void)context, (void)max;
    if (address == 0x2f00)
        return 0;
    if (address == 0x1300) {
        lines[0] = (struct profile_line){.function = "innermost"};
        lines[1] = (struct profile_line){.function = "between"};
        lines[2] = (struct profile_line){.function = "outermost"};
        return 3;
    }
    lines[0] = (struct profile_line){.function = "main_loop"};
    if (strcmp(mapping->path, "/lib/libc.so.6") == 0)
        lines[0].function = address == 0x2200 ? "memmove" : "strdup";
    return 1;
}

static const struct legacy_resolver resolver = {
    .mappings = mappings, .mapping_count = 3, .resolve = resolve, .inlined = true};

static struct profile *new_profile(const struct profile_kind *kind)
{
    struct profile *profile = profile_new(kind);
    size_t index;
    assert_non_null(profile);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(profile_mapping(profile, &mappings[i], &index), APP_OK);
    profile_set_time(profile, 1, 5000000000, 10000000);
    return profile;
}

static struct profile *cpu_profile(void)
{
    struct profile *profile = new_profile(&profile_kind_cpu);
    const struct profile_frame copying[] = {{1, 0x2200}, {0, 0x1300}, {0, 0x1100}};
    const struct profile_frame allocating[] = {{1, 0x2400}, {0, 0x1100}};
    const struct profile_frame stray[] = {{SIZE_MAX, 0}, {0, 0x1100}};
    const struct profile_frame own[] = {{0, 0x1300}, {0, 0x1100}};
    const struct profile_frame nameless[] = {{1, 0x2f00}, {0, 0x1300}, {0, 0x1100}};
    const int64_t values[][2] = {{50, 0}, {30, 0}, {11, 0}, {5, 0}, {4, 0}};
    assert_int_equal(profile_add(profile, copying, 3, NULL, values[0]), APP_OK);
    assert_int_equal(profile_add(profile, allocating, 2, NULL, values[1]), APP_OK);
    assert_int_equal(profile_add(profile, stray, 2, NULL, values[2]), APP_OK);
    assert_int_equal(profile_add(profile, nameless, 3, NULL, values[3]), APP_OK);
    assert_int_equal(profile_add(profile, own, 2, NULL, values[4]), APP_OK);
    return profile;
}

static struct profile *heap_profile(void)
{
    struct profile *profile = new_profile(&profile_kind_heap);
    const struct profile_frame frames[] = {{1, 0x2400}, {0, 0x1300}, {0, 0x1100}};
    const struct profile_frame other[] = {{1, 0x2400}, {0, 0x1500}, {0, 0x1100}};
    const int64_t values[] = {20, 2000000, 10, 1000000};
    const int64_t more[] = {20, 9000000, 10, 3000000};
    const int64_t negative[] = {1, 1, -1, -1};
    assert_int_equal(profile_add(profile, frames, 3, NULL, values), APP_OK);
    assert_int_equal(profile_add(profile, other, 3, NULL, more), APP_OK);
    assert_int_equal(profile_add(profile, other, 2, NULL, negative), APP_OK);
    return profile;
}

static void an_address_depends_on_nothing_but_the_file(void **state)
{
    (void)state;
    struct profile_mapping elsewhere = mappings[0];
    struct profile_mapping unnamed = mappings[2];
    elsewhere.path = "/opt/emojify-api";
    assert_int_equal(legacy_address(&mappings[0], 0x1234), legacy_address(&elsewhere, 0x1234));
    unnamed.path = "/tmp/other.so";
    assert_true(legacy_address(&mappings[2], 0x1234) != legacy_address(&unnamed, 0x1234));
    assert_true(legacy_address(&mappings[0], 0x1234) != legacy_address(&mappings[1], 0x1234));
    /* Written into answers that other processes' questions come from: it may not change. */
    assert_int_equal(legacy_address(&mappings[0], 0), 0x1d86f4ca00000000);
}

static void an_address_fits_into_its_slot_or_is_nowhere(void **state)
{
    (void)state;
    uint64_t base = legacy_address(&mappings[0], 0);
    assert_true(base >= UINT64_C(1) << 32 && base < UINT64_C(1) << 62);
    assert_int_equal(base & UINT32_MAX, 0);
    assert_int_equal(legacy_address(&mappings[0], UINT32_MAX), base + UINT32_MAX);
    assert_int_equal(legacy_address(&mappings[0], UINT64_C(1) << 32), 1);
    assert_int_equal(legacy_address(NULL, 0x1234), 1);
}

static void a_cpu_profile_has_header_records_trailer_and_maps(void **state)
{
    (void)state;
    struct profile *profile = cpu_profile();
    struct buf out;
    uint64_t words[13];
    buf_init(&out, 1 << 20);
    assert_int_equal(legacy_cpu_write(profile, &out), APP_OK);
    memcpy(words, out.data, sizeof(words));
    const uint64_t expected[] = {0,
                                 3,
                                 0,
                                 10000, /* microseconds */
                                 0,
                                 50,
                                 3,
                                 legacy_address(&mappings[1], 0x2200),
                                 legacy_address(&mappings[0], 0x1301), /* where it returns to */
                                 legacy_address(&mappings[0], 0x1101),
                                 30,
                                 2,
                                 legacy_address(&mappings[1], 0x2400)};
    assert_memory_equal(words, expected, sizeof(words));
    const char *maps = out.data + 8 * (5 + 5 + 4 + 4 + 5 + 4 + 3);
    const uint64_t trailer[] = {0, 1, 0};
    assert_memory_equal(maps - sizeof(trailer), trailer, sizeof(trailer));
    char line[128];
    (void)snprintf(line, sizeof(line), "%016llx-%016llx r-xp 00001000 00:00 0 %s\n",
                   (unsigned long long)legacy_address(&mappings[0], 0x1000),
                   (unsigned long long)legacy_address(&mappings[0], 0x9000), mappings[0].path);
    assert_memory_equal(maps, line, strlen(line));
    /* A path cannot make a line of its own. */
    assert_non_null(strstr(maps, "/tmp/no build id?.so\n"));
    profile_free(&profile);
    buf_release(&out);
}

static void a_heap_profile_is_text_and_leaves_out_negative_rows(void **state)
{
    (void)state;
    struct profile *profile = heap_profile();
    struct buf out;
    char line[256];
    buf_init(&out, 1 << 20);
    assert_int_equal(legacy_heap_write(profile, &out), APP_OK);
    (void)snprintf(line, sizeof(line),
                   "\n    10:  1000000 [    20:  2000000] @ 0x%016llx 0x%016llx 0x%016llx\n",
                   (unsigned long long)legacy_address(&mappings[1], 0x2400),
                   (unsigned long long)legacy_address(&mappings[0], 0x1301),
                   (unsigned long long)legacy_address(&mappings[0], 0x1101));
    assert_non_null(strstr(out.data, line));
    assert_null(strstr(out.data, "\n    -1:"));
    assert_int_equal(strncmp(out.data, "heap profile:     19:  3999999 [", 32), 0);
    assert_non_null(strstr(out.data, "] @ heapprofile\n"));
    assert_non_null(strstr(out.data, "\n\nMAPPED_LIBRARIES:\n"));
    profile_free(&profile);
    buf_release(&out);
}

static void a_buffer_that_is_too_small_is_an_error(void **state)
{
    (void)state;
    struct profile *cpu = cpu_profile();
    struct profile *heap = heap_profile();
    for (size_t max = 0; max < 200; max += 10) {
        struct buf out;
        buf_init(&out, max);
        assert_int_equal(legacy_cpu_write(cpu, &out), APP_TOO_LARGE);
        buf_release(&out);
        assert_int_equal(legacy_heap_write(heap, &out), APP_TOO_LARGE);
        buf_release(&out);
    }
    profile_free(&cpu);
    profile_free(&heap);
}

static void ask(const char *question, struct buf *out)
{
    buf_init(out, 1 << 20);
    assert_int_equal(legacy_symbol_answer(&resolver, question, strlen(question), out), APP_OK);
}

static void symbol_says_first_that_it_can(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "+", "0x", "zzz", "0x11112222333344445", "-5"};
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        struct buf out;
        ask(empty[i], &out);
        assert_string_equal(out.data, "num_symbols: 1\n");
        buf_release(&out);
    }
}

static void symbol_names_what_lies_in_a_file(void **state)
{
    (void)state;
    char question[256];
    char expected[256];
    struct buf out;
    unsigned long long inlined = legacy_address(&mappings[0], 0x1300);
    unsigned long long nameless = legacy_address(&mappings[1], 0x2f00);
    unsigned long long behind = legacy_address(&mappings[1], 0x8000);
    (void)snprintf(question, sizeof(question), "0x%016llX+%llx+0x%llx+0x%llx+0x1+0x1300", inlined,
                   inlined, nameless, behind);
    ask(question, &out);
    (void)snprintf(expected, sizeof(expected), "\n0x%llx outermost--between--innermost\n", inlined);
    assert_non_null(strstr(out.data, expected));
    (void)snprintf(expected, sizeof(expected), "\n0x%llx [libc.so.6]\n", nameless);
    assert_non_null(strstr(out.data, expected));
    assert_non_null(strstr(out.data, "\n0x1 [unknown]\n"));
    (void)snprintf(expected, sizeof(expected), "0x%llx", behind);
    assert_null(strstr(out.data, expected));
    assert_null(strstr(out.data, "0x1300"));
    buf_release(&out);
}

static void symbol_gives_the_real_function_to_clients_that_want_one_name(void **state)
{
    (void)state;
    char question[64];
    struct buf out;
    struct legacy_resolver plain = resolver;
    plain.inlined = false;
    (void)snprintf(question, sizeof(question), "0x%llx",
                   (unsigned long long)legacy_address(&mappings[0], 0x1300));
    buf_init(&out, 4096);
    assert_int_equal(legacy_symbol_answer(&plain, question, strlen(question), &out), APP_OK);
    assert_non_null(strstr(out.data, " outermost\n"));
    assert_null(strstr(out.data, "innermost"));
    buf_release(&out);
}

static void one_address_more_than_is_taken_is_not_answered(void **state)
{
    (void)state;
    struct buf question;
    struct buf out;
    buf_init(&question, 1 << 24);
    buf_init(&out, 1 << 24);
    for (size_t i = 0; i <= LEGACY_MAX_ADDRESSES; i++) {
        /* The last one is another. */
        uint64_t address = i < LEGACY_MAX_ADDRESSES ? 0x1100 : 0x1400;
        assert_int_equal(buf_printf(&question, "%s0x%llx", i ? "+" : "",
                                    (unsigned long long)legacy_address(&mappings[0], address)),
                         APP_OK);
    }
    assert_int_equal(legacy_symbol_answer(&resolver, question.data, question.len, &out), APP_OK);
    assert_non_null(strstr(out.data, "00001100 main_loop\n"));
    assert_null(strstr(out.data, "00001400"));
    buf_release(&question);
    buf_release(&out);
}

static void the_command_line_keeps_its_secrets(void **state)
{
    (void)state;
    static const char raw[] = "emojify-api\0--API_TOKEN=abc\0--password\0hunter2\0"
                              "redis://user:pw@host/1?a=@b\0mail@host\0--port=80";
    static const char expected[] = "emojify-api\0--API_TOKEN=[redacted]\0--password\0[redacted]\0"
                                   "redis://[redacted]@host/1?a=@b\0mail@host\0--port=80";
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(legacy_cmdline_write(raw, sizeof(raw), &out), APP_OK);
    assert_int_equal(out.len, sizeof(expected) - 1);
    assert_memory_equal(out.data, expected, out.len);
    buf_release(&out);
    assert_int_equal(legacy_cmdline_write("", 0, &out), APP_OK);
    assert_int_equal(out.len, 0);
    buf_release(&out);
}

/* --- google-pprof itself, against a server of one connection at a time ---------------------- */

struct server {
    int listener;
    pthread_t thread;
};

static void send_all(int connection, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(connection, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        len -= (size_t)sent;
    }
}

static void answer(const char *request, size_t len, struct buf *body)
{
    const char *end = strstr(request, "\r\n\r\n");
    const char *posted = end ? end + 4 : request + len;
    if (strstr(request, "/pprof/symbol ")) {
        assert_int_equal(
            legacy_symbol_answer(&resolver, posted, (size_t)(request + len - posted), body),
            APP_OK);
    } else if (strstr(request, "/pprof/cmdline ")) {
        assert_int_equal(buf_append_str(body, "/usr/bin/emojify-api\n"), APP_OK);
    } else if (strstr(request, "/pprof/heap")) {
        struct profile *profile = heap_profile();
        assert_int_equal(legacy_heap_write(profile, body), APP_OK);
        profile_free(&profile);
    } else {
        struct profile *profile = cpu_profile();
        assert_int_equal(legacy_cpu_write(profile, body), APP_OK);
        profile_free(&profile);
    }
}

/* Headers, and as much of a body as they announce. */
static size_t receive(int connection, char *request, size_t max)
{
    size_t len = 0;
    for (;;) {
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        const char *length = strcasestr(request, "\r\nContent-Length: ");
        size_t body = length ? strtoul(length + 18, NULL, 10) : 0;
        if (end && len >= (size_t)(end + 4 - request) + body)
            return len;
        ssize_t got = len < max ? recv(connection, request + len, max - len, 0) : 0;
        if (got <= 0)
            return len;
        len += (size_t)got;
    }
}

static void *serve(void *context)
{
    struct server *server = context;
    int connection;
    while ((connection = accept(server->listener, NULL, NULL)) >= 0) {
        static const char head[] = "HTTP/1.0 200 OK\r\n\r\n";
        char request[16384];
        struct buf body;
        buf_init(&body, 1 << 20);
        size_t len = receive(connection, request, sizeof(request) - 1);
        if (len > 0)
            answer(request, len, &body);
        send_all(connection, head, sizeof(head) - 1);
        if (strncmp(request, "HEAD", 4) != 0)
            send_all(connection, body.data, body.len);
        buf_release(&body);
        close(connection);
    }
    return NULL;
}

static unsigned start_server(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    return ntohs(address.sin_port);
}

static void stop_server(struct server *server)
{
    assert_int_equal(shutdown(server->listener, SHUT_RDWR), 0);
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    close(server->listener);
}

/* What google-pprof prints for a URL of ours, below a directory that is removed again. */
static void google_pprof(const char *options, const char *page, struct buf *text)
{
    if (!command_exists("google-pprof") || !command_exists("curl")) {
        print_message("google-pprof or curl is not here\n");
        skip();
    }
    struct server server;
    char directory[] = "/tmp/emojify-pprof-XXXXXX";
    char *command = NULL;
    unsigned port = start_server(&server);
    assert_non_null(mkdtemp(directory));
    assert_true(asprintf(&command,
                         "PPROF_TMPDIR=%s google-pprof --text %s http://127.0.0.1:%u/pprof/%s; "
                         "rm -rf %s",
                         directory, options, port, page, directory) > 0);
    buf_init(text, 1 << 20);
    assert_int_equal(command_run(command, text), 0);
    stop_server(&server);
    free(command);
}

static void google_pprof_shows_names_of_a_cpu_profile(void **state)
{
    (void)state;
    struct buf text;
    google_pprof("--seconds=1", "profile", &text);
    assert_non_null(strstr(text.data, "Total: 100 samples"));
    assert_non_null(strstr(text.data, "      50  50.0%  50.0%       50  50.0% memmove"));
    assert_non_null(strstr(text.data, "      30  30.0%  80.0%       30  30.0% strdup"));
    assert_non_null(strstr(text.data, "100 100.0% main_loop"));
    assert_non_null(strstr(text.data, "59  59.0% between (inline)"));
    assert_non_null(strstr(text.data, "11  11.0% [unknown]"));
    assert_non_null(strstr(text.data, "5   5.0% [libc.so.6]"));
    /* What is innermost has the samples of its own. */
    assert_non_null(strstr(text.data, "       4   4.0% 100.0%       59  59.0% innermost (inline)"));
    assert_non_null(strstr(text.data, "59  59.0% outermost\n"));
    assert_null(strstr(text.data, "0x0"));
    buf_release(&text);
}

static void google_pprof_shows_names_of_a_heap_profile(void **state)
{
    (void)state;
    struct buf text;
    google_pprof("", "heap", &text);
    assert_non_null(strstr(text.data, "Total: 3.8 MB"));
    assert_non_null(strstr(text.data, "3.8 100.0% strdup"));
    assert_non_null(strstr(text.data, "1.0  25.0% outermost\n"));
    assert_null(strstr(text.data, "0x0"));
    buf_release(&text);
}

static void go_tool_pprof_reads_both(void **state)
{
    (void)state;
    if (!command_exists("go")) {
        print_message("go is not here\n");
        skip();
    }
    for (int heap = 0; heap <= 1; heap++) {
        struct profile *profile = heap ? heap_profile() : cpu_profile();
        struct buf out;
        struct buf text;
        char path[64];
        char command[256];
        buf_init(&out, 1 << 20);
        buf_init(&text, 1 << 20);
        assert_int_equal(heap ? legacy_heap_write(profile, &out) : legacy_cpu_write(profile, &out),
                         APP_OK);
        command_file(out.data, out.len, path);
        (void)snprintf(command, sizeof(command),
                       "HOME=/tmp PPROF_TMPDIR=/tmp go tool pprof -symbolize=none -top %s", path);
        assert_int_equal(command_run(command, &text), 0);
        assert_non_null(strstr(text.data, "File: emojify-api"));
        assert_non_null(strstr(text.data, heap ? "3.81MB" : "1000ms total"));
        unlink(path);
        buf_release(&out);
        buf_release(&text);
        profile_free(&profile);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_depends_on_nothing_but_the_file),
        cmocka_unit_test(an_address_fits_into_its_slot_or_is_nowhere),
        cmocka_unit_test(a_cpu_profile_has_header_records_trailer_and_maps),
        cmocka_unit_test(a_heap_profile_is_text_and_leaves_out_negative_rows),
        cmocka_unit_test(a_buffer_that_is_too_small_is_an_error),
        cmocka_unit_test(symbol_says_first_that_it_can),
        cmocka_unit_test(symbol_names_what_lies_in_a_file),
        cmocka_unit_test(symbol_gives_the_real_function_to_clients_that_want_one_name),
        cmocka_unit_test(one_address_more_than_is_taken_is_not_answered),
        cmocka_unit_test(the_command_line_keeps_its_secrets),
        cmocka_unit_test(google_pprof_shows_names_of_a_cpu_profile),
        cmocka_unit_test(google_pprof_shows_names_of_a_heap_profile),
        cmocka_unit_test(go_tool_pprof_reads_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
