/* SPDX-License-Identifier: MIT */
#include "cache/store_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/limits.h"
#include "support/temp_dir.h"

struct fixture {
    struct temp_dir dir;
    struct log_sink sink;
    struct log log;
    struct store *store;
};

enum { MEMORY = 1024 * 1024 };

static void open_store(struct fixture *fixture, int64_t max_life_ms, int64_t max_bytes)
{
    const struct store_file_options options = {fixture->dir.path, max_life_ms, max_bytes, MEMORY,
                                               &fixture->log};
    struct err_buf why = {.text = ""};
    store_free(&fixture->store);
    assert_int_equal(store_file_new(&options, &fixture->store, &why), APP_OK);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    temp_dir_init(&fixture->dir);
    fixture->sink.fd = -1;
    atomic_init(&fixture->sink.level, LOG_OFF);
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    open_store(fixture, 0, 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    store_free(&fixture->store);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

static enum app_err put(struct fixture *fixture, const char *id, const void *data, size_t len)
{
    struct err_buf why = {.text = ""};
    return store_put(fixture->store, id, strlen(id), data, len, &why);
}

static bool exists(struct fixture *fixture, const char *id)
{
    struct err_buf why = {.text = ""};
    bool found = false;
    bool other = true;
    assert_int_equal(store_exists(fixture->store, id, strlen(id), &found, &why), APP_OK);
    assert_int_equal(store_exists(fixture->store, id, strlen(id), &other, &why), APP_OK);
    assert_int_equal(found, other); /* whatever it was preset to */
    return found;
}

static void assert_holds(struct fixture *fixture, const char *id, const void *data, size_t len)
{
    struct err_buf why = {.text = ""};
    struct content *content = NULL;
    assert_int_equal(store_get(fixture->store, id, strlen(id), &content, &why), APP_OK);
    assert_int_equal(content->len, len);
    assert_memory_equal(content->data, data, len);
    content_put(content);
    assert_true(exists(fixture, id));
}

static void assert_get_fails(struct fixture *fixture, const char *id, enum app_err expected)
{
    struct err_buf why = {.text = ""};
    struct content junk;
    struct content *content = &junk;
    assert_int_equal(store_get(fixture->store, id, strlen(id), &content, &why), expected);
    assert_ptr_equal(content, &junk);
}

static void assert_lacks(struct fixture *fixture, const char *id)
{
    assert_get_fails(fixture, id, APP_NOT_FOUND);
    assert_false(exists(fixture, id));
}

static void assert_is_down(struct fixture *fixture, const char *id)
{
    bool found;
    struct err_buf why = {.text = ""};
    assert_get_fails(fixture, id, APP_NOT_FOUND);
    assert_int_equal(store_exists(fixture->store, id, strlen(id), &found, &why), APP_GONE);
}

/* The file's name of an id. */
static const char *name_of(const char *id, char name[MD5_HEX_LEN + 1])
{
    assert_int_equal(md5_hex(id, strlen(id), name), APP_OK);
    return name;
}

static void set_times(struct fixture *fixture, const char *id, long read_ago, long written_ago)
{
    char name[MD5_HEX_LEN + 1];
    temp_dir_set_times(&fixture->dir, name_of(id, name), read_ago, written_ago);
}

static bool has_file(struct fixture *fixture, const char *id)
{
    char name[MD5_HEX_LEN + 1];
    return temp_dir_has(&fixture->dir, name_of(id, name));
}

static struct stat status_of(struct fixture *fixture, const char *id)
{
    char name[MD5_HEX_LEN + 1];
    char path[PATH_MAX];
    struct stat status;
    temp_dir_path(&fixture->dir, name_of(id, name), path);
    assert_int_equal(stat(path, &status), 0);
    return status;
}

/* The sweep runs in the store's own thread. */
static void wait_until_gone(struct fixture *fixture, const char *id)
{
    int64_t deadline = deadline_in_ms(5000);
    while (has_file(fixture, id)) {
        assert_true(clock_now_ns() < deadline);
        usleep(1000);
    }
}

static void what_was_put_is_got(void **state)
{
    struct fixture *fixture = *state;
    assert_lacks(fixture, "key");
    assert_int_equal(put(fixture, "key", "a\0b", 3), APP_OK);
    assert_holds(fixture, "key", "a\0b", 3);
    assert_lacks(fixture, "key2");
}

static void a_file_is_named_by_the_md5_of_the_id_and_holds_the_bytes_only(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, "hello", "world", 5), APP_OK);
    assert_true(temp_dir_has(&fixture->dir, "5d41402abc4b2a76b9719d911017c592"));
    assert_int_equal(temp_dir_count(&fixture->dir), 1);
    assert_int_equal(status_of(fixture, "hello").st_size, 5);
}

