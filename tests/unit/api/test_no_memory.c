/* SPDX-License-Identifier: MIT */
/*
 * Each work below is done again and again while memory runs out at its first, its
 * second, its third ... allocation, until it runs through. Whatever fails must be told
 * as an error, nothing may crash, and (under AddressSanitizer) nothing may leak.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "api/auth/jwks.h"
#include "api/auth/jwt.h"
#include "api/clients/card.h"
#include "api/clients/face_client.h"
#include "api/clients/jwks_client.h"
#include "api/config.h"
#include "api/jobs/table.h"
#include "api/localcache/local_cache.h"
#include "lib/base/clock.h"
#include "lib/base/coalesce.h"
#include "lib/base/limits.h"
#include "lib/fcgi/lookout.h"
#include "lib/fcgi/response.h"
#include "lib/http/url.h"
#include "lib/httpd/form.h"
#include "lib/net/address_guard.h"
#include "lib/net/cidr.h"
#include "profiling/flamegraph.h"
#include "profiling/legacy.h"
#include "profiling/profile_proto.h"
#include "profiling/profile_top.h"
#include "support/cmocka.h"
#include "support/failing_memory.h"
#include "support/origin.h"
#include "support/temp_dir.h"

enum { ALLOCATIONS_MAX = 100000 };

static struct log_sink sink = {.fd = -1, .level = LOG_OFF};
static const struct log quiet = {.sink = &sink, .module = "test"};

/* What some of the works use, made while there is memory. */
static struct temp_dir temp;
static struct origin *origin;

static const char keys_json[] = "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"ec\",\"crv\":\"P-256\","
                                "\"x\":\"sOwv1V8N8UzpJxWfcbErMZVFdU0pP2j_6D1AJKsL7h4\",\"y\":"
                                "\"zCw0DrOp2dCS6BVT2z-fwm5Vx1UIK0YUNqhC-ofRAHY\"}]}";

/* Work that ends with APP_OK when there is memory, and how it may end when there is not. */
struct work {
    const char *name;
    enum app_err (*run)(void);
    bool any_end; /* jansson does not always tell that there was no memory, or can do without */
};

static bool run_once(const struct work *work, size_t nth, enum failing_memory_mode mode)
{
    failing_memory_arm(nth, mode);
    enum app_err err = work->run();
    bool failed = failing_memory_disarm();
    if (!failed && err)
        fail_msg("%s: %s though there was memory", work->name, app_err_slug(err));
    if (failed && err != APP_NO_MEMORY && !work->any_end)
        fail_msg("%s: %s when allocation %zu failed", work->name, app_err_slug(err), nth);
    return failed;
}

static void torture(const struct work *work)
{
    for (int mode = FAILING_ONCE; mode <= FAILING_ON; mode++) {
        size_t nth = 1;
        while (run_once(work, nth, (enum failing_memory_mode)mode) && nth < ALLOCATIONS_MAX)
            nth++;
        assert_in_range(nth, 2, ALLOCATIONS_MAX - 1); /* at least one has failed */
        print_message("%s: %zu allocations\n", work->name, nth - 1);
    }
}

/* --- lib/base, lib/http, lib/net --- */

static void count_release(void *object)
{
    (*(int *)object)++;
}

static enum app_err use_arena(void)
{
    enum app_err err = APP_NO_MEMORY;
    int releases = 0;
    struct arena *arena = arena_new(1 << 20);
    bool registered = false;
    if (arena) {
        registered = arena_on_reset(arena, count_release, &releases);
        if (registered && arena_alloc(arena, 100000) && arena_strndup(arena, "text", 4) &&
            arena_printf(arena, "%s %d", "text", 7) && arena_printf(arena, "%50000d", 7))
            err = APP_OK;
    }
    arena_free(&arena);
    assert_int_equal(releases, registered);
    return err;
}

static enum app_err use_buf(void)
{
    struct buf buf;
    buf_init(&buf, 1 << 20);
    enum app_err err = buf_append_str(&buf, "some text");
    for (int i = 0; !err && i < 12; i++) {
        size_t before = buf.len;
        err = buf_printf(&buf, "%*d", 100 << i >> 2, i);
        assert_true(!err || buf.len == before); /* as it was */
    }
    char *taken = err ? NULL : buf_take(&buf, NULL);
    free(taken);
    buf_release(&buf);
    return err;
}

static char *setting(const char *name)
{
    static char token[] = "0123456789abcdef";
    static char site[] = "https://a.example";
    if (strcmp(name, "PROFILE_TOKEN") == 0)
        return token;
    return strcmp(name, "ALLOW_ORIGIN") == 0 ? site : NULL;
}

