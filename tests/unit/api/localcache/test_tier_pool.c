/* SPDX-License-Identifier: MIT */
/* The tier under several processes at once, and under one that is killed. */
#include "support/cmocka.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/localcache/local_cache.h"
#include "api/localcache/tier_index.h"
#include "lib/base/clock.h"
#include "support/temp_dir.h"

enum { PROCESSES = 4, ROUNDS = 1500, NAMES = 5, VERSIONS = 3, LEN = 20000, DEATHS = 20 };

struct scene {
    struct temp_dir temp;
    char directory[PATH_MAX];
    char run_dir[PATH_MAX];
    struct log_sink sink;
    struct log log;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    temp_dir_init(&scene->temp);
    temp_dir_path(&scene->temp, "tier", scene->directory);
    temp_dir_path(&scene->temp, "run", scene->run_dir);
    scene->sink = (struct log_sink){.fd = -1, .level = LOG_OFF};
    scene->log = (struct log){.sink = &scene->sink, .module = "test"};
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    temp_dir_release(&scene->temp);
    free(scene);
    return 0;
}

static struct local_cache *open_tier(struct scene *scene)
{
    struct local_cache *tier = NULL;
    const struct local_cache_options options = {
        .directory = scene->directory,
        .run_dir = scene->run_dir,
        .ttl_ms = 2000,
        .max_bytes = 1024 * 1024,
        .direct = true,
        .grace_ms = LOCAL_CACHE_GRACE_MS,
        .log = &scene->log,
    };
    return local_cache_new(&options, &tier) ? NULL : tier;
}

/* A version's bytes are all alike, and are its hash. */
static bool store(struct local_cache *tier, const char *name, unsigned char version,
                  struct local_cache_file *file)
{
    unsigned char bytes[LEN];
    struct iovec piece = {bytes, LEN};
    const struct local_cache_content content = {
        .pieces = &piece, .count = 1, .len = LEN, .hash = version, .type = "image/jpeg"};
    memset(bytes, version, LEN);
    struct local_cache_ticket ticket = local_cache_ticket(tier, name);
    return local_cache_store(tier, name, &ticket, &content, file);
}

/* Whole and of one version, though it may have been removed since it was found. */
static bool is_whole(const char *path, int version)
{
    unsigned char bytes[LEN + 1];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return true;
    ssize_t len = read(fd, bytes, sizeof(bytes));
    (void)close(fd);
    bool whole = len == LEN && (version < 0 || bytes[0] == version);
    for (ssize_t i = 0; i < len && whole; i++)
        whole = bytes[i] == bytes[0];
    return whole;
}

/* 0 when all that it found was right. */
static int live(struct scene *scene, unsigned seed)
{
    struct local_cache *tier = open_tier(scene);
    struct local_cache_file file;
    char name[16], direct[PATH_MAX];
    bool right = tier != NULL;
    for (int round = 0; round < ROUNDS && right; round++) {
        int draw = rand_r(&seed);
        (void)snprintf(name, sizeof(name), "name%d", draw % NAMES);
        (void)snprintf(direct, sizeof(direct), "%.4000s/direct-2/jpeg/%s", scene->directory, name);
        if (draw / 64 % 16 == 0)
            local_cache_remove(tier, name);
        else if (draw / 64 % 16 == 1)
            local_cache_tend(tier, seed % 2 == 0);
        else if (draw / 64 % 16 < 6 || local_cache_find(tier, name, &file) != LOCAL_CACHE_FRESH)
            right = !store(tier, name, (unsigned char)(draw / 1024 % VERSIONS), &file) ||
                    is_whole(file.path, (int)file.hash);
        else
            right = is_whole(file.path, (int)file.hash);
        right = right && is_whole(direct, -1);
    }
    local_cache_free(&tier);
    return right ? 0 : 1;
}

static pid_t start(struct scene *scene, unsigned seed)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(live(scene, seed));
    }
    return pid;
}