static void a_file_that_somebody_else_put_there_is_served(void **state)
{
    struct fixture *fixture = *state;
    temp_dir_write(&fixture->dir, "5d41402abc4b2a76b9719d911017c592", "theirs", 6);
    assert_holds(fixture, "hello", "theirs", 6);
}

static void a_put_replaces_what_was_there(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, "key", "long and old", 12), APP_OK);
    assert_int_equal(put(fixture, "key", "new", 3), APP_OK);
    assert_holds(fixture, "key", "new", 3);
    assert_int_equal(temp_dir_count(&fixture->dir), 1);
}

static void what_was_taken_down_is_not_found_and_not_taken_again(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, "key", "bytes", 5), APP_OK);
    assert_int_equal(put(fixture, "key", NULL, 0), APP_OK);
    assert_is_down(fixture, "key");
    assert_int_equal(put(fixture, "key", "bytes", 5), APP_GONE);
    assert_int_equal(put(fixture, "never there", NULL, 0), APP_OK);
    assert_int_equal(put(fixture, "never there", "bytes", 5), APP_GONE);
    assert_int_equal(put(fixture, "key", NULL, 0), APP_OK); /* again */
    assert_int_equal(put(fixture, "key2", "bytes", 5), APP_OK);
    assert_is_down(fixture, "key");
    assert_int_equal(temp_dir_count(&fixture->dir), 3);
}

static void a_mark_outlives_the_store_its_life_and_its_limits(void **state)
{
    struct fixture *fixture = *state;
    char data[200] = "";
    assert_int_equal(put(fixture, "mark", NULL, 0), APP_OK);
    assert_int_equal(put(fixture, "entry", data, 100), APP_OK);
    set_times(fixture, "mark", 100000, 100000);
    open_store(fixture, 60000, 150);
    assert_int_equal(put(fixture, "other", data, 100), APP_OK); /* too much: one must go */
    wait_until_gone(fixture, "entry");
    assert_int_equal(put(fixture, "mark", data, 100), APP_GONE);
    assert_is_down(fixture, "mark"); /* which is not the way in which an old entry is */
    assert_true(has_file(fixture, "mark"));
}

static void an_empty_file_that_can_be_written_is_no_mark(void **state)
{
    struct fixture *fixture = *state;
    char name[MD5_HEX_LEN + 1];
    temp_dir_write(&fixture->dir, name_of("key", name), "", 0);
    assert_lacks(fixture, "key");
    assert_int_equal(put(fixture, "key", "bytes", 5), APP_OK);
    assert_holds(fixture, "key", "bytes", 5);
}

static void removing_the_mark_lifts_a_take_down(void **state)
{
    struct fixture *fixture = *state;
    char name[MD5_HEX_LEN + 1];
    char path[PATH_MAX];
    assert_int_equal(put(fixture, "key", NULL, 0), APP_OK);
    temp_dir_path(&fixture->dir, name_of("key", name), path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(put(fixture, "key", "bytes", 5), APP_OK);
}

static void entries_survive_the_store(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, "key", "bytes", 5), APP_OK);
    open_store(fixture, 0, 0);
    assert_holds(fixture, "key", "bytes", 5);
}

static void the_largest_entry_is_taken_and_a_larger_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char *data = calloc(1, LIMIT_RESULT_BYTES + 1);
    assert_non_null(data);
    assert_int_equal(put(fixture, "key", data, LIMIT_RESULT_BYTES), APP_OK);
    assert_holds(fixture, "key", data, LIMIT_RESULT_BYTES);
    char name[MD5_HEX_LEN + 1];
    temp_dir_write(&fixture->dir, name_of("big", name), data, LIMIT_RESULT_BYTES + 1);
    assert_get_fails(fixture, "big", APP_TOO_LARGE);
    free(data);
}