static enum app_err load_config(void)
{
    struct api_config config = {0};
    struct err_buf why = {.text = ""};
    enum app_err err = config_load(&api_config_table, &config, setting, &why);
    config_release(&api_config_table, &config);
    return err;
}

static enum app_err normalise_url(void)
{
    struct buf out;
    struct err_buf why;
    static const char url[] = "HTTPS://Example.org:8080/a b/%7e?x=y";
    buf_init(&out, 4 * LIMIT_REQUEST_URL);
    enum app_err err = url_normalise(url, strlen(url), &out, &why);
    buf_release(&out);
    return err;
}

static enum app_err parse_lists(void)
{
    struct cidr *ranges = NULL;
    struct port_range *ports = NULL;
    struct err_buf why;
    size_t count;
    enum app_err err = cidr_parse_list("10.0.0.0/8, ::1, 192.0.2.0/24", &ranges, &count, &why);
    if (!err)
        err = port_range_parse_list("80, 443, 9000-9100", &ports, &count, &why);
    free(ranges);
    free(ports);
    return err;
}

static enum app_err use_coalescer(void)
{
    struct coalescer *coalescer = NULL;
    struct coalesce_member member;
    enum app_err err = coalescer_new(16, &coalescer);
    if (!err)
        err = coalesce_join(coalescer, "key", deadline_in_ms(1000), &member);
    if (!err) {
        coalesce_share(&member, APP_OK, "", NULL, NULL);
        coalesce_leave(&member);
    }
    coalescer_free(&coalescer);
    return err;
}

static enum app_err read_form(void)
{
    static const char body[] = "name=value&other=a+longer%20value&third=";
    struct form form;
    form_init(&form, 1024);
    enum app_err err = form_parse_urlencoded(&form, body, strlen(body));
    if (!err)
        err = form_append(&form, "part", 0, "some", 4);
    if (!err)
        err = form_append(&form, "part", 4, "more", 4);
    form_release(&form);
    return err;
}

/* --- lib/fcgi --- */

struct exchange_test {
    int answers;
    int status;
};

static bool take_answer(void *to, const char *head, size_t head_len, const struct iovec *pieces,
                        size_t count)
{
    struct exchange_test *test = to;
    (void)pieces;
    (void)count;
    test->answers++;
    test->status = head_len > 11 ? (int)strtol(head + strlen("Status: "), NULL, 10) : 0;
    return true;
}

static enum app_err answer(struct request *request, struct response *response)
{
    const char *body;
    size_t len;
    enum app_err err = request_body(request, 100, &body, &len);
    if (!err)
        err = response_header(response, "Location", "/somewhere/else");
    if (!err)
        err = response_send(response, 200, "text/plain", body, len);
    return err;
}

/* Whatever happens, the client has one answer, and without memory it is 503. */
static enum app_err serve_request(void)
{
    char params[] = "\16\4REQUEST_METHODPOST"
                    "\13\24REQUEST_URI/api/caf%C3%A9?x=yes"
                    "\16\1CONTENT_LENGTH5"
                    "\13\20HTTP_ACCEPTapplication/json"
                    "\21\4HTTP_X_REQUEST_IDid-1";
    char body[] = "hello";
    const struct request_input input = {
        .params = params,
        .params_len = sizeof(params) - 1,
        .body = body,
        .body_len = strlen(body),
    };
    struct err_buf why = {.text = ""};
    struct exchange_test test = {0};
    struct request request;
    struct response response;
    struct arena *arena = arena_new(LIMIT_REQUEST_ARENA);
    if (!arena)
        return APP_NO_MEMORY;
    enum app_err err = request_init(&request, arena, &quiet, &input, &why);
    response_init(&response, &request, (struct response_output){take_answer, &test});
    assert_non_null(request.id);
    if (!err)
        err = answer(&request, &response);
    if (err && test.answers == 0)
        (void)response_error(&response, err, NULL);
    assert_int_equal(test.answers, 1);
    assert_int_equal(test.status, err ? 503 : 200);
    arena_free(&arena);
    return err;
}

/* --- api --- */

