/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/localcache/local_cache.h"
#include "api/localcache/tier_index.h"
#include "lib/base/clock.h"
#include "lib/base/fnv1a.h"
#include "support/temp_dir.h"

enum { TTL_MS = 60000, SHORT_TTL_MS = 3000, PAGE = 4096, PATIENCE_MS = 10000 };

struct scene {
    struct temp_dir temp;
    char directory[PATH_MAX];
    char run_dir[PATH_MAX];
    struct log_sink sink;
    struct log log;
    struct local_cache *tier;
};

static struct local_cache_options options_of(struct scene *scene)
{
    return (struct local_cache_options){
        .directory = scene->directory,
        .run_dir = scene->run_dir,
        .ttl_ms = TTL_MS,
        .max_bytes = 1024 * 1024,
        .direct = true,
        .grace_ms = 0,
        .log = &scene->log,
    };
}

static void open_tier(struct scene *scene, const struct local_cache_options *options)
{
    local_cache_free(&scene->tier);
    assert_int_equal(local_cache_new(options, &scene->tier), APP_OK);
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    temp_dir_init(&scene->temp);
    temp_dir_path(&scene->temp, "tier", scene->directory);
    temp_dir_path(&scene->temp, "run", scene->run_dir);
    int fd = open(scene->temp.path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    scene->sink = (struct log_sink){.fd = fd, .level = LOG_INFO};
    scene->log = (struct log){.sink = &scene->sink, .module = "test"};
    const struct local_cache_options options = options_of(scene);
    open_tier(scene, &options);
    *state = scene;
    return 0;
}

static int remove_found(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_found, 8, FTW_DEPTH | FTW_PHYS);
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    local_cache_free(&scene->tier);
    remove_tree(scene->temp.path);
    (void)close(scene->sink.fd);
    free(scene);
    return 0;
}

/* --- Words of the tests ---------------------------------------------------------- */

static uint64_t hash_of(const char *text)
{
    return fnv1a(FNV1A_START, text, strlen(text));
}

/* The ticket is from before; the content in two pieces. */
static bool store_with(struct local_cache *tier, const char *name,
                       const struct local_cache_ticket *ticket, char *text, const char *type,
                       struct local_cache_file *file)
{
    size_t len = strlen(text);
    const struct iovec pieces[] = {{text, len / 2}, {text + len / 2, len - len / 2}};
    const struct local_cache_content content = {
        .pieces = pieces, .count = 2, .len = len, .hash = hash_of(text), .type = type};
    return local_cache_store(tier, name, ticket, &content, file);
}

static bool store_text(struct local_cache *tier, const char *name, const char *text,
                       struct local_cache_file *file)
{
    char copy[64];
    struct local_cache_ticket ticket = local_cache_ticket(tier, name);
    (void)snprintf(copy, sizeof(copy), "%s", text);
    return store_with(tier, name, &ticket, copy, "image/png", file);
}

static void assert_content(const struct local_cache_file *file, const char *text)
{
    char found[64] = "";
    FILE *stream = fopen(file->path, "rbe");
    assert_non_null(stream);
    size_t len = fread(found, 1, sizeof(found) - 1, stream);
    (void)fclose(stream);
    assert_int_equal(len, strlen(text));
    assert_string_equal(found, text);
    assert_int_equal(file->len, len);
    assert_int_equal(file->hash, hash_of(text));
}

static bool exists(const struct scene *scene, const char *name)
{
    char path[PATH_MAX];
    struct stat status;
    (void)snprintf(path, sizeof(path), "%.4000s/%s", scene->directory, name);
    return lstat(path, &status) == 0;
}

static enum local_cache_result look(struct local_cache *tier, const char *name)
{
    struct local_cache_file file;
    return local_cache_find(tier, name, &file);
}

/* What was logged; counts a word. */
static size_t logged(const struct scene *scene, const char *word)
{
    char text[16384];
    ssize_t len = pread(scene->sink.fd, text, sizeof(text) - 1, 0);
    size_t count = 0;
    text[len > 0 ? len : 0] = '\0';
    for (const char *at = text; (at = strstr(at, word)); at++)
        count++;
    return count;
}

static void pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * NS_PER_MS}, NULL);
}

/* --- Storing and finding --------------------------------------------------------- */

