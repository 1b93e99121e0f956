/* SPDX-License-Identifier: MIT */
/* The program starts itself again with a sampling period of 16 KiB, to have many samples. */
#include "profiling/heap.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "profiling/sampler.h"
#include "support/cmocka.h"
#include "support/profile_share.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAVE_TCMALLOC 0
#else
#define HAVE_TCMALLOC 1
#endif

enum { PERIOD = 16 * 1024, ALLOC_OBJECTS = 0, ALLOC_SPACE, INUSE_OBJECTS, INUSE_SPACE };

static const struct route_table no_routes = {NULL, 0};

static struct heap *heap_made(void)
{
    struct heap *heap = NULL;
    assert_int_equal(heap_new(&no_routes, "SETTING", &heap), APP_OK);
    return heap;
}

static void a_build_with_another_allocator_says_so(void **state)
{
    (void)state;
    struct heap *heap = heap_made();
    struct profile *profile = NULL;
    struct err_buf why = {.text = ""};
    assert_int_equal(heap_profile(heap, &profile_kind_heap, &profile, &why), APP_NOT_FOUND);
    assert_string_equal(why.text, "the heap is not sampled: SETTING is 0, or this build has "
                                  "another allocator than tcmalloc");
    assert_null(profile);
    heap_release_memory();
    heap_free(&heap);
    assert_null(heap);
}

#if HAVE_TCMALLOC

static struct profile *profile_of(struct heap *heap, const struct profile_kind *kind)
{
    struct profile *profile = NULL;
    struct err_buf why = {.text = ""};
    enum app_err err = heap_profile(heap, kind, &profile, &why);
    if (err)
        fail_msg("heap_profile: %s %s", app_strerror(err), why.text);
    profile_name_all(profile);
    return profile;
}

enum { BLOCKS = 4000, BLOCK_SIZE = 1000 };

__attribute__((noinline)) static void allocate_and_keep(void **blocks)
{
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = malloc(BLOCK_SIZE);
}

__attribute__((noinline)) static void allocate_and_free(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        void *volatile block = malloc(BLOCK_SIZE);
        free(block);
    }
}

