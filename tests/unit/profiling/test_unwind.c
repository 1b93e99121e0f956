/* SPDX-License-Identifier: MIT */
#include "profiling/unwind.h"

#include <signal.h>
#include <string.h>

#include "support/cmocka.h"

struct trace {
    uintptr_t pcs[UNWIND_MAX_DEPTH];
    size_t depth;
    size_t max;
};

__attribute__((noinline)) static void inner(struct trace *trace)
{
    trace->depth = unwind_here(NULL, trace->pcs, trace->max);
}

__attribute__((noinline)) static void outer(struct trace *trace)
{
    inner(trace);
}

__attribute__((noinline)) static void hook(struct trace *trace)
{
    trace->depth = unwind_here(__builtin_return_address(0), trace->pcs, trace->max);
}

__attribute__((noinline)) static void caller_of_hook(struct trace *trace)
{
    hook(trace);
}

__attribute__((noinline)) static void recurse(struct trace *trace, int levels)
{
    if (levels > 0)
        recurse(trace, levels - 1);
    else
        inner(trace);
    __asm__ volatile("" ::: "memory"); /* a frame a level */
}

static void a_stack_begins_with_the_caller(void **state)
{
    (void)state;
    struct trace trace = {.max = UNWIND_MAX_DEPTH};
    outer(&trace);
    assert_true(trace.depth > 3);
    assert_int_equal(unwind_function(trace.pcs[0]), (uintptr_t)inner);
    assert_int_equal(unwind_function(trace.pcs[1]), (uintptr_t)outer);
    assert_int_equal(unwind_function(trace.pcs[2]), (uintptr_t)a_stack_begins_with_the_caller);
}

static void a_hook_leaves_itself_out(void **state)
{
    (void)state;
    struct trace trace = {.max = UNWIND_MAX_DEPTH};
    caller_of_hook(&trace);
    assert_true(trace.depth > 2);
    assert_int_equal(unwind_function(trace.pcs[0]), (uintptr_t)caller_of_hook);
}

static void a_stack_that_is_too_deep_loses_its_outer_end(void **state)
{
    (void)state;
    struct trace trace = {.max = 10};
    recurse(&trace, 1000);
    assert_int_equal(trace.depth, 10);
    assert_int_equal(unwind_function(trace.pcs[0]), (uintptr_t)inner);
    for (size_t i = 1; i < 10; i++)
        assert_int_equal(unwind_function(trace.pcs[i]), (uintptr_t)recurse);
    trace.max = 0;
    outer(&trace);
    assert_int_equal(trace.depth, 0);
}

static struct trace interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted.depth = unwind_interrupted(interrupted.pcs, interrupted.max);
}

__attribute__((noinline)) static void fault(void)
{
    __asm__ volatile(".globl test_unwind_trap\ntest_unwind_trap: int3");
}

extern const char test_unwind_trap[];

static void a_handler_finds_the_interrupted_instruction(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal}, before;
    interrupted.max = UNWIND_MAX_DEPTH;
    unwind_warm_up();
    sigaction(SIGTRAP, &action, &before);
    fault();
    sigaction(SIGTRAP, &before, NULL);
    assert_true(interrupted.depth > 2);
    /* After int3 the next instruction is about to run, one byte on. */
    assert_int_equal(interrupted.pcs[0], (uintptr_t)test_unwind_trap + 1);
    assert_int_equal(unwind_function(interrupted.pcs[1]),
                     (uintptr_t)a_handler_finds_the_interrupted_instruction);
}

static void outside_a_handler_nothing_is_interrupted(void **state)
{
    (void)state;
    uintptr_t pcs[4];
    assert_int_equal(unwind_interrupted(pcs, 4), 0);
}

static void an_address_in_no_function_has_none(void **state)
{
    (void)state;
    assert_int_equal(unwind_function(0x10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stack_begins_with_the_caller),
        cmocka_unit_test(a_hook_leaves_itself_out),
        cmocka_unit_test(a_stack_that_is_too_deep_loses_its_outer_end),
        cmocka_unit_test(a_handler_finds_the_interrupted_instruction),
        cmocka_unit_test(outside_a_handler_nothing_is_interrupted),
        cmocka_unit_test(an_address_in_no_function_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
