/* SPDX-License-Identifier: MIT */
/*
 * profile.proto, the format of Go's pprof, Parca, Pyroscope and Grafana Alloy
 * (proto/profile.proto has the field numbers): written and read by hand, since
 * ids must be 1, 2, 3, ... in order, strings valid UTF-8 and string 0 empty.
 * Pure.
 */
#ifndef PROFILING_PROFILE_PROTO_H
#define PROFILING_PROFILE_PROTO_H

#include "profiling/profile.h"

/* Append the profile, gzip-compressed when asked. APP_NO_MEMORY, APP_TOO_LARGE from `out`. */
enum app_err profile_proto_write(const struct profile *profile, bool gzip, struct buf *out)
    __attribute__((warn_unused_result));

/*
 * Read an uncompressed profile of a kind that is expected (a sibling's answer:
 * it may be of another build or broken, and is not trusted to be well-formed).
 * APP_BAD_REQUEST with the reason in why->detail, APP_NO_MEMORY.
 */
enum app_err profile_proto_read(const struct profile_kind *kind, const void *data, size_t len,
                                struct profile **profile, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
