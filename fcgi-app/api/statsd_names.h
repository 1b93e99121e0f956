/* SPDX-License-Identifier: MIT */
/*
 * Under which names statsd is told what telemetry.c counts: those of the Go service, whose
 * charts go on with them. Static texts; any thread.
 */
#ifndef API_STATSD_NAMES_H
#define API_STATSD_NAMES_H

#include "api/route_name.h"
#include "api/telemetry.h"

#define STATSD_PREFIX             "api.service."
#define STATSD_DRAWN              "emojify.draw"
#define STATSD_ENCODING_FAILED    "emojify.image_encode_error"
#define STATSD_FAULT_WAS_INJECTED "error.injected"

/* Also of routes that the Go service did not have. NULL: an operators' route, or none. */
const char *statsd_name_of_route(enum route_name route);

/* NULL: it did not time that call. */
const char *statsd_name_of_call(enum upstream_call call);

#endif
