/* SPDX-License-Identifier: MIT */
#include "cache/hot_files.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"

enum { MAX_BYTES = 64 * 1024, SIZE = 2000, NAME_ROOM = 16 };

static const char name[] = "5d41402abc4b2a76b9719d911017c592";
static const int64_t now_ns = INT64_C(1800000000) * NS_PER_S + 1;

/* Of a file that was changed so long ago. */
static struct stat status_of_age(int64_t age_ns)
{
    const int64_t changed_ns = now_ns - age_ns;
    const struct timespec changed = {changed_ns / NS_PER_S, changed_ns % NS_PER_S};
    return (struct stat){
        .st_dev = 1, .st_ino = 2, .st_size = SIZE, .st_mtim = {7, 7}, .st_ctim = changed};
}

static struct content *new_content(size_t len, char letter)
{
    char *data = malloc(len);
    assert_non_null(data);
    memset(data, letter, len);
    struct content *content = content_new(data, len);
    assert_non_null(content);
    return content;
}

static void put_aged(struct hot_files *files, const char *id, size_t len, char letter,
                     int64_t age_ns)
{
    const struct stat status = status_of_age(age_ns);
    struct content *content = new_content(len, letter);
    hot_files_put(files, id, strlen(id), name, &status, now_ns, content);
    content_put(content);
}

static void put(struct hot_files *files, const char *id, char letter)
{
    put_aged(files, id, SIZE, letter, HOT_SETTLED_NS);
}

static void put_number(struct hot_files *files, int number)
{
    char id[NAME_ROOM];
    (void)snprintf(id, sizeof(id), "%d", number);
    put(files, id, 'n');
}

static bool has(struct hot_files *files, const char *id)
{
    struct hot_file file;
    struct content *content = hot_files_get(files, id, strlen(id), &file);
    content_put(content);
    return content;
}

static void assert_has(struct hot_files *files, const char *id, char letter)
{
    struct hot_file file;
    struct content *content = hot_files_get(files, id, strlen(id), &file);
    assert_non_null(content);
    assert_int_equal(((char *)content->data)[content->len - 1], letter);
    content_put(content);
}

static int set_up(void **state)
{
    struct hot_files *files = NULL;
    assert_int_equal(hot_files_new(MAX_BYTES, &files), APP_OK);
    *state = files;
    return 0;
}

static int tear_down(void **state)
{
    struct hot_files *files = *state;
    hot_files_free(&files);
    assert_null(files);
    hot_files_free(&files);
    return 0;
}

static void what_was_put_is_got_with_its_file(void **state)
{
    struct hot_files *files = *state;
    struct hot_file file;
    assert_false(has(files, "key"));
    put(files, "key", 'a');
    assert_has(files, "key", 'a');
    assert_false(has(files, "ke"));
    assert_false(has(files, "key2"));
    content_put(hot_files_get(files, "key", 3, &file));
    const struct stat status = status_of_age(HOT_SETTLED_NS);
    assert_string_equal(file.name, name);
    assert_true(hot_file_is(&file, &status));
}

static void a_file_that_differs_in_anything_is_another(void **state)
{
    struct hot_files *files = *state;
    struct hot_file file;
    put(files, "key", 'a');
    content_put(hot_files_get(files, "key", 3, &file));
    const struct stat same = status_of_age(HOT_SETTLED_NS);
    struct stat others[] = {same, same, same, same, same, same, same};
    others[0].st_dev++;
    others[1].st_ino++;
    others[2].st_size++;
    others[3].st_mtim.tv_sec++;
    others[4].st_mtim.tv_nsec++;
    others[5].st_ctim.tv_sec++;
    others[6].st_ctim.tv_nsec++;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(hot_file_is(&file, &others[i]));
    struct stat used = same;
    used.st_atim.tv_sec++;
    assert_true(hot_file_is(&file, &used));
}

static void what_changed_a_moment_ago_is_not_kept(void **state)
{
    struct hot_files *files = *state;
    put_aged(files, "young", SIZE, 'a', HOT_SETTLED_NS - 1);
    put_aged(files, "future", SIZE, 'a', -NS_PER_S);
    put_aged(files, "settled", SIZE, 'a', HOT_SETTLED_NS);
    assert_false(has(files, "young"));
    assert_false(has(files, "future"));
    assert_true(has(files, "settled"));
}

static void stamps_of_whole_seconds_take_longer_to_settle(void **state)
{
    struct hot_files *files = *state;
    put_aged(files, "young", SIZE, 'a', HOT_SETTLED_COARSE_NS - NS_PER_S + 1);
    put_aged(files, "settled", SIZE, 'a', HOT_SETTLED_COARSE_NS + 1);
    assert_false(has(files, "young"));
    assert_true(has(files, "settled"));
}

static void what_is_put_again_replaces_what_was_there(void **state)
{
    struct hot_files *files = *state;
    put(files, "key", 'a');
    size_t bytes = hot_files_bytes(files);
    put(files, "key", 'b');
    assert_has(files, "key", 'b');
    assert_int_equal(hot_files_bytes(files), bytes);
}

static void what_was_dropped_is_gone(void **state)
{
    struct hot_files *files = *state;
    put(files, "key", 'a');
    put(files, "other", 'b');
    hot_files_drop(files, "key", 3);
    hot_files_drop(files, "key", 3);
    assert_false(has(files, "key"));
    assert_has(files, "other", 'b');
    hot_files_drop(files, "other", 5);
    assert_int_equal(hot_files_bytes(files), 0);
}

