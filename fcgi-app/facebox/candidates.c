/* SPDX-License-Identifier: MIT */
#include "facebox/candidates.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const float SAME_UNION = 0.3F;  /* intersection by union, of one face */
static const float SAME_INSIDE = 0.6F; /* intersection by the smaller's area */

void candidates_add(struct candidates *candidates, const struct candidate *candidate)
{
    struct candidate *list = candidates->list;
    if (candidates->count < CANDIDATES_MAX) {
        list[candidates->count++] = *candidate;
        return;
    }
    size_t least = 0;
    for (size_t i = 1; i < CANDIDATES_MAX; i++) {
        if (list[i].score < list[least].score)
            least = i;
    }
    if (candidate->score > list[least].score)
        list[least] = *candidate;
}

static int compare(const void *a, const void *b)
{
    const struct candidate *first = a, *second = b;
    return (first->score < second->score) - (first->score > second->score);
}

static float area(const struct candidate *a)
{
    return (a->right - a->left) * (a->bottom - a->top);
}

static float intersection(const struct candidate *a, const struct candidate *b)
{
    float width = fminf(a->right, b->right) - fmaxf(a->left, b->left);
    float height = fminf(a->bottom, b->bottom) - fmaxf(a->top, b->top);
    return width > 0 && height > 0 ? width * height : 0;
}

static bool is_same(const struct candidate *a, const struct candidate *b)
{
    float common = intersection(a, b);
    return common > SAME_UNION * (area(a) + area(b) - common);
}

static bool is_inside(const struct candidate *a, const struct candidate *b)
{
    return intersection(a, b) > SAME_INSIDE * fminf(area(a), area(b));
}

static void add_weighted(struct candidate *sum, const struct candidate *candidate)
{
    float weight = candidate->score;
    sum->left += weight * candidate->left;
    sum->top += weight * candidate->top;
    sum->right += weight * candidate->right;
    sum->bottom += weight * candidate->bottom;
    for (int i = 0; i < CANDIDATE_POINTS; i++) {
        sum->points[i][0] += weight * candidate->points[i][0];
        sum->points[i][1] += weight * candidate->points[i][1];
    }
    sum->passes |= candidate->passes;
}

static void divide(struct candidate *sum, float weight)
{
    sum->left /= weight;
    sum->top /= weight;
    sum->right /= weight;
    sum->bottom /= weight;
    for (int i = 0; i < CANDIDATE_POINTS; i++) {
        sum->points[i][0] /= weight;
        sum->points[i][1] /= weight;
    }
}

/* Make one of list[0], the surest, and those that are the same; returns how many others are left.
 */
static size_t take_surest(struct candidate *list, size_t count, struct candidate *taken)
{
    const struct candidate surest = list[0];
    struct candidate mean = {.score = surest.score};
    float weight = 0;
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || is_same(&surest, &list[i])) {
            add_weighted(&mean, &list[i]);
            weight += list[i].score;
        } else {
            list[left++] = list[i];
        }
    }
    divide(&mean, weight);
    count = left;
    left = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_inside(&mean, &list[i]))
            list[left++] = list[i];
    }
    *taken = mean;
    return left;
}

void candidates_merge(struct candidates *candidates, size_t first)
{
    struct candidate *list = candidates->list + first;
    size_t count = candidates->count - first;
    qsort(list, count, sizeof(*list), compare);
    size_t merged = 0;
    while (count > 0) {
        struct candidate taken;
        count = take_surest(list + merged, count, &taken);
        memmove(list + merged + 1, list + merged, count * sizeof(*list));
        list[merged++] = taken;
    }
    candidates->count = first + merged;
}