static void what_is_no_plain_file_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    char name[MD5_HEX_LEN + 1];
    char path[PATH_MAX];
    temp_dir_path(&fixture->dir, name_of("directory", name), path);
    assert_int_equal(mkdir(path, 0700), 0);
    temp_dir_path(&fixture->dir, name_of("fifo", name), path);
    assert_int_equal(mkfifo(path, 0600), 0);
    temp_dir_path(&fixture->dir, name_of("link", name), path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_lacks(fixture, "directory");
    assert_lacks(fixture, "fifo");
    assert_lacks(fixture, "link");
    open_store(fixture, 1, 1); /* and a sweep leaves them alone */
    assert_true(has_file(fixture, "directory") && has_file(fixture, "fifo"));
}

static void an_entry_past_its_life_is_not_found_and_goes(void **state)
{
    struct fixture *fixture = *state;
    open_store(fixture, 60000, 0);
    assert_int_equal(put(fixture, "got", "x", 1), APP_OK);
    assert_int_equal(put(fixture, "asked for", "x", 1), APP_OK);
    assert_int_equal(put(fixture, "young", "x", 1), APP_OK);
    set_times(fixture, "got", 0, 61); /* read just now, which is no excuse */
    set_times(fixture, "asked for", 61, 61);
    set_times(fixture, "young", 55, 55);
    assert_get_fails(fixture, "got", APP_NOT_FOUND);
    assert_false(exists(fixture, "asked for"));
    assert_holds(fixture, "young", "x", 1);
    assert_false(has_file(fixture, "got") || has_file(fixture, "asked for"));
}

static struct store_state look(struct fixture *fixture)
{
    struct store_state state = {.entries = 0};
    store_look(fixture->store, &state);
    return state;
}

static void entries_past_their_life_go_without_being_asked_for(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, "old", "x", 1), APP_OK);
    assert_int_equal(put(fixture, "young", "x", 1), APP_OK);
    set_times(fixture, "old", 0, 61);
    open_store(fixture, 60000, 0);
    assert_false(has_file(fixture, "old"));
    assert_true(has_file(fixture, "young"));
    const struct store_state now = look(fixture);
    assert_int_equal(now.entries, 1);
    assert_int_equal(now.bytes, 1);
    assert_int_equal(now.removed[STORE_REMOVAL_EXPIRED], 1);
    assert_int_equal(now.removed[STORE_REMOVAL_EVICTED], 0);
}

/* Read as an entry's name it would be that of another file, which is removed in its place. */
static void a_name_in_upper_case_is_no_entrys(void **state)
{
    struct fixture *fixture = *state;
    char name[MD5_HEX_LEN + 1];
    char upper[MD5_HEX_LEN + 1] = "";
    assert_int_equal(put(fixture, "a", "x", 1), APP_OK);
    (void)name_of("a", name);
    for (size_t i = 0; i < MD5_HEX_LEN; i++)
        upper[i] = (char)toupper((unsigned char)name[i]);
    assert_string_not_equal(upper, name);
    temp_dir_write(&fixture->dir, upper, "y", 1);
    temp_dir_set_times(&fixture->dir, upper, 61, 61);
    open_store(fixture, 60000, 0);
    assert_true(has_file(fixture, "a"));
    assert_true(temp_dir_has(&fixture->dir, upper));
    assert_int_equal(look(fixture).entries, 1);
}