static void what_was_stored_is_found_with_its_type_and_hash(void **state)
{
    struct scene *scene = *state;
    struct local_cache_file stored, found;
    struct stat status;
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_MISSING);
    assert_true(store_text(scene->tier, "key", "content", &stored));
    assert_int_equal(local_cache_find(scene->tier, "key", &found), LOCAL_CACHE_FRESH);
    assert_string_equal(found.path, stored.path);
    assert_string_equal(found.type, "image/png");
    assert_content(&found, "content");
    assert_int_equal(stat(found.path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_int_equal(stat(scene->directory, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0750);
}

static void a_name_may_have_200_characters_and_no_more(void **state)
{
    struct scene *scene = *state;
    struct local_cache_file file;
    char name[LIMIT_CACHE_ID + 2];
    memset(name, 'n', sizeof(name));
    name[LIMIT_CACHE_ID + 1] = '\0';
    assert_false(store_text(scene->tier, name, "content", &file));
    name[LIMIT_CACHE_ID] = '\0';
    assert_true(store_text(scene->tier, name, "content", &file));
    assert_content(&file, "content");
}

static void it_is_stale_when_its_ttl_is_over_and_fresh_when_it_is_confirmed(void **state)
{
    struct scene *scene = *state;
    struct local_cache_options options = options_of(scene);
    struct local_cache_file file;
    struct stat before, after;
    options.ttl_ms = 50;
    open_tier(scene, &options);
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_int_equal(stat(file.path, &before), 0);
    int64_t until_ns = deadline_in_ms(PATIENCE_MS);
    while (look(scene->tier, "key") == LOCAL_CACHE_FRESH && clock_now_ns() < until_ns)
        pause_ms(5);
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_STALE);

    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_int_equal(stat(file.path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

static void with_a_ttl_of_0_nothing_is_fresh_and_files_are_kept_all_the_same(void **state)
{
    struct scene *scene = *state;
    struct local_cache_options options = options_of(scene);
    struct local_cache_file file;
    options.ttl_ms = 0;
    open_tier(scene, &options);
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_STALE);
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_content(&file, "content");
    assert_false(exists(scene, "direct-0"));
}

/* The web server may have been told of it, and must not send other bytes with its ETag. */
static void other_bytes_get_a_file_of_their_own(void **state)
{
    struct scene *scene = *state;
    struct local_cache_file old, new;
    assert_true(store_text(scene->tier, "key", "old", &old));
    assert_true(store_text(scene->tier, "key", "new bytes", &new));
    assert_string_not_equal(old.path, new.path);
    assert_content(&old, "old");
    assert_int_equal(local_cache_find(scene->tier, "key", &new), LOCAL_CACHE_FRESH);
    assert_content(&new, "new bytes");
    assert_int_equal(local_cache_usage(scene->tier).files, 1);
    local_cache_tend(scene->tier, true); /* its first time sweeps */
    assert_int_equal(access(old.path, F_OK), -1);
    assert_content(&new, "new bytes");
}

/* --- Direct links ---------------------------------------------------------------- */

static void
a_fresh_picture_has_a_link_for_the_web_server_until_its_time_is_nearly_over(void **state)
{
    struct scene *scene = *state;
    struct local_cache_options options = options_of(scene);
    struct local_cache_file file;
    options.ttl_ms = SHORT_TTL_MS;
    open_tier(scene, &options);
    int64_t stored_ns = clock_now_ns();
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_true(exists(scene, "direct-3/png/key"));
    int64_t until_ns = deadline_in_ms(PATIENCE_MS);
    while (exists(scene, "direct-3/png/key") && clock_now_ns() < until_ns) {
        local_cache_tend(scene->tier, true);
        pause_ms(5);
    }
    assert_false(exists(scene, "direct-3/png/key"));
    assert_true(clock_now_ns() - stored_ns >= SHORT_TTL_MS / 4 * NS_PER_MS);
    assert_content(&file, "content");
    /* Whoever asks next brings it back. */
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_STALE);
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_true(exists(scene, "direct-3/png/key"));
}

static void with_a_short_ttl_there_are_no_links(void **state)
{
    struct scene *scene = *state;
    struct local_cache_options options = options_of(scene);
    struct local_cache_file file;
    options.ttl_ms = SHORT_TTL_MS - 1;
    open_tier(scene, &options);
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_false(exists(scene, "direct-2"));
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_FRESH);
    assert_int_equal(local_cache_remove(scene->tier, "key"), 0);
}

static void what_is_no_picture_has_no_link(void **state)
{
    struct scene *scene = *state;
    struct local_cache_file file;
    char text[] = "text";
    struct local_cache_ticket ticket = local_cache_ticket(scene->tier, "key");
    assert_true(store_with(scene->tier, "key", &ticket, text, "text/plain; charset=utf-8", &file));
    assert_non_null(strstr(file.path, "/files/other/key."));
    assert_false(exists(scene, "direct-60/jpeg/key"));
    assert_false(exists(scene, "direct-60/png/key"));
}

static void a_new_type_takes_the_link_of_the_old_away(void **state)
{
    struct scene *scene = *state;
    struct local_cache_file file;
    char text[] = "jpeg";
    assert_true(store_text(scene->tier, "key", "png", &file));
    struct local_cache_ticket ticket = local_cache_ticket(scene->tier, "key");
    assert_true(store_with(scene->tier, "key", &ticket, text, "image/jpeg", &file));
    assert_false(exists(scene, "direct-60/png/key"));
    assert_true(exists(scene, "direct-60/jpeg/key"));
}

static void links_go_with_the_last_process_and_those_of_another_max_age_at_once(void **state)
{
    struct scene *scene = *state;
    struct local_cache_options options = options_of(scene);
    struct local_cache_file file;
    assert_true(store_text(scene->tier, "key", "content", &file));
    local_cache_tend(scene->tier, true);
    assert_true(exists(scene, "direct-60/png/key"));
    local_cache_free(&scene->tier);
    assert_false(exists(scene, "direct-60/png/key"));

    options.direct = false;
    open_tier(scene, &options);
    assert_false(exists(scene, "direct-60"));
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_false(exists(scene, "direct-60"));
}

static void a_link_that_went_with_a_process_is_back_when_the_picture_is_asked_for(void **state)
{
    struct scene *scene = *state;
    struct local_cache_options options = options_of(scene);
    struct local_cache_file file;
    assert_true(store_text(scene->tier, "key", "content", &file));
    local_cache_tend(scene->tier, true);
    local_cache_free(&scene->tier);
    assert_false(exists(scene, "direct-60/png/key"));
    open_tier(scene, &options);
    assert_false(exists(scene, "direct-60/png/key"));
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_FRESH);
    assert_true(exists(scene, "direct-60/png/key"));
    (void)local_cache_remove(scene->tier, "key");
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_MISSING);
    assert_false(exists(scene, "direct-60/png/key"));
}

