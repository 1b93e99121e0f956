/* SPDX-License-Identifier: MIT */
/* The real network, for tests that need detectors. */
#ifndef UNIT_FACEBOX_DETECTOR_FIXTURE_H
#define UNIT_FACEBOX_DETECTOR_FIXTURE_H

#include <limits.h>
#include <stdio.h>

#include "facebox/detector.h"
#include "facebox/inference.h"
#include "facebox/network.h"
#include "support/build_path.h"

static const struct detector_options fixture_options = {.least_confidence =
                                                            DETECTOR_LEAST_CONFIDENCE};

/* 0, or -1 with the reason printed. */
static inline int fixture_open_network(struct network *network)
{
    char path[PATH_MAX];
    struct err_buf why = {.text = ""};
    build_path(NETWORK_FILE_NAME, path, sizeof(path));
    if (network_open(path, network, &why) || inference_library_init(&why)) {
        fprintf(stderr, "%s (%s)\n", why.text, why.detail);
        return -1;
    }
    return 0;
}

static inline void fixture_close_network(struct network *network)
{
    network_close(network);
    inference_library_release();
}

#endif