static void a_use_is_stamped_and_does_not_change_the_age(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, "got", "x", 1), APP_OK);
    assert_int_equal(put(fixture, "asked for", "x", 1), APP_OK);
    assert_int_equal(put(fixture, "source:got", "x", 1), APP_OK); /* the record about "got" */
    set_times(fixture, "got", 1000, 1000);
    set_times(fixture, "asked for", 1000, 1000);
    set_times(fixture, "source:got", 1000, 1000);
    assert_holds(fixture, "got", "x", 1);
    assert_true(exists(fixture, "asked for"));
    const char *const ids[] = {"got", "asked for", "source:got"};
    for (size_t i = 0; i < 3; i++) {
        struct stat status = status_of(fixture, ids[i]);
        /* time() tells the time of the last tick, and the stamp is exact. */
        assert_in_range(time(NULL) + 1 - status.st_atim.tv_sec, 0, 10);
        assert_in_range(time(NULL) - status.st_mtim.tv_sec, 990, 1010);
    }
}

static void the_least_recently_used_goes_first_when_there_is_too_much(void **state)
{
    struct fixture *fixture = *state;
    char data[100];
    memset(data, 'x', sizeof(data));
    open_store(fixture, 0, 350);
    assert_int_equal(put(fixture, "oldest but used", data, 100), APP_OK);
    assert_int_equal(put(fixture, "old", data, 100), APP_OK);
    assert_int_equal(put(fixture, "newer", data, 100), APP_OK);
    set_times(fixture, "oldest but used", 300, 300);
    set_times(fixture, "old", 200, 200);
    set_times(fixture, "newer", 100, 100);
    assert_holds(fixture, "oldest but used", data, 100);
    assert_int_equal(put(fixture, "newest", data, 100), APP_OK);
    wait_until_gone(fixture, "old");
    assert_true(has_file(fixture, "oldest but used"));
    assert_true(has_file(fixture, "newer"));
    assert_true(has_file(fixture, "newest"));
    const struct store_state now = look(fixture);
    assert_int_equal(now.bytes, 300);
    assert_int_equal(now.removed[STORE_REMOVAL_EXPIRED], 0);
    assert_int_equal(now.removed[STORE_REMOVAL_EVICTED], 1);
    assert_false(now.redis_away);
}

static void exactly_the_limit_is_kept(void **state)
{
    struct fixture *fixture = *state;
    char data[100] = "";
    assert_int_equal(put(fixture, "a", data, 100), APP_OK);
    assert_int_equal(put(fixture, "b", data, 100), APP_OK);
    set_times(fixture, "a", 100, 100);
    open_store(fixture, 0, 200);
    assert_true(has_file(fixture, "a"));
    open_store(fixture, 0, 199);
    assert_false(has_file(fixture, "a"));
    assert_true(has_file(fixture, "b"));
}

static void files_of_others_count_and_go_at_the_next_sweep(void **state)
{
    struct fixture *fixture = *state;
    char data[100] = "";
    char name[MD5_HEX_LEN + 1];
    open_store(fixture, 0, 150);
    temp_dir_write(&fixture->dir, name_of("theirs", name), data, 100);
    set_times(fixture, "theirs", 500, 500);
    assert_int_equal(put(fixture, "a", data, 100), APP_OK);
    assert_int_equal(put(fixture, "b", data, 60), APP_OK); /* 160 that the store knows of */
    wait_until_gone(fixture, "theirs");
}

static void replacing_an_entry_counts_it_once(void **state)
{
    struct fixture *fixture = *state;
    char data[100] = "";
    open_store(fixture, 0, 250);
    char path[PATH_MAX];
    temp_dir_path(&fixture->dir, "log", path);
    fixture->sink.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    atomic_store(&fixture->sink.level, LOG_DEBUG);
    assert_int_equal(put(fixture, "other", data, 100), APP_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(put(fixture, "same", data, 100), APP_OK);
    usleep(50000); /* a sweep that was asked for would run now */
    store_free(&fixture->store);
    struct stat status;
    assert_int_equal(fstat(fixture->sink.fd, &status), 0);
    assert_int_equal(status.st_size, 0); /* else: "Store swept" */
    close(fixture->sink.fd);
}

static void an_entry_larger_than_the_store_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char data[101] = "";
    open_store(fixture, 0, 100);
    assert_int_equal(put(fixture, "key", data, 101), APP_TOO_LARGE);
    assert_lacks(fixture, "key");
    assert_int_equal(put(fixture, "key", data, 100), APP_OK);
    usleep(50000); /* more than 90 %, and still the last one stays */
    assert_holds(fixture, "key", data, 100);
}

