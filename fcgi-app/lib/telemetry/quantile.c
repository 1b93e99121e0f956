/* SPDX-License-Identifier: MIT */
#include "lib/telemetry/quantile.h"

#include <math.h>

double histogram_quantile(const uint64_t *counts, const int64_t *bounds, size_t bound_count,
                          double share)
{
    double total = 0, below = 0;
    for (size_t i = 0; i <= bound_count; i++)
        total += (double)counts[i];
    if (total <= 0)
        return NAN;
    double rank = share * total;
    for (size_t i = 0; i < bound_count; i++) {
        double in_bucket = (double)counts[i];
        double from = i > 0 ? (double)bounds[i - 1] : 0;
        if (in_bucket > 0 && below + in_bucket >= rank)
            return from + ((double)bounds[i] - from) * (rank - below) / in_bucket;
        below += in_bucket;
    }
    return (double)bounds[bound_count - 1]; /* beyond it nothing is known */
}
