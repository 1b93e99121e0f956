/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdint.h>
#include <string.h>

#include "lib/base/arena.h"

enum { MAX = 64 * 1024 };

static void allocations_are_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    struct arena *arena = arena_new(MAX);
    char *memory[100];
    for (size_t i = 0; i < 100; i++) {
        memory[i] = arena_alloc(arena, i + 1);
        assert_non_null(memory[i]);
        assert_int_equal((uintptr_t)memory[i] % _Alignof(max_align_t), 0);
        memset(memory[i], (int)i, i + 1);
    }
    for (size_t i = 0; i < 100; i++)
        for (size_t byte = 0; byte <= i; byte++)
            assert_int_equal(memory[i][byte], (char)i);
    arena_free(&arena);
    assert_null(arena);
}

static void the_ceiling_gives_null_and_a_reset_makes_room_again(void **state)
{
    (void)state;
    struct arena *arena = arena_new(MAX);
    for (int round = 0; round < 3; round++) {
        assert_non_null(arena_alloc(arena, MAX / 4));
        assert_non_null(arena_alloc(arena, MAX / 4));
        assert_null(arena_alloc(arena, MAX));
        assert_null(arena_alloc(arena, SIZE_MAX));
        assert_null(arena_alloc(arena, SIZE_MAX - 8));
        arena_reset(arena);
    }
    arena_free(&arena);
}

static void small_allocations_stop_at_the_ceiling(void **state)
{
    (void)state;
    struct arena *arena = arena_new(MAX);
    size_t count = 0;
    while (count < MAX && arena_alloc(arena, 16))
        count++;
    assert_in_range(count, MAX / 16 / 2, MAX / 16);
    arena_free(&arena);
}

static void a_large_block_does_not_waste_the_current_one(void **state)
{
    (void)state;
    struct arena *arena = arena_new(MAX);
    char *before = arena_strndup(arena, "before", 6);
    assert_non_null(arena_alloc(arena, 20 * 1024));
    char *after = arena_strndup(arena, "after", 5);
    assert_string_equal(before, "before");
    assert_string_equal(after, "after");
    arena_free(&arena);
}

static void strings_are_copied_and_formatted(void **state)
{
    (void)state;
    struct arena *arena = arena_new(MAX);
    assert_string_equal(arena_strndup(arena, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(arena, "", 0), "");
    assert_string_equal(arena_printf(arena, "%s-%d", "x", 7), "x-7");
    assert_null(arena_strndup(arena, "", SIZE_MAX));
    arena_free(&arena);
}

struct order {
    int seen[3];
    size_t count;
};

struct released {
    struct order *order;
    int id;
};

static void note(void *object)
{
    struct released *released = object;
    released->order->seen[released->order->count++] = released->id;
}

static void releases_run_last_first_once(void **state)
{
    (void)state;
    struct order order = {.count = 0};
    struct released objects[3] = {{&order, 1}, {&order, 2}, {&order, 3}};
    struct arena *arena = arena_new(MAX);
    for (size_t i = 0; i < 3; i++)
        assert_true(arena_on_reset(arena, note, &objects[i]));
    arena_reset(arena);
    assert_int_equal(order.count, 3);
    assert_int_equal(order.seen[0], 3);
    assert_int_equal(order.seen[2], 1);
    arena_reset(arena);
    arena_free(&arena);
    assert_int_equal(order.count, 3);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_do_not_overlap),
        cmocka_unit_test(the_ceiling_gives_null_and_a_reset_makes_room_again),
        cmocka_unit_test(small_allocations_stop_at_the_ceiling),
        cmocka_unit_test(a_large_block_does_not_waste_the_current_one),
        cmocka_unit_test(strings_are_copied_and_formatted),
        cmocka_unit_test(releases_run_last_first_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