static void free_all(void **blocks)
{
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

static void assert_about(int64_t value, int64_t expected, const char *what)
{
    if (value < expected / 2 || value > expected * 2)
        fail_msg("%s: %lld, expected about %lld", what, (long long)value, (long long)expected);
}

/* tcmalloc does not sample a thread's first 16 MiB, but for the period's sake. */
static void pass_the_first_16_mib(void)
{
    for (size_t i = 0; i < 40; i++) {
        void *volatile block = malloc(1024 * 1024);
        free(block);
    }
}

static void live_memory_is_found_at_who_allocated_it(void **state)
{
    (void)state;
    static void *blocks[BLOCKS];
    struct heap *heap = heap_made();
    pass_the_first_16_mib();
    allocate_and_keep(blocks);
    allocate_and_free();
    struct profile *profile = profile_of(heap, &profile_kind_heap);
    assert_about(profile_sum_in(profile, "allocate_and_keep", NULL, INUSE_OBJECTS), BLOCKS,
                 "objects in use");
    assert_about(profile_sum_in(profile, "allocate_and_keep", NULL, INUSE_SPACE),
                 BLOCKS * BLOCK_SIZE, "bytes in use");
    assert_int_equal(profile_sum_in(profile, "allocate_and_free", NULL, INUSE_OBJECTS), 0);
    assert_int_equal(profile_period(profile), PERIOD);
    profile_free(&profile);

    free_all(blocks);
    profile = profile_of(heap, &profile_kind_heap);
    assert_int_equal(profile_sum_in(profile, "allocate_and_keep", NULL, INUSE_SPACE), 0);
    profile_free(&profile);
    heap_free(&heap);
}

static void what_was_freed_is_among_all_that_was_allocated(void **state)
{
    (void)state;
    struct heap *heap = heap_made();
    allocate_and_free();
    struct profile *profile = profile_of(heap, &profile_kind_allocs);
    assert_true(profile_kind_of(profile) == &profile_kind_allocs);
    assert_about(profile_sum_in(profile, "allocate_and_free", NULL, ALLOC_OBJECTS), BLOCKS,
                 "objects allocated");
    assert_about(profile_sum_in(profile, "allocate_and_free", NULL, ALLOC_SPACE),
                 BLOCKS * BLOCK_SIZE, "bytes allocated");
    int64_t before = profile_sum_in(profile, "allocate_and_free", NULL, ALLOC_SPACE);
    profile_free(&profile);

    allocate_and_free(); /* it only grows */
    profile = profile_of(heap, &profile_kind_allocs);
    assert_true(profile_sum_in(profile, "allocate_and_free", NULL, ALLOC_SPACE) > before);
    profile_free(&profile);
    heap_free(&heap);
}

static void a_stack_begins_with_the_caller_of_malloc(void **state)
{
    (void)state;
    static void *blocks[BLOCKS];
    struct heap *heap = heap_made();
    pass_the_first_16_mib();
    allocate_and_keep(blocks);
    struct profile *profile = profile_of(heap, &profile_kind_heap);
    size_t checked = 0;
    for (size_t i = 0; i < profile_sample_count(profile); i++) {
        struct profile_sample_view view;
        profile_sample_at(profile, i, &view);
        const struct profile_line *lines;
        size_t count = profile_frame_lines(profile, i, view.depth > 1 ? 1 : 0, &lines, NULL);
        /* Second in a stack would mean that malloc itself is the first. */
        assert_false(count > 0 && strcmp(lines[0].function, "allocate_and_keep") == 0);
        checked++;
    }
    assert_true(checked > 0);
    assert_true(profile_sum_in(profile, "allocate_and_keep", NULL, ALLOC_SPACE) > 0);
    profile_free(&profile);
    free_all(blocks);
    heap_free(&heap);
}

static void samples_carry_the_route_of_their_stack(void **state)
{
    (void)state;
    const struct pprof_route routes[] = {{"/free", (uintptr_t)allocate_and_free}};
    const struct route_table table = {routes, 1};
    struct heap *heap = NULL;
    assert_int_equal(heap_new(&table, "SETTING", &heap), APP_OK);
    allocate_and_free();
    struct profile *profile = profile_of(heap, &profile_kind_allocs);
    assert_true(profile_sum_in(profile, "allocate_and_free", "/free", ALLOC_SPACE) > 0);
    assert_int_equal(profile_sum_in(profile, "allocate_and_free", "", ALLOC_SPACE), 0);
    profile_free(&profile);
    heap_release_memory();
    heap_free(&heap);
}

static int64_t allocated_by(struct heap *heap, const char *function)
{
    struct profile *profile = profile_of(heap, &profile_kind_allocs);
    int64_t bytes = profile_sum_in(profile, function, NULL, ALLOC_SPACE);
    profile_free(&profile);
    return bytes;
}

/* In how many ticks, one after the other, allocations were noticed, and how many bytes in all. */
static int ticks_that_see(struct heap *heap, int ticks, int64_t now_ns, int64_t *bytes)
{
    int seen = 0;
    int64_t begun = allocated_by(heap, "allocate_and_free");
    int64_t before = begun;
    for (int i = 0; i < ticks; i++) {
        heap_tick(heap, now_ns);
        allocate_and_free();
        int64_t after = allocated_by(heap, "allocate_and_free");
        seen += after > before;
        before = after;
    }
    *bytes = before - begun;
    return seen;
}

static void the_hook_rests_in_most_ticks_and_what_it_meets_counts_for_them(void **state)
{
    enum { ROUNDS = 4 };
    struct heap *heap = heap_made();
    int64_t bytes;
    (void)state;
    int64_t later_ns = deadline_in_ms(2LL * HEAP_WATCHED_MS); /* nobody has looked for long */
    assert_int_equal(ticks_that_see(heap, ROUNDS * HEAP_TURNS, later_ns, &bytes), ROUNDS);
    assert_about(bytes, (int64_t)ROUNDS * HEAP_TURNS * BLOCKS * BLOCK_SIZE, "bytes allocated");
    heap_free(&heap);
}

static void while_somebody_looks_it_does_not_rest(void **state)
{
    struct heap *heap = heap_made();
    int64_t bytes;
    (void)state;
    assert_int_equal(ticks_that_see(heap, HEAP_TURNS, clock_now_ns(), &bytes), HEAP_TURNS);
    assert_about(bytes, (int64_t)HEAP_TURNS * BLOCKS * BLOCK_SIZE, "bytes allocated");
    heap_free(&heap);
}

static void *allocate_in_thread(void *argument)
{
    for (int i = 0; i < 20; i++)
        allocate_and_free();
    return argument;
}

static void threads_may_allocate_while_profiles_are_made(void **state)
{
    (void)state;
    struct heap *heap = heap_made();
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, allocate_in_thread, NULL);
    for (int i = 0; i < 5; i++) {
        struct profile *profile = NULL;
        assert_int_equal(heap_profile(heap, &profile_kind_heap, &profile, NULL), APP_OK);
        profile_free(&profile);
    }
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    struct profile *profile = profile_of(heap, &profile_kind_allocs);
    assert_about(profile_sum_in(profile, "allocate_and_free", NULL, ALLOC_OBJECTS), 60LL * BLOCKS,
                 "objects allocated");
    profile_free(&profile);
    heap_free(&heap);
}

#endif

int main(int argc, char **argv)
{
    struct err_buf why = {.text = ""};
    bool off = argc > 1 && strcmp(argv[1], "off") == 0;
    if (sampler_prepare(true, off ? 0 : PERIOD, argv, &why) != APP_OK)
        return EXIT_FAILURE;
#if HAVE_TCMALLOC
    const struct CMUnitTest sampled[] = {
        cmocka_unit_test(live_memory_is_found_at_who_allocated_it),
        cmocka_unit_test(what_was_freed_is_among_all_that_was_allocated),
        cmocka_unit_test(a_stack_begins_with_the_caller_of_malloc),
        cmocka_unit_test(samples_carry_the_route_of_their_stack),
        cmocka_unit_test(the_hook_rests_in_most_ticks_and_what_it_meets_counts_for_them),
        cmocka_unit_test(while_somebody_looks_it_does_not_rest),
        cmocka_unit_test(threads_may_allocate_while_profiles_are_made),
    };
    if (!off) {
        int failed = cmocka_run_group_tests(sampled, NULL, NULL);
        if (failed)
            return failed;
        /* And once more without sampling. */
        char word[] = "off";
        char *arguments[] = {argv[0], word, NULL};
        return sampler_prepare(true, 0, arguments, &why) == APP_OK ? 0 : EXIT_FAILURE;
    }
#else
    print_message("SKIPPED: sampling needs tcmalloc, which this build has not\n");
#endif
    const struct CMUnitTest unsampled[] = {
        cmocka_unit_test(a_build_with_another_allocator_says_so),
    };
    return cmocka_run_group_tests(unsampled, NULL, NULL);
}
