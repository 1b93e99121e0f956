/* SPDX-License-Identifier: MIT */
#include "profiling/sample_queue.h"

#include <pthread.h>
#include <string.h>

#include "support/cmocka.h"

static struct sample sample_of(size_t depth, int64_t number)
{
    struct sample sample = {.time_ns = number, .cpu_ns = number * 2, .depth = depth};
    for (size_t i = 0; i < depth; i++)
        sample.pcs[i] = (uintptr_t)number + i;
    return sample;
}

static void assert_sample(const struct sample *sample, size_t depth, int64_t number)
{
    struct sample expected = sample_of(depth, number);
    assert_int_equal(sample->depth, depth);
    assert_int_equal(sample->time_ns, expected.time_ns);
    assert_int_equal(sample->cpu_ns, expected.cpu_ns);
    assert_memory_equal(sample->pcs, expected.pcs, depth * sizeof(*expected.pcs));
}

static void samples_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct sample_queue *queue = sample_queue_new();
    struct sample sample;
    assert_false(sample_queue_take(queue, &sample));
    struct sample first = sample_of(1, 1), second = sample_of(UNWIND_MAX_DEPTH, 2);
    sample_queue_put(queue, &first);
    sample_queue_put(queue, &second);
    assert_true(sample_queue_take(queue, &sample));
    assert_sample(&sample, 1, 1);
    assert_true(sample_queue_take(queue, &sample));
    assert_sample(&sample, UNWIND_MAX_DEPTH, 2);
    assert_false(sample_queue_take(queue, &sample));
    sample_queue_free(&queue);
    assert_null(queue);
}

static void a_full_queue_drops_and_counts(void **state)
{
    (void)state;
    struct sample_queue *queue = sample_queue_new();
    struct sample sample;
    int64_t put = 0;
    while (sample_queue_dropped(queue) == 0) {
        sample = sample_of(UNWIND_MAX_DEPTH, put++);
        sample_queue_put(queue, &sample);
    }
    assert_true(put > 500);
    sample = sample_of(UNWIND_MAX_DEPTH, 0);
    sample_queue_put(queue, &sample);
    assert_int_equal(sample_queue_dropped(queue), 2);
    for (int64_t i = 0; i < put - 1; i++) {
        assert_true(sample_queue_take(queue, &sample));
        assert_sample(&sample, UNWIND_MAX_DEPTH, i);
    }
    assert_false(sample_queue_take(queue, &sample));
    sample_queue_free(&queue);
}

enum { SENT = 200000 };

static void *send_all(void *argument)
{
    struct sample_queue *queue = argument;
    for (int64_t i = 0; i < SENT; i++) {
        struct sample sample = sample_of((size_t)(i % 40) + 1, i);
        sample_queue_put(queue, &sample);
    }
    return NULL;
}

static void nothing_is_mixed_up_while_both_ends_are_busy(void **state)
{
    (void)state;
    struct sample_queue *queue = sample_queue_new();
    pthread_t sender;
    uint64_t got = 0;
    int64_t last = -1;
    struct sample sample;
    pthread_create(&sender, NULL, send_all, queue);
    while (last < SENT - 1 && got + sample_queue_dropped(queue) < SENT) {
        if (!sample_queue_take(queue, &sample))
            continue;
        assert_true(sample.time_ns > last);
        last = sample.time_ns;
        assert_sample(&sample, (size_t)(last % 40) + 1, last);
        got++;
    }
    pthread_join(sender, NULL);
    while (sample_queue_take(queue, &sample))
        got++;
    assert_int_equal(got + sample_queue_dropped(queue), SENT);
    sample_queue_free(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_come_out_as_they_went_in),
        cmocka_unit_test(a_full_queue_drops_and_counts),
        cmocka_unit_test(nothing_is_mixed_up_while_both_ends_are_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
