/* SPDX-License-Identifier: MIT */
#include "lib/telemetry/quantile.h"

#include <math.h>

#include "support/cmocka.h"

static void a_quantile_lies_within_its_bucket(void **state)
{
    (void)state;
    static const int64_t bounds[] = {10, 20, 40};
    static const uint64_t none[4] = {0};
    static const uint64_t counts[4] = {0, 4, 4, 0};
    static const uint64_t beyond[4] = {1, 0, 0, 9};
    assert_true(isnan(histogram_quantile(none, bounds, 3, 0.5)));
    assert_true(fabs(histogram_quantile(counts, bounds, 3, 0.25) - 15) < 1e-9);
    assert_true(fabs(histogram_quantile(counts, bounds, 3, 0.5) - 20) < 1e-9);
    assert_true(fabs(histogram_quantile(counts, bounds, 3, 0.75) - 30) < 1e-9);
    assert_true(fabs(histogram_quantile(beyond, bounds, 3, 0.9) - 40) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantile_lies_within_its_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
