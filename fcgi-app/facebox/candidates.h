/* SPDX-License-Identifier: MIT */
/*
 * What the network takes for a face, before it is known which of it are the same
 * face: a face is seen by many neighbouring cells, and in several sizes of the
 * picture. Pure; a list belongs to one thread.
 */
#ifndef FACEBOX_CANDIDATES_H
#define FACEBOX_CANDIDATES_H

#include <stddef.h>

enum { CANDIDATE_POINTS = 6, CANDIDATES_MAX = 2048 };

struct candidate {
    float left, top, right, bottom;
    float points[CANDIDATE_POINTS][2]; /* across, down */
    float score;                       /* 0 to 1 */
    unsigned passes;                   /* bits of those that saw it */
};

struct candidates {
    size_t count;
    struct candidate list[CANDIDATES_MAX];
};

/* When there is no room, the least sure one gives way. */
void candidates_add(struct candidates *candidates, const struct candidate *candidate);

/*
 * Weighted non-maximum suppression of the candidates from `first` on (BlazeFace,
 * arXiv:1907.05047, section 3). The surest candidate is merged with those that overlap it by
 * more than 0.3 of their union: box and points become the mean, weighted by score. Candidates
 * that share more than 0.6 of the smaller area with the merged one are dropped. The same
 * is done with the surest of the rest, until none is left. The result has the surest first.
 */
void candidates_merge(struct candidates *candidates, size_t first);

#endif
