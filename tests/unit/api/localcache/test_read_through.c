/* SPDX-License-Identifier: MIT */
/* How often the cache is asked, by how many at a time, and what each of them gets. */
#include "api/localcache/read_through.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/jobs/table.h"
#include "api/telemetry.h"
#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/limits.h"
#include "lib/telemetry/trace.h"
#include "lib/wire/cache_item.h"
#include "support/cmocka.h"
#include "support/fake_cache.h"
#include "support/sibling.h"
#include "support/temp_dir.h"

enum {
    PATIENCE_MS = 20000,
    TTL_MS = 60000,
    GRPC_NOT_FOUND = 5,
    GRPC_UNAVAILABLE = 14,
    THREADS = 6,
    PATIENT = 2,
    NAME_MAX_LEN = 32,
    LARGE = 100 * 1000,
    TIER_BYTES = 64 * 1024
};

#define PICTURE "\x89PNG\r\n\x1a\n and the rest of it"

struct fixture {
    struct temp_dir dir;
    char tier_dir[PATH_MAX];
    struct log_sink sink;
    struct log log;
    char address[128];
    struct fake_cache *fake;
    char message[WIRE_CACHE_ITEM_HEAD_MAX + NAME_MAX_LEN + LARGE];
    struct cache_client *client;
    struct local_cache *tier;
    struct table *table;
    struct telemetry telemetry;
    struct read_through *reads;
};

/* --- Words of the tests ---------------------------------------------------------- */

static void open_tier(struct fixture *fixture, int64_t ttl_ms)
{
    const struct local_cache_options options = {
        .directory = fixture->tier_dir,
        .run_dir = fixture->dir.path,
        .ttl_ms = ttl_ms,
        .max_bytes = TIER_BYTES,
        .grace_ms = LOCAL_CACHE_GRACE_MS,
        .log = &fixture->log,
    };
    local_cache_free(&fixture->tier);
    assert_int_equal(local_cache_new(&options, &fixture->tier), APP_OK);
}

static struct read_through *reads_of(struct fixture *fixture, bool stays_fresh, int64_t timeout_ms)
{
    struct read_through *reads = NULL;
    const struct read_through_options options = {
        .cache = fixture->client,
        .tier = fixture->tier,
        .stays_fresh = stays_fresh,
        .table = fixture->table,
        .telemetry = &fixture->telemetry,
        .timeout_ms = timeout_ms,
    };
    assert_int_equal(read_through_new(&options, &reads), APP_OK);
    return reads;
}

/* With a tier whose files stay fresh or not, in the place of what there was. */
static void open_reads(struct fixture *fixture, int64_t ttl_ms, int64_t timeout_ms)
{
    read_through_free(&fixture->reads);
    open_tier(fixture, ttl_ms);
    fixture->reads = reads_of(fixture, ttl_ms > 0, timeout_ms);
}

