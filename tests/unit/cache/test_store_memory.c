/* SPDX-License-Identifier: MIT */
/*
 * What a store_file keeps in memory is no older than its directory. A file must be
 * left alone for a while before it is kept, so all tests share one store, with a
 * file for each that is kept when they begin.
 */
#include "cache/store_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "support/cmocka.h"
#include "support/temp_dir.h"

enum {
    MEMORY = 1024 * 1024,
    SIZE = 5000,
    LIFE_S = 1000,
    SOON_S = 5,
    PATIENCE_MS = 30000,
    RACING = 50,
};

struct fixture {
    struct temp_dir dir;
    struct log_sink sink;
    struct log log;
    struct store *store;
    struct store *other; /* as of another process */
};

static const char *const ids[] = {"unchanged", "written over", "renamed over", "removed",
                                  "moved",     "taken down",   "taken by us",  "put",
                                  "expiring",  "used",         "read slowly"};
enum { IDS = sizeof(ids) / sizeof(ids[0]) };

static struct store *open_store(struct fixture *fixture, int64_t memory_bytes)
{
    const struct store_file_options options = {fixture->dir.path, LIFE_S * 1000, 0, memory_bytes,
                                               &fixture->log};
    struct store *store = NULL;
    struct err_buf why = {.text = ""};
    assert_int_equal(store_file_new(&options, &store, &why), APP_OK);
    return store;
}

/* Its name in the directory. */
static const char *name_of(const char *id, char name[MD5_HEX_LEN + 1])
{
    assert_int_equal(md5_hex(id, strlen(id), name), APP_OK);
    return name;
}

static void path_of(struct fixture *fixture, const char *id, char path[PATH_MAX])
{
    char name[MD5_HEX_LEN + 1];
    temp_dir_path(&fixture->dir, name_of(id, name), path);
}

/* SIZE bytes that are all `letter`. */
static void put(struct store *store, const char *id, char letter)
{
    struct err_buf why = {.text = ""};
    char data[SIZE];
    memset(data, letter, sizeof(data));
    assert_int_equal(store_put(store, id, strlen(id), data, sizeof(data), &why), APP_OK);
}

/* The caller puts it back; NULL: not found. */
static struct content *get(struct fixture *fixture, const char *id)
{
    struct err_buf why = {.text = ""};
    struct content *content = NULL;
    enum app_err err = store_get(fixture->store, id, strlen(id), &content, &why);
    assert_true(err == APP_OK || err == APP_NOT_FOUND);
    return content;
}

static void assert_is(const struct content *content, char letter)
{
    char data[SIZE];
    memset(data, letter, sizeof(data));
    assert_non_null(content);
    assert_int_equal(content->len, SIZE);
    assert_memory_equal(content->data, data, SIZE);
}

static void assert_holds(struct fixture *fixture, const char *id, char letter)
{
    struct content *content = get(fixture, id);
    assert_is(content, letter);
    content_put(content);
}

static void assert_lacks(struct fixture *fixture, const char *id)
{
    assert_null(get(fixture, id));
    assert_null(get(fixture, id));
}

static uint64_t gets_from_memory(struct store *store)
{
    struct store_state state = {.entries = 0};
    store_look(store, &state);
    return state.memory_gets;
}

/* Whether a Get is answered from memory. */
static bool is_kept(struct fixture *fixture, const char *id)
{
    uint64_t before = gets_from_memory(fixture->store);
    content_put(get(fixture, id));
    return gets_from_memory(fixture->store) > before;
}

static void wait_until_kept(struct fixture *fixture, const char *id)
{
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (!is_kept(fixture, id)) {
        assert_true(clock_now_ns() < deadline);
        usleep(20000);
    }
}

static const char *racing_id(int number, char id[32])
{
    (void)snprintf(id, 32, "racing %d", number);
    return id;
}