static void what_does_not_belong_there_is_swept_away(void **state)
{
    static const char *const strangers[] = {
        "direct-60/png/symlink", "direct-60/png/.hidden",
        "direct-60/png/unknown", "files/png/unknown.0123456789abcdef",
        "files/png/no-hash",     "files/png/symlink"};
    struct scene *scene = *state;
    struct local_cache_file file;
    char path[PATH_MAX];
    assert_true(store_text(scene->tier, "key", "content", &file));
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        (void)snprintf(path, sizeof(path), "%.4000s/%s", scene->directory, strangers[i]);
        if (strstr(path, "symlink"))
            assert_int_equal(symlink("/etc/passwd", path), 0);
        else
            assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    }
    local_cache_tend(scene->tier, true);
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        if (exists(scene, strangers[i]))
            fail_msg("%s is still there", strangers[i]);
    }
    assert_content(&file, "content");
    assert_true(exists(scene, "direct-60/png/key"));
}

/* --- Removal --------------------------------------------------------------------- */

static void what_is_removed_is_gone_for_all_processes(void **state)
{
    struct scene *scene = *state;
    const struct local_cache_options options = options_of(scene);
    struct local_cache *sibling = NULL;
    struct local_cache_file file;
    assert_int_equal(local_cache_new(&options, &sibling), APP_OK);
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_int_equal(look(sibling, "key"), LOCAL_CACHE_FRESH);
    assert_int_equal(local_cache_remove(sibling, "key"), 2000); /* what lighttpd remembers */
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_MISSING);
    assert_int_equal(access(file.path, F_OK), -1);
    assert_false(exists(scene, "direct-60/png/key"));
    local_cache_remove(sibling, "key");
    assert_true(store_text(scene->tier, "key", "content", &file));
    local_cache_free(&sibling);
}

static void an_answer_from_before_a_removal_is_not_stored(void **state)
{
    struct scene *scene = *state;
    struct local_cache_file file;
    char text[] = "content";
    struct local_cache_ticket ticket = local_cache_ticket(scene->tier, "key");
    local_cache_remove(scene->tier, "key");
    assert_false(store_with(scene->tier, "key", &ticket, text, "image/png", &file));
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_MISSING);
}

/* --- Bounds ---------------------------------------------------------------------- */