static void what_several_processes_store_and_remove_is_always_whole(void **state)
{
    pid_t pids[PROCESSES];
    for (unsigned i = 0; i < PROCESSES; i++)
        pids[i] = start(*state, i + 1);
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

static void a_process_that_is_killed_leaves_a_tier_that_works(void **state)
{
    struct scene *scene = *state;
    struct local_cache *tier = open_tier(scene);
    struct local_cache_file file;
    assert_non_null(tier);
    for (unsigned i = 0; i < DEATHS; i++) {
        int status;
        pid_t pid = start(scene, i + 1);
        (void)nanosleep(&(struct timespec){0, (long)(i + 1) * NS_PER_MS}, NULL);
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        for (int n = 0; n < NAMES; n++) {
            char name[16];
            (void)snprintf(name, sizeof(name), "name%d", n);
            assert_true(store(tier, name, 1, &file));
            assert_int_equal(local_cache_find(tier, name, &file), LOCAL_CACHE_FRESH);
            assert_true(is_whole(file.path, 1));
        }
    }
    local_cache_free(&tier);
}

static void a_lock_that_a_dead_process_held_is_taken_over(void **state)
{
    struct scene *scene = *state;
    const struct tier_index_options options = {scene->run_dir, "test", 100};
    struct tier_index index;
    struct tier_view view;
    struct err_buf why = {.text = ""};
    int status;
    assert_int_equal(tier_index_open(&index, &options, &why), APP_OK);
    pid_t pid = fork();
    if (pid == 0) {
        if (!tier_index_lock(&index, "name", &view))
            _exit(1);
        (void)raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_true(tier_index_lock(&index, "name", &view));
    assert_null(view.entry);
    tier_index_unlock(&view);
    assert_true(tier_index_lock(&index, "name", &view));
    tier_index_unlock(&view);
    tier_index_close(&index);
}

static void nobody_waits_for_long_for_a_lock_that_hangs(void **state)
{
    struct scene *scene = *state;
    const struct tier_index_options options = {scene->run_dir, "test", 100};
    struct tier_index index;
    struct tier_view view;
    struct err_buf why = {.text = ""};
    int ready[2], status;
    char byte;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(tier_index_open(&index, &options, &why), APP_OK);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (tier_index_lock(&index, "name", &view) && write(ready[1], "x", 1) == 1)
            (void)pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_false(tier_index_lock(&index, "name", &view));
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    tier_index_close(&index);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

/* More names than a set has ways: the one that is longest unused gives its place away. */
static void an_index_that_is_full_still_takes_names(void **state)
{
    struct scene *scene = *state;
    struct local_cache *tier = NULL;
    const struct local_cache_options options = {
        .directory = scene->directory,
        .run_dir = scene->run_dir,
        .ttl_ms = 60000,
        .max_bytes = 256 * 1024 * 1024,
        .log = &scene->log,
    };
    enum { MANY = 40000 }; /* there are 32768 entries */
    assert_int_equal(local_cache_new(&options, &tier), APP_OK);
    for (int i = 0; i < MANY; i++) {
        char name[16], byte[] = "x";
        struct iovec piece = {byte, 1};
        const struct local_cache_content content = {
            .pieces = &piece, .count = 1, .len = 1, .type = "image/jpeg"};
        struct local_cache_file file;
        (void)snprintf(name, sizeof(name), "name%d", i);
        struct local_cache_ticket ticket = local_cache_ticket(tier, name);
        assert_true(local_cache_store(tier, name, &ticket, &content, &file));
        assert_int_equal(local_cache_find(tier, name, &file), LOCAL_CACHE_FRESH);
    }
    assert_in_range(local_cache_usage(tier).files, MANY / 2, 32768);
    local_cache_free(&tier);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(what_several_processes_store_and_remove_is_always_whole),
        TEST(a_process_that_is_killed_leaves_a_tier_that_works),
        TEST(a_lock_that_a_dead_process_held_is_taken_over),
        TEST(nobody_waits_for_long_for_a_lock_that_hangs),
        TEST(an_index_that_is_full_still_takes_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