static void set_times(struct fixture *fixture, const char *id, long read_ago, long written_ago)
{
    char name[MD5_HEX_LEN + 1];
    temp_dir_set_times(&fixture->dir, name_of(id, name), read_ago, written_ago);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char id[32];
    temp_dir_init(&fixture->dir);
    fixture->sink.fd = -1;
    atomic_init(&fixture->sink.level, LOG_OFF);
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    fixture->store = open_store(fixture, MEMORY);
    fixture->other = open_store(fixture, 0);
    for (size_t i = 0; i < IDS; i++)
        put(fixture->other, ids[i], 'a');
    for (int i = 0; i < RACING; i++)
        put(fixture->other, racing_id(i, id), 'a');
    set_times(fixture, "expiring", 0, LIFE_S - SOON_S);
    for (size_t i = 0; i < IDS; i++)
        wait_until_kept(fixture, ids[i]);
    for (int i = 0; i < RACING; i++)
        wait_until_kept(fixture, racing_id(i, id));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    store_free(&fixture->store);
    store_free(&fixture->other);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

static void an_unchanged_file_is_answered_from_memory(void **state)
{
    struct fixture *fixture = *state;
    struct content *content = get(fixture, "unchanged");
    for (int i = 0; i < 5; i++) {
        struct content *again = get(fixture, "unchanged");
        assert_ptr_equal(again, content);
        content_put(again);
    }
    assert_is(content, 'a');
    content_put(content);
}

static void a_file_written_over_is_seen_though_its_times_were_set_back(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    struct stat before, after;
    char data[SIZE];
    memset(data, 'b', sizeof(data));
    path_of(fixture, "written over", path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &before), 0);
    assert_int_equal(pwrite(fd, data, sizeof(data), 0), sizeof(data));
    assert_int_equal(futimens(fd, (struct timespec[]){before.st_atim, before.st_mtim}), 0);
    assert_int_equal(fstat(fd, &after), 0);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    close(fd);
    assert_holds(fixture, "written over", 'b');
    assert_holds(fixture, "written over", 'b');
}

static void a_file_renamed_over_it_is_seen_though_size_and_mtime_are_equal(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX], aside[PATH_MAX];
    struct stat before;
    char data[SIZE];
    memset(data, 'b', sizeof(data));
    path_of(fixture, "renamed over", path);
    temp_dir_path(&fixture->dir, "aside", aside);
    assert_int_equal(stat(path, &before), 0);
    temp_dir_write(&fixture->dir, "aside", data, sizeof(data));
    const struct timespec times[] = {before.st_atim, before.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, aside, times, 0), 0);
    assert_int_equal(rename(aside, path), 0);
    assert_holds(fixture, "renamed over", 'b');
    assert_holds(fixture, "renamed over", 'b');
}

static void a_file_that_was_removed_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    path_of(fixture, "removed", path);
    assert_int_equal(unlink(path), 0);
    assert_lacks(fixture, "removed");
}

static void a_file_that_was_moved_away_is_not_found_until_it_is_back(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX], elsewhere[PATH_MAX];
    path_of(fixture, "moved", path);
    temp_dir_path(&fixture->dir, "elsewhere", elsewhere);
    assert_int_equal(rename(path, elsewhere), 0);
    assert_lacks(fixture, "moved");
    assert_int_equal(rename(elsewhere, path), 0);
    assert_holds(fixture, "moved", 'a');
}

static void assert_is_down(struct fixture *fixture, const char *id)
{
    struct err_buf why = {.text = ""};
    bool exists;
    assert_lacks(fixture, id);
    assert_int_equal(store_exists(fixture->store, id, strlen(id), &exists, &why), APP_GONE);
}

static void what_another_process_took_down_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    assert_int_equal(store_put(fixture->other, "taken down", 10, NULL, 0, &why), APP_OK);
    assert_is_down(fixture, "taken down");
}

static size_t memory_bytes(struct store *store)
{
    struct store_state state = {.entries = 0};
    store_look(store, &state);
    return (size_t)state.memory_bytes;
}

static void what_was_taken_down_leaves_the_memory(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    size_t before = memory_bytes(fixture->store);
    assert_int_equal(store_put(fixture->store, "taken by us", 11, NULL, 0, &why), APP_OK);
    assert_true(memory_bytes(fixture->store) <= before - SIZE);
    assert_is_down(fixture, "taken by us");
}

static void what_was_put_is_got_at_once(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 1; i < 25; i++) {
        char letter = (char)('a' + i);
        put(i % 2 ? fixture->store : fixture->other, "put", letter);
        assert_holds(fixture, "put", letter);
    }
}

static void a_content_in_hand_stays_when_its_file_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct content *content = get(fixture, "read slowly");
    put(fixture->other, "read slowly", 'b');
    assert_holds(fixture, "read slowly", 'b');
    assert_is(content, 'a');
    content_put(content);
}