static void fill(struct scene *scene, int first, int count, size_t len)
{
    char *bytes = calloc(1, len);
    assert_non_null(bytes);
    for (int i = first; i < first + count; i++) {
        char name[16];
        struct iovec piece = {bytes, len};
        struct local_cache_content content = {
            .pieces = &piece, .count = 1, .len = len, .hash = (uint64_t)i, .type = "image/gif"};
        struct local_cache_file file;
        (void)snprintf(name, sizeof(name), "f%d", i);
        struct local_cache_ticket ticket = local_cache_ticket(scene->tier, name);
        if (!local_cache_store(scene->tier, name, &ticket, &content, &file)) {
            local_cache_tend(scene->tier, true);
            if (!local_cache_store(scene->tier, name, &ticket, &content, &file))
                fail_msg("%s is not stored", name);
        }
        assert_true(local_cache_usage(scene->tier).bytes <= 1024 * 1024);
    }
    free(bytes);
}

static void the_longest_unused_goes_when_there_is_no_room(void **state)
{
    struct scene *scene = *state;
    fill(scene, 0, 16, 60000);
    assert_int_equal(look(scene->tier, "f0"), LOCAL_CACHE_FRESH);
    fill(scene, 16, 6, 60000);
    assert_int_equal(look(scene->tier, "f0"), LOCAL_CACHE_FRESH);
    assert_int_equal(look(scene->tier, "f1"), LOCAL_CACHE_MISSING);
    assert_int_equal(look(scene->tier, "f21"), LOCAL_CACHE_FRESH);
}

static void what_the_web_server_may_still_open_stays(void **state)
{
    struct scene *scene = *state;
    struct local_cache_options options = options_of(scene);
    struct local_cache_file file;
    options.grace_ms = TTL_MS;
    open_tier(scene, &options);
    fill(scene, 0, 17, 60000);
    assert_false(store_text(scene->tier, "key", "one page more than there is", &file) &&
                 store_text(scene->tier, "key2", "and another", &file));
    local_cache_tend(scene->tier, true);
    for (int i = 0; i < 17; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "f%d", i);
        assert_int_equal(look(scene->tier, name), LOCAL_CACHE_FRESH);
    }
}

static void what_is_larger_than_the_bound_is_not_stored(void **state)
{
    struct scene *scene = *state;
    static char bytes[1024 * 1024 + 1];
    struct iovec piece = {bytes, sizeof(bytes)};
    const struct local_cache_content content = {
        .pieces = &piece, .count = 1, .len = sizeof(bytes), .type = "image/gif"};
    struct local_cache_file file;
    struct local_cache_ticket ticket = local_cache_ticket(scene->tier, "key");
    assert_false(local_cache_store(scene->tier, "key", &ticket, &content, &file));
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_MISSING);
}

static void sizes_are_counted_in_pages(void **state)
{
    struct scene *scene = *state;
    struct local_cache_file file;
    assert_true(store_text(scene->tier, "a", "content", &file));
    assert_true(store_text(scene->tier, "b", "content", &file));
    assert_true(store_text(scene->tier, "b", "other", &file));
    assert_int_equal(local_cache_usage(scene->tier).bytes, 2 * PAGE);
    local_cache_remove(scene->tier, "a");
    local_cache_tend(scene->tier, true);
    assert_int_equal(local_cache_usage(scene->tier).bytes, PAGE);
    assert_int_equal(local_cache_usage(scene->tier).files, 1);
}

/* --- Trouble --------------------------------------------------------------------- */

static void a_directory_that_is_wiped_is_made_again(void **state)
{
    struct scene *scene = *state;
    struct local_cache_file file;
    assert_true(store_text(scene->tier, "key", "content", &file));
    remove_tree(scene->directory);
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_MISSING);
    assert_false(store_text(scene->tier, "key", "content", &file));
    local_cache_tend(scene->tier, false);
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_content(&file, "content");
    assert_true(exists(scene, "direct-60/png/key"));
    assert_int_equal(logged(scene, "The local cache cannot be used"), 1);
    assert_int_equal(logged(scene, "is used again"), 1);
}

static void a_file_that_was_removed_or_cut_short_is_fetched_again(void **state)
{
    struct scene *scene = *state;
    struct local_cache_file file;
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_int_equal(unlink(file.path), 0);
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_content(&file, "content");
    assert_int_equal(truncate(file.path, 3), 0);
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_MISSING);
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_content(&file, "content");
}

