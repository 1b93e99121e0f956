/* SPDX-License-Identifier: MIT */
#include "api/breakers.h"

static void on_change(void *context, bool open)
{
    const struct breaker_listener *listener = context;
    telemetry_breaker(listener->telemetry, listener->which, open);
    if (open)
        log_warn(listener->log, "Upstream keeps failing, calls are refused",
                 LOG_FIELDS(LOG_STR("upstream", listener->name)));
    else
        log_info(listener->log, "Upstream is back",
                 LOG_FIELDS(LOG_STR("upstream", listener->name)));
}

void breakers_init(struct breakers *breakers, struct telemetry *telemetry, const struct log *log)
{
    struct breaker_listener *listeners = breakers->listeners;
    listeners[BREAKER_CACHE] = (struct breaker_listener){telemetry, log, BREAKER_CACHE, "cache"};
    listeners[BREAKER_FACEBOX] =
        (struct breaker_listener){telemetry, log, BREAKER_FACEBOX, "facebox"};
    listeners[BREAKER_PAYMENT] =
        (struct breaker_listener){telemetry, log, BREAKER_PAYMENT, "payment"};
    breaker_init(&breakers->cache, "the cache", on_change, &listeners[BREAKER_CACHE]);
    breaker_init(&breakers->facebox, "the face detection", on_change, &listeners[BREAKER_FACEBOX]);
    breaker_init(&breakers->payment, "the payment gateway", on_change, &listeners[BREAKER_PAYMENT]);
}

void breakers_release(struct breakers *breakers)
{
    breaker_release(&breakers->cache);
    breaker_release(&breakers->facebox);
    breaker_release(&breakers->payment);
}