/* Kept, it is answered from memory until its life is over. */
static void a_file_expires_in_memory_too(void **state)
{
    struct fixture *fixture = *state;
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    char name[MD5_HEX_LEN + 1], path[PATH_MAX];
    struct stat status;
    struct content *content;
    path_of(fixture, "expiring", path);
    assert_int_equal(stat(path, &status), 0);
    time_t asked = time(NULL);
    while ((content = get(fixture, "expiring"))) {
        content_put(content);
        assert_true(asked <= status.st_mtim.tv_sec + LIFE_S + 1);
        assert_true(clock_now_ns() < deadline);
        usleep(20000);
        asked = time(NULL);
    }
    assert_false(temp_dir_has(&fixture->dir, name_of("expiring", name)));
}

static void a_use_from_memory_is_stamped(void **state)
{
    struct fixture *fixture = *state;
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    char path[PATH_MAX];
    struct stat before, now;
    path_of(fixture, "used", path);
    assert_int_equal(stat(path, &before), 0);
    do {
        assert_true(is_kept(fixture, "used"));
        assert_int_equal(stat(path, &now), 0);
        assert_true(clock_now_ns() < deadline);
        usleep(20000);
    } while (now.st_atim.tv_sec == before.st_atim.tv_sec);
    assert_in_range(time(NULL) + 1 - now.st_atim.tv_sec, 0, SOON_S);
    assert_int_equal(now.st_mtim.tv_sec, before.st_mtim.tv_sec);
    wait_until_kept(fixture, "used"); /* again */
}

static void memory_may_be_none(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    for (int i = 0; i < 3; i++) {
        struct content *content = NULL;
        assert_int_equal(store_get(fixture->other, "unchanged", 9, &content, &why), APP_OK);
        assert_is(content, 'a');
        content_put(content);
    }
    assert_int_equal(memory_bytes(fixture->other), 0);
    assert_int_equal(gets_from_memory(fixture->other), 0);
}

struct race {
    struct fixture *fixture;
    _Atomic int replaced; /* so many have been */
    _Atomic bool done;
    int complaints;
};

/* The store itself sees to it that what it puts leaves its memory; the other does not. */
static void *replace_each(void *argument)
{
    struct race *race = argument;
    for (int i = 0; i < RACING; i++) {
        char id[32];
        put(i % 4 ? race->fixture->other : race->fixture->store, racing_id(i, id), 'b');
        atomic_store(&race->replaced, i + 1);
        usleep(200);
    }
    atomic_store(&race->done, true);
    return NULL;
}

static void *get_each(void *argument)
{
    struct race *race = argument;
    while (!atomic_load(&race->done)) {
        for (int i = 0; i < RACING; i++) {
            char id[32];
            int replaced = atomic_load(&race->replaced);
            struct err_buf why = {.text = ""};
            struct content *content = NULL;
            racing_id(i, id);
            if (store_get(race->fixture->store, id, strlen(id), &content, &why)) {
                race->complaints++;
                continue;
            }
            const char *data = content->data;
            race->complaints += data[0] != data[SIZE - 1] || (i < replaced && data[0] != 'b');
            content_put(content);
        }
    }
    return NULL;
}

static void no_get_is_older_than_a_put_that_was_answered(void **state)
{
    struct race race = {.fixture = *state};
    pthread_t putter, getter;
    uint64_t before = gets_from_memory(race.fixture->store);
    assert_int_equal(pthread_create(&getter, NULL, get_each, &race), 0);
    assert_int_equal(pthread_create(&putter, NULL, replace_each, &race), 0);
    pthread_join(putter, NULL);
    pthread_join(getter, NULL);
    assert_int_equal(race.complaints, 0);
    assert_true(gets_from_memory(race.fixture->store) > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unchanged_file_is_answered_from_memory),
        cmocka_unit_test(a_file_written_over_is_seen_though_its_times_were_set_back),
        cmocka_unit_test(a_file_renamed_over_it_is_seen_though_size_and_mtime_are_equal),
        cmocka_unit_test(a_file_that_was_removed_is_not_found),
        cmocka_unit_test(a_file_that_was_moved_away_is_not_found_until_it_is_back),
        cmocka_unit_test(what_another_process_took_down_is_not_found),
        cmocka_unit_test(what_was_taken_down_leaves_the_memory),
        cmocka_unit_test(what_was_put_is_got_at_once),
        cmocka_unit_test(a_content_in_hand_stays_when_its_file_is_replaced),
        cmocka_unit_test(no_get_is_older_than_a_put_that_was_answered),
        cmocka_unit_test(a_file_expires_in_memory_too),
        cmocka_unit_test(a_use_from_memory_is_stamped),
        cmocka_unit_test(memory_may_be_none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
