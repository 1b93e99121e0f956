/* SPDX-License-Identifier: MIT */
/*
 * The cache is a struct profile: mappings, locations and lines with equal texts
 * stored once are just what it is made for. A location that is in it has been
 * asked for before, with lines or without.
 */
#include "profiling/symbols.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "profiling/profile_data.h"
#include "profiling/symbol_file.h"

/* What is kept: about 3 MB. Beyond it starts anew. */
enum { MAX_KEPT_LOCATIONS = 20000, MAX_KEPT_TEXT = 1024 * 1024 };

struct symbols {
    struct contention *contention; /* NULL: nobody to tell */
    pthread_mutex_t lock;          /* held during a run */
    bool running;
    struct profile *cache;
    struct symbol_file *file; /* of file_mapping; NULL: could not be opened */
    uint32_t file_mapping;    /* in the cache; PROFILE_NO_MAPPING: none */
};

enum app_err symbols_new(struct contention *contention, struct symbols **symbols)
{
    struct symbols *created = calloc(1, sizeof(*created));
    if (!created)
        return APP_NO_MEMORY;
    created->contention = contention;
    created->file_mapping = PROFILE_NO_MAPPING;
    created->cache = profile_new(&profile_kind_cpu);
    enum app_err err = created->cache ? APP_OK : APP_NO_MEMORY;
    if (!err && pthread_mutex_init(&created->lock, NULL) != 0)
        err = APP_INTERNAL;
    if (err) {
        profile_free(&created->cache);
        free(created);
        return err;
    }
    *symbols = created;
    return APP_OK;
}

void symbols_free(struct symbols **symbols)
{
    struct symbols *old = *symbols;
    *symbols = NULL;
    if (!old)
        return;
    symbol_file_close(&old->file);
    profile_free(&old->cache);
    (void)pthread_mutex_destroy(&old->lock);
    free(old);
}

static void close_file(struct symbols *symbols)
{
    symbol_file_close(&symbols->file);
    symbols->file_mapping = PROFILE_NO_MAPPING;
}

void symbols_begin(struct symbols *symbols)
{
    if (pthread_mutex_trylock(&symbols->lock) != 0) {
        int64_t since_ns = clock_now_ns();
        pthread_mutex_lock(&symbols->lock);
        if (symbols->contention)
            contention_waited(symbols->contention, CONTENTION_MUTEX, clock_now_ns() - since_ns,
                              NULL);
    }
    symbols->running = true;
}

void symbols_end(struct symbols *symbols)
{
    close_file(symbols);
    symbols->running = false;
    (void)pthread_mutex_unlock(&symbols->lock);
}

enum app_err symbols_profile(struct symbols *symbols, struct profile *profile)
{
    symbols_begin(symbols);
    enum app_err err = profile_symbolize(profile, symbols_resolve, symbols);
    symbols_end(symbols);
    return err;
}

static void make_room(struct symbols *symbols)
{
    if (symbols->cache->location_count < MAX_KEPT_LOCATIONS &&
        symbols->cache->text_bytes < MAX_KEPT_TEXT)
        return;
    struct profile *fresh = profile_new(&profile_kind_cpu);
    if (!fresh)
        return;
    close_file(symbols);
    profile_free(&symbols->cache);
    symbols->cache = fresh;
}

static void use_file(struct symbols *symbols, uint32_t mapping)
{
    if (symbols->file_mapping == mapping)
        return;
    close_file(symbols);
    symbols->file_mapping = mapping;
    if (symbol_file_open(&symbols->cache->mappings[mapping].view, &symbols->file))
        symbols->file = NULL;
}

/* Fill the lines of a location that has just been added to the cache. */
static enum app_err look_up(struct symbols *symbols, uint32_t location)
{
    const struct profile_location_data *data = &symbols->cache->locations[location];
    use_file(symbols, data->mapping);
    if (!symbols->file)
        return APP_OK;
    struct profile_line lines[PROFILE_MAX_LINES];
    size_t count = symbol_file_lines(symbols->file, data->address, lines, PROFILE_MAX_LINES);
    return profile_location_lines(symbols->cache, location, lines, count);
}

size_t symbols_resolve(void *context, const struct profile_mapping *mapping, uint64_t address,
                       struct profile_line *lines, size_t max)
{
    struct symbols *symbols = context;
    assert(symbols->running && max > 0);
    if (!mapping) {
        lines[0] = (struct profile_line){.function = "[unknown]"};
        return 1;
    }
    make_room(symbols);
    struct profile *cache = symbols->cache;
    size_t mapping_index;
    uint32_t location;
    size_t known = cache->location_count;
    if (profile_mapping(cache, mapping, &mapping_index) ||
        profile_location(cache, (uint32_t)mapping_index, address, &location))
        return 0;
    if (location == known && look_up(symbols, location))
        return 0;
    const struct profile_location_data *data = &cache->locations[location];
    size_t count = data->line_count < max ? data->line_count : max;
    for (size_t i = 0; i < count; i++)
        lines[i] = cache->lines[data->first_line + i];
    return count;
}
