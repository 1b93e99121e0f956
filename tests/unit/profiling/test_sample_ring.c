/* SPDX-License-Identifier: MIT */
#include "profiling/sample_ring.h"

#include "lib/base/clock.h"
#include "support/cmocka.h"

/* Times of these tests begin here. */
#define START_NS (1000 * NS_PER_S)

static void add(struct sample_ring *ring, int64_t time_ns, uintptr_t pc, size_t depth)
{
    struct sample sample = {.time_ns = time_ns, .cpu_ns = 1000, .depth = depth};
    for (size_t i = 0; i < depth; i++)
        sample.pcs[i] = pc + i;
    sample_ring_add(ring, &sample);
}

/* Samples between the two seconds after the start. */
static double count_between(const struct sample_ring *ring, double from, double to)
{
    struct stacks *stacks = stacks_new(64 * 1024 * 1024);
    double count = 0;
    sample_ring_collect(ring, START_NS + (int64_t)(from * 1e9), START_NS + (int64_t)(to * 1e9),
                        stacks);
    for (const struct stack *stack = stacks_next(stacks, NULL); stack;
         stack = stacks_next(stacks, stack)) {
        count += stack->count;
        assert_true(stack->value == stack->count * 1000);
    }
    stacks_free(&stacks);
    return count;
}

static void a_span_of_time_gives_the_samples_of_its_seconds(void **state)
{
    (void)state;
    struct sample_ring *ring = sample_ring_new(START_NS);
    for (int i = 0; i < 100; i++) /* ten a second */
        add(ring, START_NS + i * (NS_PER_S / 10), 0x1000, 3);
    assert_true(count_between(ring, 0, 10) == 100);
    assert_true(count_between(ring, 0, 5) == 50);
    assert_true(count_between(ring, 5, 10) == 50);
    assert_true(count_between(ring, 9, 10) == 10); /* the slice that is still open */
    assert_true(count_between(ring, 10, 20) == 0);
    sample_ring_free(&ring);
    assert_null(ring);
    sample_ring_free(&ring);
}

static void neighbouring_spans_share_no_slice(void **state)
{
    (void)state;
    struct sample_ring *ring = sample_ring_new(START_NS);
    for (int i = 0; i < 97; i++)
        add(ring, START_NS + i * (NS_PER_S / 7), 0x1000, 3);
    assert_true(count_between(ring, 0, 3.4) + count_between(ring, 3.4, 8.1) +
                    count_between(ring, 8.1, 100) ==
                97);
    sample_ring_free(&ring);
}

static void what_is_older_than_ten_minutes_is_forgotten(void **state)
{
    (void)state;
    struct sample_ring *ring = sample_ring_new(START_NS);
    assert_int_equal(sample_ring_reach(ring), START_NS);
    for (int second = 0; second < 700; second++) {
        add(ring, START_NS + second * NS_PER_S, 0x1000, 3);
        sample_ring_tick(ring, START_NS + second * NS_PER_S + NS_PER_S / 2);
    }
    assert_int_equal(sample_ring_reach(ring), START_NS + 100 * NS_PER_S);
    assert_true(count_between(ring, 0, 1000) == 600);
    sample_ring_free(&ring);
}

static void an_idle_time_is_covered_too(void **state)
{
    (void)state;
    struct sample_ring *ring = sample_ring_new(START_NS);
    add(ring, START_NS, 0x1000, 3);
    for (int second = 1; second <= 300; second++)
        sample_ring_tick(ring, START_NS + second * NS_PER_S);
    assert_int_equal(sample_ring_reach(ring), START_NS);
    assert_true(count_between(ring, 0, 1000) == 1);
    sample_ring_free(&ring);
}

static void memory_has_a_ceiling_and_the_oldest_goes_first(void **state)
{
    (void)state;
    struct sample_ring *ring = sample_ring_new(START_NS);
    uintptr_t pc = 0x1000;
    for (int second = 0; second < 300; second++) /* 200 different deep stacks a second */
        for (int i = 0; i < 200; i++)
            add(ring, START_NS + second * NS_PER_S + i * (NS_PER_S / 200), pc += 1000, 100);
    assert_in_range(sample_ring_bytes(ring), SAMPLE_RING_MAX_BYTES / 2,
                    SAMPLE_RING_MAX_BYTES + 1024 * 1024);
    int64_t covered_ns = START_NS + 300 * NS_PER_S - sample_ring_reach(ring);
    assert_in_range(covered_ns / NS_PER_S, 30, 299);
    assert_true(count_between(ring, 290, 300) == 2000);
    assert_true(count_between(ring, 0, 10) == 0);
    sample_ring_free(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_of_time_gives_the_samples_of_its_seconds),
        cmocka_unit_test(neighbouring_spans_share_no_slice),
        cmocka_unit_test(what_is_older_than_ten_minutes_is_forgotten),
        cmocka_unit_test(an_idle_time_is_covered_too),
        cmocka_unit_test(memory_has_a_ceiling_and_the_oldest_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
