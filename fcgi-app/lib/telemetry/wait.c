/* SPDX-License-Identifier: MIT */
/*
 * The half of the hooks that is not inline: only waits that are listened to get
 * here.
 */
#include "lib/telemetry/wait.h"

#include <stddef.h>

const struct wait_hooks *_Atomic wait_hooks_now;

void wait_set_hooks(const struct wait_hooks *hooks)
{
    atomic_store(&wait_hooks_now, hooks);
}

void wait_report(const struct wait *wait)
{
    const struct wait_hooks *hooks = atomic_load(&wait_hooks_now);
    if (hooks)
        hooks->waited(hooks->context, wait->kind, clock_now_ns() - wait->since_ns,
                      __builtin_return_address(0));
}