static enum app_err check_token(void)
{
    static const char token[] =
        "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogImVjIiwgInR5cCI6ICJKV1QifQ."
        "eyJpc3MiOiAiaHR0cHM6Ly9hdXRobi5leGFtcGxlIiwgImF1ZCI6IFsieCIsICJlbW9qaWZ5Il0sICJleHAiOiA0MT"
        "AyNDQ0ODAwLCAibmJmIjogMSwgInN1YiI6ICI3In0.JyHiIQZs-F0_"
        "08feKEIs6gfbQoV2veLv6ZJtxdMtOcAB6sRvXFVjyLRJ9bTqr7R-kV_9J7f7KaNNBk7vpbzE9g";
    const struct jwt_expectation expected = {"https://authn.example", "emojify", 1700000000};
    struct err_buf why = {.text = ""};
    struct jwt_header header;
    struct jwt_key *key = NULL;
    json_t *keys = NULL;
    enum app_err err = jwks_client_parse(keys_json, strlen(keys_json), &keys, &why);
    if (!err)
        err = jwt_key_new(json_array_get(keys, 0), &key, &why);
    if (!err)
        err = jwt_read_header(token, strlen(token), &header, &why);
    if (!err)
        err = jwt_verify(token, strlen(token), &header, key, &expected, &why);
    jwt_key_put(&key);
    json_decref(keys);
    return err;
}

/* The keys as they are fetched and kept. */
static enum app_err use_jwks(void)
{
    char server[64];
    struct jwks *jwks = NULL;
    struct jwt_key *key = NULL;
    struct http_client *http = NULL;
    struct err_buf why = {.text = ""};
    (void)snprintf(server, sizeof(server), "http://127.0.0.1:%u", origin_port(origin));
    enum app_err err = jwks_new(&(struct jwks_options){.server = server, .patient = 1}, &jwks);
    if (!err)
        err = http_client_new(&http);
    if (!err) {
        const struct jwks_call call = {http, deadline_in_ms(20000), "id-1"};
        err = jwks_get(jwks, &call, "ec", &key, &why);
    }
    assert_true(!err == (key != NULL));
    jwt_key_put(&key);
    http_client_free(&http);
    jwks_free(&jwks);
    return err;
}

/* Without memory it is a tier that does not have the file; it never says that it has. */
static enum app_err use_local_cache(void)
{
    char directory[PATH_MAX], run_dir[PATH_MAX];
    char text[] = "content";
    struct local_cache *tier = NULL;
    struct local_cache_file file;
    temp_dir_path(&temp, "tier", directory);
    temp_dir_path(&temp, "run", run_dir);
    const struct local_cache_options options = {.directory = directory,
                                                .run_dir = run_dir,
                                                .ttl_ms = 60000,
                                                .max_bytes = 1 << 20,
                                                .direct = true,
                                                .log = &quiet};
    enum app_err err = local_cache_new(&options, &tier);
    if (err)
        return err;
    const struct iovec piece = {text, sizeof(text)};
    const struct local_cache_content content = {
        .pieces = &piece, .count = 1, .len = sizeof(text), .hash = 7, .type = "image/png"};
    struct local_cache_ticket ticket = local_cache_ticket(tier, "key");
    bool stored = local_cache_store(tier, "key", &ticket, &content, &file);
    assert_true(!stored || access(file.path, R_OK) == 0);
    local_cache_tend(tier, true);
    bool found = local_cache_find(tier, "key", &file) == LOCAL_CACHE_FRESH;
    assert_true(!stored || found);
    (void)local_cache_remove(tier, "key");
    assert_int_equal(local_cache_find(tier, "key", &file), LOCAL_CACHE_MISSING);
    local_cache_free(&tier);
    return stored ? APP_OK : APP_NO_MEMORY;
}

static enum app_err use_lookout(void)
{
    struct lookout *lookout = NULL;
    struct lookout_member member = {0};
    enum app_err err = lookout_new(true, &lookout);
    if (err)
        return err;
    assert_true(lookout_take(lookout, &member));
    lookout_stop(lookout);
    lookout_free(&lookout);
    return APP_OK;
}

static enum app_err read_faces(void)
{
    static const char json[] =
        "{\"success\":true,\"faces\":[{\"rect\":{\"top\":1,\"left\":2,\"width\":3,\"height\":4}}]}";
    struct arena *arena = arena_new(LIMIT_REQUEST_ARENA);
    struct err_buf why = {.text = ""};
    struct face *faces;
    size_t count;
    enum app_err err = APP_NO_MEMORY;
    if (arena)
        err = face_client_parse_check(json, strlen(json), arena, &faces, &count, &why);
    arena_free(&arena);
    return err;
}