static void open_client(struct fixture *fixture, unsigned patient)
{
    const struct cache_client_options options = {
        .address = fixture->address, .patient = patient, .log = &fixture->log};
    read_through_free(&fixture->reads);
    cache_client_free(&fixture->client);
    assert_int_equal(cache_client_new(&options, &fixture->client, NULL), APP_OK);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    temp_dir_init(&fixture->dir);
    temp_dir_path(&fixture->dir, "tier", fixture->tier_dir);
    (void)snprintf(fixture->address, sizeof(fixture->address), "unix:%s/socket", fixture->dir.path);
    fixture->sink = (struct log_sink){.fd = -1, .level = LOG_OFF};
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    const struct api_config config = {.run_dir = "", .statsd_server = ""};
    assert_int_equal(telemetry_start(&fixture->telemetry, &config, &fixture->log, NULL), APP_OK);
    fixture->fake = fake_cache_start(fixture->address);
    fixture->table = sibling_table(fixture->dir.path);
    open_client(fixture, 0);
    open_reads(fixture, TTL_MS, PATIENCE_MS);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    read_through_free(&fixture->reads);
    local_cache_free(&fixture->tier);
    table_free(&fixture->table);
    cache_client_free(&fixture->client);
    fake_cache_stop(&fixture->fake);
    telemetry_stop(&fixture->telemetry);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

/* Have the cache answer with these bytes, after a while. */
static void serve(struct fixture *fixture, const char *bytes, size_t len, unsigned delay_ms)
{
    assert_true(len <= LARGE);
    size_t head = wire_cache_item_head("a", 1, len, fixture->message);
    memcpy(fixture->message + head, bytes, len);
    const struct fake_cache_answer answer = {.ending = FAKE_CACHE_ANSWER,
                                             .message = fixture->message,
                                             .len = head + len,
                                             .delay_ms = delay_ms};
    fake_cache_script(fixture->fake, "Get", &answer, 1);
}

static void serve_picture(struct fixture *fixture, unsigned delay_ms)
{
    serve(fixture, PICTURE, sizeof(PICTURE) - 1, delay_ms);
}

static void refuse(struct fixture *fixture, int status, unsigned delay_ms)
{
    const struct fake_cache_answer answer = {.ending = FAKE_CACHE_ANSWER,
                                             .status = status,
                                             .words = "so says the test",
                                             .delay_ms = delay_ms};
    fake_cache_script(fixture->fake, "Get", &answer, 1);
}

static unsigned gets(struct fixture *fixture)
{
    return fake_cache_calls(fixture->fake, "Get");
}

/* One who asks, and what came of it; on a thread of its own where there are several. */
struct asker {
    struct fixture *fixture;
    struct read_through *reads;
    const char *name;
    bool use_tier;
    pthread_t thread;
    enum app_err err;
    struct err_buf why;
    bool in_tier;
    size_t len;
    char bytes[64];
    char type[32];
    int64_t waited_ns;
};

static void read_answer(struct asker *asker, const struct read_through_file *file)
{
    asker->in_tier = file->path != NULL;
    asker->len = file->len;
    (void)snprintf(asker->type, sizeof(asker->type), "%s", file->type);
    size_t wanted = file->len < sizeof(asker->bytes) ? file->len : sizeof(asker->bytes);
    if (file->path) {
        FILE *stream = fopen(file->path, "rbe");
        assert_non_null(stream);
        assert_int_equal(fread(asker->bytes, 1, wanted, stream), wanted);
        (void)fclose(stream);
    } else if (file->len <= sizeof(asker->bytes)) {
        assert_int_equal(file->item->count, 1);
        memcpy(asker->bytes, file->item->pieces[0].iov_base, wanted);
    }
    if (file->len <= sizeof(asker->bytes))
        assert_true(file->hash == xxh3_pieces(&(struct iovec){asker->bytes, wanted}, 1));
}

static void *run_asker(void *argument)
{
    struct asker *asker = argument;
    struct cache_caller *caller = NULL;
    struct trace trace = {.sampling = TRACE_NOT_SAMPLED};
    struct read_through_file file;
    assert_int_equal(cache_caller_new(asker->fixture->client, &caller), APP_OK);
    const struct read_through_call call = {
        .name = asker->name,
        .use_tier = asker->use_tier,
        .caller = caller,
        .since_ns = clock_now_ns(),
        .deadline_ns = deadline_in_ms(PATIENCE_MS),
        .request_id = "test",
        .trace = &trace,
    };
    asker->err = read_through_get(asker->reads, &call, &file, &asker->why);
    asker->waited_ns = clock_now_ns() - call.since_ns;
    if (!asker->err) {
        read_answer(asker, &file);
        read_through_release(&file);
    }
    cache_caller_free(&caller);
    return NULL;
}

static struct asker asker_of(struct fixture *fixture, const char *name, bool use_tier)
{
    return (struct asker){
        .fixture = fixture, .reads = fixture->reads, .name = name, .use_tier = use_tier};
}

static struct asker ask(struct fixture *fixture, const char *name, bool use_tier)
{
    struct asker asker = asker_of(fixture, name, use_tier);
    (void)run_asker(&asker);
    return asker;
}

static void start(struct asker *asker)
{
    assert_int_equal(pthread_create(&asker->thread, NULL, run_asker, asker), 0);
}

static void join(struct asker *asker)
{
    assert_int_equal(pthread_join(asker->thread, NULL), 0);
}

static void assert_picture(const struct asker *asker, bool in_tier)
{
    if (asker->err)
        fail_msg("%s: %s", app_err_slug(asker->err), asker->why.detail);
    assert_int_equal(asker->in_tier, in_tier);
    assert_int_equal(asker->len, sizeof(PICTURE) - 1);
    assert_memory_equal(asker->bytes, PICTURE, sizeof(PICTURE) - 1);
    assert_string_equal(asker->type, "image/png");
}

/* Wait until the cache has been asked so often. */
static void await_gets(struct fixture *fixture, unsigned count)
{
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    while (gets(fixture) < count && deadline_left_ms(deadline_ns) > 0)
        deadline_sleep(deadline_in_ms(2));
    assert_true(gets(fixture) >= count);
}

/* --- One at a time --------------------------------------------------------------- */

static void what_the_cache_gave_is_fresh_in_the_tier_from_then_on(void **state)
{
    struct fixture *fixture = *state;
    serve_picture(fixture, 0);
    for (int i = 0; i < 3; i++) {
        struct asker asker = ask(fixture, "a", true);
        assert_picture(&asker, true);
        assert_int_equal(gets(fixture), 1);
    }
}

static void a_tier_whose_files_are_stale_at_once_asks_each_time(void **state)
{
    struct fixture *fixture = *state;
    open_reads(fixture, 0, PATIENCE_MS);
    serve_picture(fixture, 0);
    for (unsigned i = 1; i <= 3; i++) {
        struct asker asker = ask(fixture, "a", true);
        assert_picture(&asker, true);
        assert_int_equal(gets(fixture), i);
    }
}

static void a_caller_that_cannot_use_the_tier_gets_the_bytes(void **state)
{
    struct fixture *fixture = *state;
    serve_picture(fixture, 0);
    for (unsigned i = 1; i <= 2; i++) {
        struct asker asker = ask(fixture, "a", false);
        assert_picture(&asker, false);
        assert_int_equal(gets(fixture), i);
    }
}

static void without_a_tier_there_are_bytes_only(void **state)
{
    struct fixture *fixture = *state;
    read_through_free(&fixture->reads);
    local_cache_free(&fixture->tier);
    fixture->reads = reads_of(fixture, true, PATIENCE_MS);
    serve_picture(fixture, 0);
    struct asker asker = ask(fixture, "a", true);
    assert_picture(&asker, false);
}

static void what_does_not_fit_into_the_tier_is_given_as_bytes(void **state)
{
    struct fixture *fixture = *state;
    static char large[LARGE];
    memset(large, 'x', sizeof(large));
    serve(fixture, large, sizeof(large), 0);
    struct asker asker = ask(fixture, "a", true);
    assert_int_equal(asker.err, APP_OK);
    assert_false(asker.in_tier);
    assert_int_equal(asker.len, LARGE);
    assert_string_equal(asker.type, "text/plain; charset=utf-8");
}

static void what_the_cache_does_not_have_goes_from_the_tier(void **state)
{
    struct fixture *fixture = *state;
    struct local_cache_file file;
    open_reads(fixture, 0, PATIENCE_MS);
    serve_picture(fixture, 0);
    struct asker asker = ask(fixture, "a", true);
    assert_picture(&asker, true);
    assert_int_equal(local_cache_find(fixture->tier, "a", &file), LOCAL_CACHE_STALE);
    refuse(fixture, GRPC_NOT_FOUND, 0);
    asker = ask(fixture, "a", false); /* whoever learns of it */
    assert_int_equal(asker.err, APP_NOT_FOUND);
    assert_int_equal(local_cache_find(fixture->tier, "a", &file), LOCAL_CACHE_MISSING);
}

static void a_failure_has_words_for_the_client_and_the_log(void **state)
{
    struct fixture *fixture = *state;
    refuse(fixture, GRPC_UNAVAILABLE, 0);
    struct asker asker = ask(fixture, "a", true);
    assert_int_equal(asker.err, APP_UPSTREAM_FAILED);
    assert_string_equal(asker.why.text, "the cache failed");
    assert_non_null(strstr(asker.why.detail, "so says the test"));
    serve_picture(fixture, 0); /* and the next one is not told of it */
    asker = ask(fixture, "a", true);
    assert_picture(&asker, true);
}

static void a_cache_that_is_too_slow_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    open_reads(fixture, TTL_MS, 150);
    serve_picture(fixture, 3000);
    struct asker asker = ask(fixture, "a", true);
    assert_int_equal(asker.err, APP_UPSTREAM_TIMEOUT);
    assert_string_equal(asker.why.text, "the cache did not answer in time");
    assert_true(asker.waited_ns < 2000 * NS_PER_MS);
}