static void a_full_disk_is_said_and_leaves_the_old_entry(void **state)
{
    struct fixture *fixture = *state;
    char data[1000] = "";
    assert_int_equal(put(fixture, "key", "old", 3), APP_OK);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {500, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct err_buf why = {.text = ""};
    enum app_err err = store_put(fixture->store, "key", 3, data, sizeof(data), &why);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(err, APP_TOO_LARGE);
    assert_string_equal(why.text, "no room is left in the store");
    assert_holds(fixture, "key", "old", 3);
    assert_int_equal(temp_dir_count(&fixture->dir), 1);
}

static void only_old_files_left_aside_are_cleaned_up(void **state)
{
    struct fixture *fixture = *state;
    temp_dir_write(&fixture->dir, ".put-1-1-1", "half", 4);
    temp_dir_write(&fixture->dir, ".put-2-2-2", "half", 4);
    temp_dir_write(&fixture->dir, "README", "not ours", 8);
    temp_dir_set_times(&fixture->dir, ".put-1-1-1", 3700, 3700);
    temp_dir_set_times(&fixture->dir, "README", 3700, 3700);
    open_store(fixture, 1000, 1);
    assert_false(temp_dir_has(&fixture->dir, ".put-1-1-1"));
    assert_true(temp_dir_has(&fixture->dir, ".put-2-2-2"));
    assert_true(temp_dir_has(&fixture->dir, "README"));
}

static void check_says_when_the_directory_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    assert_int_equal(store_check(fixture->store, &why), APP_OK);
    assert_int_equal(temp_dir_count(&fixture->dir), 0);
    assert_int_equal(rmdir(fixture->dir.path), 0);
    assert_int_equal(store_check(fixture->store, &why), APP_INTERNAL);
    assert_string_not_equal(why.text, "");
    assert_int_equal(put(fixture, "key", "x", 1), APP_INTERNAL);
    assert_get_fails(fixture, "key", APP_NOT_FOUND);
}

static void a_missing_directory_is_made_and_an_impossible_one_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    temp_dir_path(&fixture->dir, "new", path);
    struct store_file_options options = {path, 0, 0, MEMORY, &fixture->log};
    struct store *store = NULL;
    struct err_buf why = {.text = ""};
    assert_int_equal(store_file_new(&options, &store, &why), APP_OK);
    store_free(&store);
    assert_null(store);
    store_free(&store);

    struct store *junk = fixture->store;
    temp_dir_write(&fixture->dir, "file", "", 0);
    temp_dir_path(&fixture->dir, "file", path);
    assert_int_equal(store_file_new(&options, &junk, &why), APP_CONFIG);
    assert_non_null(strstr(why.text, path));
    temp_dir_path(&fixture->dir, "no/such", path);
    assert_int_equal(store_file_new(&options, &junk, &why), APP_CONFIG);
    assert_ptr_equal(junk, fixture->store);
}

enum { THREADS = 8, ROUNDS = 200, SIZE = 5000 };

struct race {
    struct fixture *fixture;
    char letter;
    const char *complaint;
};

static void *put_and_get(void *argument)
{
    struct race *race = argument;
    struct store *store = race->fixture->store;
    struct err_buf why = {.text = ""};
    char data[SIZE];
    memset(data, race->letter, sizeof(data));
    for (int i = 0; i < ROUNDS; i++) {
        if (store_put(store, "shared", 6, data, sizeof(data), &why) != APP_OK)
            race->complaint = "put failed";
        struct content *content = NULL;
        enum app_err err = store_get(store, "shared", 6, &content, &why);
        if (err || content->len != SIZE)
            race->complaint = "get failed";
        else if (memcmp(content->data, (char *)content->data + 1, SIZE - 1) != 0)
            race->complaint = "half an entry was seen";
        content_put(content);
    }
    return NULL;
}