static enum app_err read_and_write_card(void)
{
    static const char json[] = "{\"name\":\"A. Person\",\"number\":\"4242 4242 4242 4242\","
                               "\"cvc\":\"123\",\"expiry\":\"12/29\",\"type\":\"visa\"}";
    char written[CARD_JSON_MAX];
    struct card card;
    struct err_buf why = {.text = ""};
    size_t len;
    enum app_err err = card_read(json, strlen(json), 1795478400, &card, &why);
    return err ? err : card_write(&card, written, &len);
}

static enum app_err use_table(void)
{
    struct table *table = NULL;
    const struct table_options options = {"/nowhere/at/all", 16, &quiet};
    enum app_err err = table_new(&options, &table);
    table_free(&table);
    return err;
}

static enum app_err use_guard(void)
{
    struct address_guard *guard = NULL;
    struct err_buf why;
    enum app_err err = address_guard_new("10.0.0.0/8", "8080", &guard, &why);
    address_guard_free(&guard);
    return err;
}

/* --- Profiles --- */

static size_t resolve(void *context, const struct profile_mapping *mapping, uint64_t address,
                      struct profile_line *lines, size_t max)
{
    (void)context;
    (void)mapping;
    if (max == 0)
        return 0;
    lines[0] = (struct profile_line){.function = address % 2 ? "odd" : "even", .line = 7};
    return 1;
}

static enum app_err fill(struct profile *profile)
{
    const struct profile_mapping mapping = {"/usr/bin/program", "0a1b", 0x1000, 0x9000, 0x1000};
    size_t index = 0;
    enum app_err err = profile_mapping(profile, &mapping, &index);
    for (uint64_t i = 0; !err && i < 4; i++) {
        const struct profile_frame frames[] = {{index, 0x2000 + i}, {index, 0x3000 + i}};
        const int64_t values[] = {1, 10000000};
        err = profile_add(profile, frames, 2, NULL, values);
    }
    return err;
}

static enum app_err write_all(struct profile *profile, const struct profile *base, struct buf *out)
{
    struct profile *again = NULL;
    const struct flamegraph_options options = {
        .profile = profile, .base = base, .value_index = 1, .title = "test"};
    enum app_err err = profile_proto_write(profile, false, out);
    if (!err)
        err = profile_proto_read(&profile_kind_cpu, out->data, out->len, &again, NULL);
    profile_free(&again);
    if (!err)
        err = legacy_cpu_write(profile, out);
    if (!err)
        err = profile_top_text(profile, 1, 20, out);
    return err ? err : flamegraph_write(&options, out);
}

static enum app_err use_profiles(void)
{
    struct profile *profile = profile_new(&profile_kind_cpu);
    struct profile *other = profile_new(&profile_kind_cpu);
    struct buf out;
    buf_init(&out, 16 << 20);
    enum app_err err = profile && other ? fill(profile) : APP_NO_MEMORY;
    if (!err)
        err = profile_merge(other, profile);
    if (!err)
        err = profile_add_comment(other, "a comment");
    if (!err)
        err = profile_symbolize(other, resolve, NULL);
    if (!err)
        err = write_all(other, profile, &out);
    if (!err)
        err = profile_subtract(other, profile);
    buf_release(&out);
    profile_free(&profile);
    profile_free(&other);
    return err;
}

/* --- All of it --- */

static void whatever_fails_is_told_and_nothing_is_lost(void **state)
{
    (void)state;
    static const struct work works[] = {
        {"arena", use_arena, false},
        {"buf", use_buf, false},
        {"configuration", load_config, false},
        {"URL", normalise_url, false},
        {"lists of addresses", parse_lists, false},
        {"address guard", use_guard, false},
        {"shared call", use_coalescer, false},
        {"form", read_form, false},
        {"request and answer", serve_request, false},
        {"token", check_token, true},
        {"keys", use_jwks, true},
        {"local cache", use_local_cache, true},
        {"lookout", use_lookout, false},
        {"faces", read_faces, true},
        {"card", read_and_write_card, true},
        {"table of jobs", use_table, false},
        {"profiles", use_profiles, false},
    };
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
        torture(&works[i]);
}

int main(void)
{
    json_set_alloc_funcs(failing_memory_malloc, free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_fails_is_told_and_nothing_is_lost),
    };
    if (http_client_global_init() != APP_OK)
        return EXIT_FAILURE;
    temp_dir_init(&temp);
    origin = origin_start();
    origin_answer(origin, "/jwks", "200 OK", "", keys_json);
    int failed = cmocka_run_group_tests_name("no memory", tests, NULL, NULL);
    origin_stop(&origin);
    temp_dir_release(&temp);
    http_client_global_release();
    return failed;
}
