/* SPDX-License-Identifier: MIT */
/*
 * A ring of words. A sample is its depth, its two numbers and its addresses;
 * `head` and `tail` only grow, and a word's place is its number modulo the
 * size, so a sample may go round the end.
 */
#include "profiling/sample_queue.h"

#include <stdatomic.h>
#include <stdlib.h>

/*
 * 1 MiB: 4000 stacks of 30 frames, the most that 8 busy cores give in 2 s at a
 * kernel's 250 ticks a second. Emptied every 100 ms by an open window, else once a
 * second.
 */
enum { WORDS = 128 * 1024, HEADER_WORDS = 3 };

struct sample_queue {
    _Atomic size_t head; /* words ever written */
    _Atomic size_t tail; /* words ever read */
    _Atomic uint64_t dropped;
    uint64_t words[WORDS];
};

struct sample_queue *sample_queue_new(void)
{
    return calloc(1, sizeof(struct sample_queue));
}

void sample_queue_free(struct sample_queue **queue)
{
    free(*queue);
    *queue = NULL;
}

void sample_queue_put(struct sample_queue *queue, const struct sample *sample)
{
    size_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&queue->tail, memory_order_acquire);
    if (WORDS - (head - tail) < HEADER_WORDS + sample->depth) {
        atomic_fetch_add_explicit(&queue->dropped, 1, memory_order_relaxed);
        return;
    }
    queue->words[head++ % WORDS] = sample->depth;
    queue->words[head++ % WORDS] = (uint64_t)sample->time_ns;
    queue->words[head++ % WORDS] = (uint64_t)sample->cpu_ns;
    for (size_t i = 0; i < sample->depth; i++)
        queue->words[head++ % WORDS] = sample->pcs[i];
    atomic_store_explicit(&queue->head, head, memory_order_release);
}

bool sample_queue_take(struct sample_queue *queue, struct sample *sample)
{
    size_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    if (atomic_load_explicit(&queue->head, memory_order_acquire) == tail)
        return false;
    sample->depth = queue->words[tail++ % WORDS];
    sample->time_ns = (int64_t)queue->words[tail++ % WORDS];
    sample->cpu_ns = (int64_t)queue->words[tail++ % WORDS];
    for (size_t i = 0; i < sample->depth; i++)
        sample->pcs[i] = queue->words[tail++ % WORDS];
    atomic_store_explicit(&queue->tail, tail, memory_order_release);
    return true;
}

uint64_t sample_queue_dropped(const struct sample_queue *queue)
{
    return atomic_load_explicit(&queue->dropped, memory_order_relaxed);
}
