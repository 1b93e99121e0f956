/* SPDX-License-Identifier: MIT */
#include "profiling/stacks.h"

#include <stdlib.h>

#include "support/cmocka.h"

static void equal_stacks_are_one_with_summed_values(void **state)
{
    (void)state;
    const uintptr_t one[] = {1, 2, 3}, other[] = {1, 2};
    struct stacks *stacks = stacks_new(4096);
    assert_true(stacks_add(stacks, one, 3, 1, 10));
    assert_true(stacks_add(stacks, other, 2, 1, 100));
    assert_true(stacks_add(stacks, one, 3, 2, 20));
    assert_int_equal(stacks_count(stacks), 2);

    const struct stack *stack = stacks_next(stacks, NULL);
    assert_int_equal(stack->depth, 3);
    assert_memory_equal(stack->pcs, one, sizeof(one));
    assert_true(stack->count == 3 && stack->value == 30);
    stack = stacks_next(stacks, stack);
    assert_int_equal(stack->depth, 2);
    assert_true(stack->count == 1 && stack->value == 100);
    assert_null(stacks_next(stacks, stack));
    stacks_free(&stacks);
    assert_null(stacks);
    stacks_free(&stacks);
}

static void a_stack_without_frames_is_one_too(void **state)
{
    (void)state;
    const uintptr_t one[] = {1};
    struct stacks *stacks = stacks_new(4096);
    assert_true(stacks_add(stacks, one, 0, 1, 1));
    assert_true(stacks_add(stacks, one, 0, 1, 1));
    assert_int_equal(stacks_count(stacks), 1);
    stacks_free(&stacks);
}

static void thousands_of_stacks_are_found_again(void **state)
{
    (void)state;
    struct stacks *stacks = stacks_new(16 * 1024 * 1024);
    for (int round = 0; round < 2; round++)
        for (uintptr_t i = 0; i < 20000; i++) {
            const uintptr_t pcs[] = {0x1000 + (i & 7), 0x55550000 + i * 16, 0x7fff0000};
            assert_true(stacks_add(stacks, pcs, 3, 1, (double)i));
        }
    assert_int_equal(stacks_count(stacks), 20000);
    double sum = 0;
    for (const struct stack *stack = stacks_next(stacks, NULL); stack;
         stack = stacks_next(stacks, stack)) {
        assert_true(stack->count == 2);
        sum += stack->value;
    }
    assert_true(sum == 2.0 * 19999 * 20000 / 2);
    stacks_free(&stacks);
}

static void what_does_not_fit_is_counted(void **state)
{
    (void)state;
    size_t one_stack = sizeof(struct stack) + sizeof(uintptr_t);
    struct stacks *stacks = stacks_new(4096);
    uintptr_t added = 0;
    while (stacks_add(stacks, &added, 1, 1, 1))
        added++;
    assert_true(stacks_bytes(stacks) <= 4096);
    assert_true(stacks_bytes(stacks) + one_stack > 4096);
    assert_int_equal(stacks_count(stacks), added);
    assert_true(stacks_dropped(stacks) == 1);
    added = 0;
    assert_true(stacks_add(stacks, &added, 1, 1, 1)); /* one that is there has room */
    stacks_add_dropped(stacks, 2.5);
    assert_true(stacks_dropped(stacks) == 3.5);
    stacks_free(&stacks);
}

static void adding_a_set_adds_sums_and_losses(void **state)
{
    (void)state;
    const uintptr_t one[] = {1}, two[] = {2};
    struct stacks *stacks = stacks_new(4096), *other = stacks_new(4096);
    stacks_add(stacks, one, 1, 1, 1);
    stacks_add(other, one, 1, 2, 3);
    stacks_add(other, two, 1, 4, 5);
    stacks_add_dropped(other, 6);
    stacks_add_all(stacks, other);
    assert_int_equal(stacks_count(stacks), 2);
    assert_true(stacks_next(stacks, NULL)->count == 3);
    assert_true(stacks_next(stacks, NULL)->value == 4);
    assert_true(stacks_dropped(stacks) == 6);
    stacks_free(&stacks);
    stacks_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_stacks_are_one_with_summed_values),
        cmocka_unit_test(a_stack_without_frames_is_one_too),
        cmocka_unit_test(thousands_of_stacks_are_found_again),
        cmocka_unit_test(what_does_not_fit_is_counted),
        cmocka_unit_test(adding_a_set_adds_sums_and_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
