/* SPDX-License-Identifier: MIT */
/* Names come from the module that the program itself uses for it. */
#include "support/profile_share.h"

#include <string.h>

#include "profiling/symbols.h"
#include "support/cmocka.h"

void profile_name_all(struct profile *profile)
{
    struct symbols *symbols = NULL;
    assert_int_equal(symbols_new(NULL, &symbols), APP_OK);
    assert_int_equal(symbols_profile(symbols, profile), APP_OK);
    symbols_free(&symbols);
}

static bool has_function(const struct profile *profile, size_t sample, size_t depth,
                         const char *function)
{
    for (size_t frame = 0; frame < depth; frame++) {
        const struct profile_line *lines;
        size_t count = profile_frame_lines(profile, sample, frame, &lines, NULL);
        for (size_t i = 0; i < count; i++)
            if (strcmp(lines[i].function, function) == 0)
                return true;
    }
    return false;
}

int64_t profile_sum_in(const struct profile *profile, const char *function, const char *route,
                       size_t value_index)
{
    int64_t sum = 0;
    for (size_t i = 0; i < profile_sample_count(profile); i++) {
        struct profile_sample_view view;
        profile_sample_at(profile, i, &view);
        const char *its_route = view.labels->route ? view.labels->route : "";
        if (route && strcmp(its_route, route) != 0)
            continue;
        if (has_function(profile, i, view.depth, function))
            sum += view.values[value_index];
    }
    return sum;
}