/* --- Several at a time ----------------------------------------------------------- */

/* The first leads a call of its own; all who come meanwhile share another. */
static void threads_that_ask_at_once_share_a_call(void **state)
{
    struct fixture *fixture = *state;
    static const bool ways[] = {true, false};
    for (size_t way = 0; way < 2; way++) {
        struct asker askers[THREADS];
        unsigned before = gets(fixture);
        serve_picture(fixture, 400);
        for (size_t i = 0; i < THREADS; i++) {
            askers[i] = asker_of(fixture, "a", ways[way]);
            start(&askers[i]);
            if (i == 0)
                await_gets(fixture, before + 1);
        }
        for (size_t i = 0; i < THREADS; i++) {
            join(&askers[i]);
            assert_picture(&askers[i], ways[way]);
        }
        assert_in_range(gets(fixture) - before, 1, 2);
    }
}

/* What one with the tier is given, the others could not send. */
static void callers_without_the_tier_share_no_call_with_those_that_use_it(void **state)
{
    struct fixture *fixture = *state;
    static const bool use_tier[] = {true, true, false};
    struct asker askers[3];
    serve_picture(fixture, 400);
    for (size_t i = 0; i < 3; i++) {
        askers[i] = asker_of(fixture, "a", use_tier[i]);
        start(&askers[i]);
        if (i == 0)
            await_gets(fixture, 1);
        deadline_sleep(deadline_in_ms(50)); /* so that they come one after the other */
    }
    for (size_t i = 0; i < 3; i++) {
        join(&askers[i]);
        assert_picture(&askers[i], use_tier[i]);
    }
}

