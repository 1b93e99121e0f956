/* SPDX-License-Identifier: MIT */
/* FaceBox's answer to /facebox/check, and where emoji go on a picture of 400 x 300. */
#include "fuzz/input.h"

#include <math.h>

#include "api/clients/face_client.h"
#include "api/image/geometry.h"
#include "lib/base/arena.h"
#include "lib/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(LIMIT_REQUEST_ARENA);
    struct fuzz_input input = {data, size};
    struct err_buf why = {.text = ""};
    struct face *faces = NULL;
    size_t count = 0;
    must(arena != NULL);
    char *json = fuzz_text(&input, size);
    enum app_err err = face_client_parse_check(json, size, arena, &faces, &count, &why);
    must(err == APP_OK || err == APP_UPSTREAM_FAILED);
    must(count <= LIMIT_FACES);
    for (size_t i = 0; i < count; i++) {
        struct placement place;
        if (!geometry_place(&faces[i], 400, 300, &place))
            continue;
        double half = place.side / 2;
        must(place.side >= 1 && place.side < 20 * 400 && fabs(place.angle) < 1.1);
        must(place.x - half < 400 && place.x + half > 0 && place.y - half < 300 &&
             place.y + half > 0);
    }
    free(json);
    arena_free(&arena);
    return 0;
}
