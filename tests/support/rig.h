/* SPDX-License-Identifier: MIT */
/*
 * What a pipeline needs, in the test's own process: an application's shared parts,
 * with a fake cache, and an origin server that is FaceBox (/facebox/check, no
 * faces) and has a picture (/a.jpg). Two pictures are worked on at a time.
 */
#ifndef TESTS_SUPPORT_RIG_H
#define TESTS_SUPPORT_RIG_H

#include "api/app.h"
#include "api/clients/cache_client.h"
#include "api/image/artwork.h"
#include "api/jobs/pipeline.h"
#include "api/jobs/table.h"
#include "lib/base/arena.h"
#include "lib/net/address_guard.h"
#include "lib/net/http_client.h"
#include "lib/telemetry/trace.h"
#include "support/fake_cache.h"
#include "support/origin.h"
#include "support/sample_picture.h"
#include "support/temp_dir.h"

enum { RIG_WIDTH = 120, RIG_HEIGHT = 80, RIG_PATIENCE_MS = 20000 };

struct rig {
    struct app app;
    struct temp_dir dir; /* RUN_DIR */
    struct log_sink sink;
    struct fake_cache *cache;
    struct origin *origin;
    char facebox[64];
    struct sample picture;
};

/* The picture library, which a rig needs: for cmocka's fixtures of a group. */
int rig_start_library(void **state);
int rig_stop_library(void **state);

/* Ends the test when something cannot be started. */
struct rig *rig_new(void);
void rig_free(struct rig **rig);

/* Have the origin give the picture, or FaceBox its answer, after a while. */
void rig_serve_picture(struct rig *rig, const char *path, unsigned delay_ms);
void rig_delay_faces(struct rig *rig, unsigned delay_ms);

/* The URL of a path of the origin. */
struct rig_url {
    char text[128];
};
struct rig_url rig_url(const struct rig *rig, const char *path);

/* What one thread has for itself, and a pipeline with it. */
struct rig_thread {
    struct worker worker;
    struct arena *arena;
    struct trace trace;
    struct log log;
    struct err_buf why;
    struct pipeline pipeline;
};
void rig_thread_init(struct rig *rig, struct rig_thread *thread);
void rig_thread_release(struct rig_thread *thread);

#endif
