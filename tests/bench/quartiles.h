/* SPDX-License-Identifier: MIT */
/* What the benchmarks in C make of their samples. */
#ifndef TESTS_BENCH_QUARTILES_H
#define TESTS_BENCH_QUARTILES_H

#include <stddef.h>
#include <stdlib.h>

struct quartiles {
    double median, low, high;
};

static inline int quartiles_compare(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

/* Of `count` samples, at least one, which it sorts. */
static inline struct quartiles quartiles_of(double *samples, size_t count)
{
    qsort(samples, count, sizeof(*samples), quartiles_compare);
    return (struct quartiles){samples[count / 2], samples[count / 4], samples[count * 3 / 4]};
}

#endif