static void the_bound_holds_and_the_least_recently_used_go(void **state)
{
    struct hot_files *files = *state;
    put(files, "used", 'u');
    put(files, "unused", 'n');
    for (int i = 0; i < 100; i++) {
        put_number(files, i);
        assert_true(hot_files_bytes(files) <= MAX_BYTES);
        assert_has(files, "used", 'u');
    }
    assert_false(has(files, "unused"));
    assert_false(has(files, "0"));
    assert_true(has(files, "98"));
    assert_true(has(files, "99"));
    assert_true(hot_files_bytes(files) > MAX_BYTES - 2 * SIZE);
}

/* An entry takes more than its content, and ids are up to a kilobyte long. */
static void small_files_cannot_take_more_than_the_bound(void **state)
{
    struct hot_files *files = *state;
    char id[1000];
    memset(id, 'x', sizeof(id));
    for (int i = 0; i < 1000; i++) {
        struct content *content = new_content(1, 'a');
        const struct stat status = status_of_age(HOT_SETTLED_NS);
        memcpy(id, &i, sizeof(i));
        hot_files_put(files, id, sizeof(id), name, &status, now_ns, content);
        content_put(content);
    }
    size_t kept = 0;
    for (int i = 0; i < 1000; i++) {
        struct hot_file file;
        memcpy(id, &i, sizeof(i));
        struct content *content = hot_files_get(files, id, sizeof(id), &file);
        kept += content != NULL;
        content_put(content);
    }
    assert_in_range(kept, 1, MAX_BYTES / sizeof(id));
}

static void a_file_that_would_drive_out_many_is_not_kept(void **state)
{
    struct hot_files *files = *state;
    put(files, "key", 'a');
    put_aged(files, "too large", MAX_BYTES / HOT_SHARE_OF_FILE + 1, 'b', HOT_SETTLED_NS);
    put_aged(files, "large", MAX_BYTES / HOT_SHARE_OF_FILE, 'c', HOT_SETTLED_NS);
    assert_false(has(files, "too large"));
    assert_has(files, "large", 'c');
    assert_has(files, "key", 'a');
}

static void with_less_memory_than_an_entry_takes_nothing_is_kept(void **state)
{
    (void)state;
    struct hot_files *files = NULL;
    assert_int_equal(hot_files_new(16, &files), APP_OK);
    put_aged(files, "key", 1, 'a', HOT_SETTLED_NS);
    assert_false(has(files, "key"));
    assert_int_equal(hot_files_bytes(files), 0);
    hot_files_free(&files);
}

static void without_memory_nothing_is_kept(void **state)
{
    (void)state;
    put(NULL, "key", 'a');
    assert_false(has(NULL, "key"));
    hot_files_drop(NULL, "key", 3);
    assert_int_equal(hot_files_bytes(NULL), 0);
}

static void what_is_still_being_sent_outlives_its_eviction(void **state)
{
    struct hot_files *files = *state;
    struct hot_file file;
    put(files, "key", 'a');
    struct content *sent = hot_files_get(files, "key", 3, &file);
    for (int i = 0; i < 100; i++)
        put_number(files, i);
    assert_false(has(files, "key"));
    struct content *expected = new_content(SIZE, 'a');
    assert_int_equal(sent->len, expected->len);
    assert_memory_equal(sent->data, expected->data, SIZE);
    content_put(expected);
    content_put(sent);
}

enum { THREADS = 4, ROUNDS = 5000, IDS = 60 /* twice as many as there is room for */ };

struct race {
    struct hot_files *files;
    unsigned seed;
    unsigned hits;
    bool failed;
};

/* Whatever an id is found with was put under it, by whichever thread. */
static void *use_all(void *argument)
{
    struct race *race = argument;
    for (int i = 0; i < ROUNDS; i++) {
        char id[NAME_ROOM];
        struct hot_file file;
        int number = (int)((unsigned)rand_r(&race->seed) % IDS);
        size_t len = (size_t)snprintf(id, sizeof(id), "%d", number);
        char letter = (char)('0' + number);
        struct content *content = hot_files_get(race->files, id, len, &file);
        if (!content) {
            put(race->files, id, letter);
            continue;
        }
        const char *data = content->data;
        race->hits++;
        race->failed |= data[0] != letter || data[content->len - 1] != letter;
        if (i % 16 == 0)
            hot_files_drop(race->files, id, len);
        race->failed |= data[content->len / 2] != letter;
        content_put(content);
    }
    return NULL;
}

static void threads_find_what_belongs_to_the_id(void **state)
{
    pthread_t threads[THREADS];
    struct race races[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        races[i] = (struct race){.files = *state, .seed = i};
        assert_int_equal(pthread_create(&threads[i], NULL, use_all, &races[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(races[i].failed);
        assert_true(races[i].hits > 0);
    }
    assert_true(hot_files_bytes(*state) <= MAX_BYTES);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_is_got_with_its_file),
        TEST(a_file_that_differs_in_anything_is_another),
        TEST(what_changed_a_moment_ago_is_not_kept),
        TEST(stamps_of_whole_seconds_take_longer_to_settle),
        TEST(what_is_put_again_replaces_what_was_there),
        TEST(what_was_dropped_is_gone),
        TEST(the_bound_holds_and_the_least_recently_used_go),
        TEST(small_files_cannot_take_more_than_the_bound),
        TEST(a_file_that_would_drive_out_many_is_not_kept),
        cmocka_unit_test(with_less_memory_than_an_entry_takes_nothing_is_kept),
        cmocka_unit_test(without_memory_nothing_is_kept),
        TEST(what_is_still_being_sent_outlives_its_eviction),
        TEST(threads_find_what_belongs_to_the_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
