/* SPDX-License-Identifier: MIT */
/*
 * A cache service inside the test's own process that answers as the test says,
 * right or wrong. Without a script Get answers NOT_FOUND, Put the id it was
 * given, Exists false and Check SERVING.
 *
 * Start it after signals are blocked, if the test blocks any. One thread uses
 * it; it answers up to FAKE_CACHE_THREADS calls at a time, waits included. What
 * goes wrong with the fake itself fails the test.
 */
#ifndef SUPPORT_FAKE_CACHE_H
#define SUPPORT_FAKE_CACHE_H

#include <stddef.h>

#include "lib/rpc/tls.h"

enum { FAKE_CACHE_THREADS = 8, FAKE_CACHE_SCRIPT_MAX = 8 };

struct fake_cache;

enum fake_cache_ending {
    FAKE_CACHE_ANSWER,  /* status and message as they stand below */
    FAKE_CACHE_ECHO,    /* as without a script */
    FAKE_CACHE_SILENCE, /* status OK, but no message */
    FAKE_CACHE_RESET,   /* the stream is reset, which a client sees as CANCELLED */
};

struct fake_cache_answer {
    enum fake_cache_ending ending;
    int status; /* gRPC's number, 0 is OK */
    const char *words;
    const void *message; /* the bytes of the message, sent when the status is OK */
    size_t len;
    unsigned delay_ms;
};

/* `address`: host:port, port 0 for any free one, or unix:/path. */
struct fake_cache *fake_cache_start(const char *address);
/* The same with TLS. */
struct fake_cache *fake_cache_start_tls(const char *address, const struct rpc_tls *tls);
/* Cancel what runs, close all connections; NULLs the pointer. NULL allowed. */
void fake_cache_stop(struct fake_cache **fake);

/* What a client connects to. */
const char *fake_cache_address(const struct fake_cache *fake);

/*
 * Answer calls of `method` ("Get") with one after the other, the last for ever.
 * What the answers point to must stay.
 */
void fake_cache_script(struct fake_cache *fake, const char *method,
                       const struct fake_cache_answer *answers, size_t count);

/* Calls of `method` that have come in. */
unsigned fake_cache_calls(struct fake_cache *fake, const char *method);
/* A metadata value of the latest call, "" when it had none; cut to the room in `out`. */
void fake_cache_metadata(struct fake_cache *fake, const char *name, char *out, size_t size);
/* The latest call's message, cut to the room in `out`. Returns its length. */
size_t fake_cache_request(struct fake_cache *fake, void *out, size_t size);

#endif