static void threads_that_put_one_id_never_show_half_an_entry(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    struct race races[THREADS];
    for (int i = 0; i < THREADS; i++) {
        races[i] = (struct race){fixture, (char)('a' + i), NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_get, &races[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        if (races[i].complaint)
            fail_msg("%s", races[i].complaint);
    }
    assert_int_equal(temp_dir_count(&fixture->dir), 1);
}

struct take_down_race {
    struct store *store;
    _Atomic bool down; /* set once the take-down has been answered */
    _Atomic bool stop;
    _Atomic unsigned refused;
    _Atomic(const char *) complaint;
};

static void *put_until_stopped(void *argument)
{
    struct take_down_race *race = argument;
    struct err_buf why = {.text = ""};
    while (!race->stop) {
        bool down = race->down;
        enum app_err err = store_put(race->store, "shared", 6, "bytes", 5, &why);
        if (err == APP_GONE)
            race->refused++;
        else if (err || down)
            race->complaint = err ? "put failed" : "put went well after the take-down";
    }
    return NULL;
}

/* Two stores, as of two processes, on one directory; one sweeps all the time. */
static void no_put_of_any_store_wins_over_a_take_down(void **state)
{
    struct fixture *fixture = *state;
    struct store *other = NULL;
    struct err_buf why = {.text = ""};
    const struct store_file_options options = {fixture->dir.path, 1, 5, MEMORY, &fixture->log};
    assert_int_equal(store_file_new(&options, &other, &why), APP_OK);
    for (int round = 0; round < 20; round++) {
        struct take_down_race races[4] = {{.store = fixture->store},
                                          {.store = fixture->store},
                                          {.store = other},
                                          {.store = other}};
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, put_until_stopped, &races[i]), 0);
        usleep(5000);
        assert_int_equal(store_put(other, "too much", 8, "bytes", 5, &why), APP_OK);
        assert_int_equal(store_put(round % 2 ? other : fixture->store, "shared", 6, NULL, 0, &why),
                         APP_OK);
        for (int i = 0; i < 4; i++)
            races[i].down = true;
        for (int i = 0; i < 4; i++) {
            while (races[i].refused < 3 && !races[i].complaint)
                usleep(1000);
            races[i].stop = true;
            pthread_join(threads[i], NULL);
        }
        for (int i = 0; i < 4; i++) {
            if (races[i].complaint)
                fail_msg("%s", races[i].complaint);
        }
        assert_is_down(fixture, "shared");
        char name[MD5_HEX_LEN + 1];
        char path[PATH_MAX];
        temp_dir_path(&fixture->dir, name_of("shared", name), path);
        assert_int_equal(unlink(path), 0);
    }
    store_free(&other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_is_got),
        TEST(a_file_is_named_by_the_md5_of_the_id_and_holds_the_bytes_only),
        TEST(a_file_that_somebody_else_put_there_is_served),
        TEST(a_put_replaces_what_was_there),
        TEST(what_was_taken_down_is_not_found_and_not_taken_again),
        TEST(a_mark_outlives_the_store_its_life_and_its_limits),
        TEST(an_empty_file_that_can_be_written_is_no_mark),
        TEST(removing_the_mark_lifts_a_take_down),
        TEST(entries_survive_the_store),
        TEST(the_largest_entry_is_taken_and_a_larger_file_is_refused),
        TEST(what_is_no_plain_file_is_not_found),
        TEST(an_entry_past_its_life_is_not_found_and_goes),
        TEST(entries_past_their_life_go_without_being_asked_for),
        TEST(a_name_in_upper_case_is_no_entrys),
        TEST(a_use_is_stamped_and_does_not_change_the_age),
        TEST(the_least_recently_used_goes_first_when_there_is_too_much),
        TEST(exactly_the_limit_is_kept),
        TEST(files_of_others_count_and_go_at_the_next_sweep),
        TEST(replacing_an_entry_counts_it_once),
        TEST(an_entry_larger_than_the_store_is_refused),
        TEST(a_full_disk_is_said_and_leaves_the_old_entry),
        TEST(only_old_files_left_aside_are_cleaned_up),
        TEST(check_says_when_the_directory_is_gone),
        TEST(a_missing_directory_is_made_and_an_impossible_one_is_refused),
        TEST(threads_that_put_one_id_never_show_half_an_entry),
        TEST(no_put_of_any_store_wins_over_a_take_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
