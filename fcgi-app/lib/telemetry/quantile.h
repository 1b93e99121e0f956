/* SPDX-License-Identifier: MIT */
/* Quantiles of what a histogram has counted. Pure. */
#ifndef LIB_TELEMETRY_QUANTILE_H
#define LIB_TELEMETRY_QUANTILE_H

#include <stddef.h>
#include <stdint.h>

/*
 * The value below which the share `share` of the observations lies, with those of a bucket
 * spread evenly over it, as Prometheus's histogram_quantile does. `counts` has
 * bound_count + 1 buckets, not cumulative. NAN: they are all empty.
 */
double histogram_quantile(const uint64_t *counts, const int64_t *bounds, size_t bound_count,
                          double share);

#endif