/* As on a full file system: the write ends early. */
static void a_write_that_fails_is_said_once_and_tried_again(void **state)
{
    struct scene *scene = *state;
    struct local_cache_file file;
    struct rlimit before, none;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    scene->sink.level = LOG_OFF; /* the log is a file as well */
    bool first = store_text(scene->tier, "key", "content", &file);
    bool second = store_text(scene->tier, "key", "content", &file);
    scene->sink.level = LOG_INFO;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_false(first || second);
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_MISSING);
    assert_true(store_text(scene->tier, "key", "content", &file));
    assert_content(&file, "content");
    assert_int_equal(logged(scene, "is used again"), 1);
}

static void make_file(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static void a_directory_that_cannot_be_used_is_tried_again(void **state)
{
    struct scene *scene = *state;
    const struct local_cache_options options = options_of(scene);
    struct local_cache_file file;
    local_cache_free(&scene->tier);
    remove_tree(scene->directory);
    make_file(scene->directory);
    open_tier(scene, &options);
    assert_false(store_text(scene->tier, "key", "content", &file));
    assert_int_equal(logged(scene, "The local cache cannot be used"), 1);
    local_cache_tend(scene->tier, true);
    assert_int_equal(logged(scene, "The local cache cannot be used"), 1);

    assert_int_equal(unlink(scene->directory), 0);
    assert_int_equal(mkdir(scene->directory, 0777), 0);
    assert_int_equal(chmod(scene->directory, 0777), 0);
    local_cache_tend(scene->tier, true); /* others could write to it */
    assert_false(store_text(scene->tier, "key", "content", &file));
    assert_int_equal(chmod(scene->directory, 0750), 0);
    local_cache_tend(scene->tier, true);
    assert_true(store_text(scene->tier, "key", "content", &file));
}

static void without_an_index_nothing_is_stored_until_there_is_one(void **state)
{
    struct scene *scene = *state;
    const struct local_cache_options options = options_of(scene);
    struct local_cache_file file;
    local_cache_free(&scene->tier);
    remove_tree(scene->run_dir);
    make_file(scene->run_dir);
    open_tier(scene, &options);
    assert_int_equal(look(scene->tier, "key"), LOCAL_CACHE_MISSING);
    assert_false(store_text(scene->tier, "key", "content", &file));
    local_cache_remove(scene->tier, "key");
    assert_int_equal(unlink(scene->run_dir), 0);
    local_cache_tend(scene->tier, true);
    assert_true(store_text(scene->tier, "key", "content", &file));
}

static void no_tier_has_nothing_and_takes_nothing(void **state)
{
    (void)state;
    struct local_cache_file file;
    assert_int_equal(local_cache_find(NULL, "key", &file), LOCAL_CACHE_MISSING);
    assert_false(store_text(NULL, "key", "content", &file));
    local_cache_remove(NULL, "key");
    local_cache_tend(NULL, true);
    assert_int_equal(local_cache_usage(NULL).files, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(what_was_stored_is_found_with_its_type_and_hash),
        TEST(a_name_may_have_200_characters_and_no_more),
        TEST(it_is_stale_when_its_ttl_is_over_and_fresh_when_it_is_confirmed),
        TEST(with_a_ttl_of_0_nothing_is_fresh_and_files_are_kept_all_the_same),
        TEST(other_bytes_get_a_file_of_their_own),
        TEST(a_fresh_picture_has_a_link_for_the_web_server_until_its_time_is_nearly_over),
        TEST(with_a_short_ttl_there_are_no_links),
        TEST(what_is_no_picture_has_no_link),
        TEST(a_new_type_takes_the_link_of_the_old_away),
        TEST(links_go_with_the_last_process_and_those_of_another_max_age_at_once),
        TEST(a_link_that_went_with_a_process_is_back_when_the_picture_is_asked_for),
        TEST(what_does_not_belong_there_is_swept_away),
        TEST(what_is_removed_is_gone_for_all_processes),
        TEST(an_answer_from_before_a_removal_is_not_stored),
        TEST(the_longest_unused_goes_when_there_is_no_room),
        TEST(what_the_web_server_may_still_open_stays),
        TEST(what_is_larger_than_the_bound_is_not_stored),
        TEST(sizes_are_counted_in_pages),
        TEST(a_directory_that_is_wiped_is_made_again),
        TEST(a_file_that_was_removed_or_cut_short_is_fetched_again),
        TEST(a_write_that_fails_is_said_once_and_tried_again),
        TEST(a_directory_that_cannot_be_used_is_tried_again),
        TEST(without_an_index_nothing_is_stored_until_there_is_one),
        TEST(no_tier_has_nothing_and_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
