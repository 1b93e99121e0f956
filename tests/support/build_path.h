/* SPDX-License-Identifier: MIT */
/* Where the build under test put its emoji file and its programs. */
#ifndef SUPPORT_BUILD_PATH_H
#define SUPPORT_BUILD_PATH_H

#include <stdio.h>
#include <stdlib.h>

/* "$BUILD/name"; BUILD is build/release when it is not set. */
static inline const char *build_path(const char *name, char *out, size_t size)
{
    const char *build = getenv("BUILD");
    (void)snprintf(out, size, "%s/%s", build && *build ? build : "build/release", name);
    return out;
}

#endif
