/* SPDX-License-Identifier: MIT */
/*
 * A hash table of small buckets without a lock: two processes that count at the same moment
 * may lose a guess, which does not matter. An entry whose time lies in the future is from before
 * the last boot.
 */
#include "api/auth/guess_limit.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/shared_file.h"

enum { BUCKETS = 1024, BUCKET_SIZE = 4, NETWORK_BYTES = 8 };

struct entry {
    _Atomic uint64_t address; /* 0: free */
    _Atomic int64_t since_ns; /* when its minute began */
    _Atomic uint32_t guesses; /* in that minute */
};

struct memory {
    struct shared_file_header header;
    uint64_t seed; /* so that nobody can choose addresses of one bucket */
    struct entry entries[BUCKETS][BUCKET_SIZE];
};

struct guess_limit {
    struct shared_file file;
};

static bool prepare(void *map)
{
    struct memory *memory = map;
    return getrandom(&memory->seed, sizeof(memory->seed), 0) == (ssize_t)sizeof(memory->seed);
}

static enum app_err share(struct shared_file *file, const char *directory)
{
    struct shared_file_options options = {.directory = directory,
                                          .name = "guesses",
                                          .size = sizeof(struct memory),
                                          .prepare = prepare};
    char text[64];
    int len = snprintf(text, sizeof(text), "guesses 1 %zu", sizeof(struct memory));
    enum app_err err = md5_hex(text, (size_t)len, options.layout);
    return err ? err : shared_file_open(file, &options, NULL);
}

enum app_err guess_limit_new(const char *directory, struct guess_limit **limit)
{
    struct guess_limit *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->file = SHARED_FILE_NONE;
    enum app_err err = share(&made->file, directory);
    if (err)
        err = shared_file_private(&made->file, sizeof(struct memory));
    if (err) {
        free(made);
        return err;
    }
    *limit = made;
    return APP_OK;
}

void guess_limit_free(struct guess_limit **limit)
{
    if (*limit)
        shared_file_release(&(*limit)->file);
    free(*limit);
    *limit = NULL;
}

/* A number that stands for the address or its network, never 0. */
static uint64_t number(const struct memory *memory, const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    uint64_t hash;
    if (!address)
        address = "";
    if (inet_pton(AF_INET, address, &v4) == 1)
        hash = xxh3_seeded(&v4, sizeof(v4), memory->seed);
    else if (inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_V4MAPPED(&v6))
        hash = xxh3_seeded(v6.s6_addr + 12, sizeof(v4), memory->seed);
    else if (inet_pton(AF_INET6, address, &v6) == 1)
        hash = xxh3_seeded(&v6, NETWORK_BYTES, memory->seed);
    else
        hash = 1;
    return hash ? hash : 1;
}

static bool is_over(const struct entry *entry, int64_t now_ns)
{
    int64_t age_ns = now_ns - atomic_load(&entry->since_ns);
    return age_ns < 0 || age_ns >= GUESS_WINDOW_MS * NS_PER_MS;
}

static struct entry *find(struct entry *bucket, uint64_t address)
{
    for (size_t i = 0; i < BUCKET_SIZE; i++)
        if (atomic_load(&bucket[i].address) == address)
            return &bucket[i];
    return NULL;
}

/* The one to give away: free or over, else that with the fewest guesses; NULL: all are blocked. */
static struct entry *make_room(struct entry *bucket, int64_t now_ns)
{
    struct entry *least = NULL;
    for (size_t i = 0; i < BUCKET_SIZE; i++) {
        struct entry *entry = &bucket[i];
        if (atomic_load(&entry->address) == 0 || is_over(entry, now_ns))
            return entry;
        uint32_t guesses = atomic_load(&entry->guesses);
        if (guesses < GUESSES_MAX && (!least || guesses < atomic_load(&least->guesses)))
            least = entry;
    }
    return least;
}

int64_t guess_limit_blocked_ms(struct guess_limit *limit, const char *address, int64_t now_ns)
{
    struct memory *memory = limit->file.map;
    uint64_t wanted = number(memory, address);
    const struct entry *entry = find(memory->entries[wanted % BUCKETS], wanted);
    if (!entry || is_over(entry, now_ns) || atomic_load(&entry->guesses) < GUESSES_MAX)
        return 0;
    int64_t left_ns =
        atomic_load(&entry->since_ns) + GUESS_WINDOW_MS * NS_PER_MS - now_ns + NS_PER_MS - 1;
    return left_ns / NS_PER_MS;
}

void guess_limit_wrong(struct guess_limit *limit, const char *address, int64_t now_ns)
{
    struct memory *memory = limit->file.map;
    uint64_t wanted = number(memory, address);
    struct entry *bucket = memory->entries[wanted % BUCKETS];
    struct entry *entry = find(bucket, wanted);
    if (!entry)
        entry = make_room(bucket, now_ns);
    if (!entry)
        return;
    if (atomic_exchange(&entry->address, wanted) != wanted || is_over(entry, now_ns)) {
        atomic_store(&entry->guesses, 0);
        atomic_store(&entry->since_ns, now_ns);
    }
    if (atomic_fetch_add(&entry->guesses, 1) + 1 == GUESSES_MAX)
        atomic_store(&entry->since_ns, now_ns); /* it is blocked from now on */
}