static void other_files_are_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct asker slow = asker_of(fixture, "slow", true);
    const struct fake_cache_answer answers[] = {
        {.ending = FAKE_CACHE_ANSWER, .status = GRPC_NOT_FOUND, .delay_ms = 1500},
        {.ending = FAKE_CACHE_ANSWER, .status = GRPC_NOT_FOUND},
    };
    fake_cache_script(fixture->fake, "Get", answers, 2);
    start(&slow);
    await_gets(fixture, 1);
    struct asker quick = ask(fixture, "quick", true);
    assert_int_equal(quick.err, APP_NOT_FOUND);
    assert_true(quick.waited_ns < 1000 * NS_PER_MS);
    join(&slow);
    assert_int_equal(slow.err, APP_NOT_FOUND);
}

/* What a call has failed with, is told to all who waited for that call. */
static void a_failure_is_told_to_all_who_share_the_call(void **state)
{
    struct fixture *fixture = *state;
    struct asker askers[3];
    refuse(fixture, GRPC_NOT_FOUND, 300);
    for (size_t i = 0; i < 3; i++) {
        askers[i] = asker_of(fixture, "a", true);
        start(&askers[i]);
        if (i == 0)
            await_gets(fixture, 1);
    }
    for (size_t i = 0; i < 3; i++) {
        join(&askers[i]);
        assert_int_equal(askers[i].err, APP_NOT_FOUND);
    }
    assert_in_range(gets(fixture), 1, 2);
}

