/* SPDX-License-Identifier: MIT */
/*
 * The process's breakers, one for each upstream that an operator has configured;
 * pictures' own servers are strangers and have none. Each says in the log and in
 * the metrics when it opens and closes.
 *
 * breakers_init before the clients that use them, breakers_release after them.
 */
#ifndef API_BREAKERS_H
#define API_BREAKERS_H

#include "api/clients/breaker.h"
#include "api/telemetry.h"
#include "lib/base/log.h"

/* Whom a breaker tells. */
struct breaker_listener {
    struct telemetry *telemetry; /* may be started after breakers_init */
    const struct log *log;
    enum telemetry_breaker which;
    const char *name;
};

struct breakers {
    struct breaker cache;
    struct breaker facebox;
    struct breaker payment;
    struct breaker_listener listeners[BREAKER__MAX];
};

/* Both must outlive the breakers. */
void breakers_init(struct breakers *breakers, struct telemetry *telemetry, const struct log *log);
void breakers_release(struct breakers *breakers);

#endif