/* Two of these objects know of each other as two processes do: by table and tier. */
static void one_process_of_the_pool_asks(void **state)
{
    struct fixture *fixture = *state;
    struct read_through *sibling = reads_of(fixture, true, PATIENCE_MS);
    struct asker ours = asker_of(fixture, "a", true);
    struct asker theirs = asker_of(fixture, "a", true);
    theirs.reads = sibling;
    serve_picture(fixture, 400);
    start(&ours);
    await_gets(fixture, 1);
    start(&theirs);
    join(&ours);
    join(&theirs);
    assert_picture(&ours, true);
    assert_picture(&theirs, true);
    assert_int_equal(gets(fixture), 1);
    read_through_free(&sibling);
}

/* A file that the tier cannot keep is of no use to the others. */
static void each_process_asks_where_the_tier_keeps_nothing(void **state)
{
    struct fixture *fixture = *state;
    static char large[LARGE];
    struct read_through *sibling = reads_of(fixture, true, PATIENCE_MS);
    struct asker ours = asker_of(fixture, "a", true);
    struct asker theirs = asker_of(fixture, "a", true);
    memset(large, 'x', sizeof(large));
    theirs.reads = sibling;
    serve(fixture, large, sizeof(large), 300);
    start(&ours);
    await_gets(fixture, 1);
    start(&theirs);
    join(&ours);
    join(&theirs);
    assert_int_equal(ours.err, APP_OK);
    assert_int_equal(theirs.err, APP_OK);
    assert_int_equal(ours.len, LARGE);
    assert_int_equal(theirs.len, LARGE);
    assert_int_equal(gets(fixture), 2);
    read_through_free(&sibling);
}

/* Beyond PATIENT threads nobody waits at length, whether for a call or for another's. */
static void who_waits_for_anothers_call_has_a_place_too(void **state)
{
    struct fixture *fixture = *state;
    struct asker askers[THREADS];
    unsigned refused = 0, served = 0;
    open_client(fixture, PATIENT);
    open_reads(fixture, TTL_MS, PATIENCE_MS);
    serve_picture(fixture, 1500);
    for (size_t i = 0; i < THREADS; i++) {
        askers[i] = asker_of(fixture, "a", true);
        start(&askers[i]);
        if (i == 0)
            await_gets(fixture, 1);
    }
    for (size_t i = 0; i < THREADS; i++) {
        join(&askers[i]);
        if (!askers[i].err) {
            served++;
            continue;
        }
        refused++;
        assert_int_equal(askers[i].err, APP_UNAVAILABLE);
        assert_string_equal(askers[i].why.text, "the cache is busy, try again later");
        assert_true(askers[i].waited_ns < 1400 * NS_PER_MS);
    }
    assert_int_equal(served, PATIENT);
    assert_int_equal(refused, THREADS - PATIENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_the_cache_gave_is_fresh_in_the_tier_from_then_on),
        TEST(a_tier_whose_files_are_stale_at_once_asks_each_time),
        TEST(a_caller_that_cannot_use_the_tier_gets_the_bytes),
        TEST(without_a_tier_there_are_bytes_only),
        TEST(what_does_not_fit_into_the_tier_is_given_as_bytes),
        TEST(what_the_cache_does_not_have_goes_from_the_tier),
        TEST(a_failure_has_words_for_the_client_and_the_log),
        TEST(a_cache_that_is_too_slow_is_not_waited_for),
        TEST(threads_that_ask_at_once_share_a_call),
        TEST(callers_without_the_tier_share_no_call_with_those_that_use_it),
        TEST(other_files_are_not_waited_for),
        TEST(a_failure_is_told_to_all_who_share_the_call),
        TEST(one_process_of_the_pool_asks),
        TEST(each_process_asks_where_the_tier_keeps_nothing),
        TEST(who_waits_for_anothers_call_has_a_place_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
