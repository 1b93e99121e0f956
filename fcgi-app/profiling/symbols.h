/* SPDX-License-Identifier: MIT */
/*
 * Names for canonical addresses: function, inlined functions, file and line from
 * DWARF, or else the symbol tables (symbol_file.h). A file whose build id is not
 * the one asked for is not used. Never call it while sampling (it may take the
 * loader's lock): profiles are symbolized after their window closed.
 *
 * Answers are kept, up to a ceiling, since the same few thousand addresses come
 * again with every profile; files are not: nothing is open between two runs.
 *
 * One struct symbols a process, any thread: symbols_begin waits for the thread
 * that is at it.
 */
#ifndef PROFILING_SYMBOLS_H
#define PROFILING_SYMBOLS_H

#include "profiling/contention.h"
#include "profiling/profile.h"

struct symbols;

/*
 * `contention` is told how long threads wait for one another here, and must outlive it;
 * NULL: nobody is. APP_NO_MEMORY, APP_INTERNAL.
 */
enum app_err symbols_new(struct contention *contention, struct symbols **symbols)
    __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void symbols_free(struct symbols **symbols);

/* Give every location of a profile its names. APP_NO_MEMORY: some may have got theirs. */
enum app_err symbols_profile(struct symbols *symbols, struct profile *profile)
    __attribute__((warn_unused_result));

/* A run of single questions: begin, symbols_resolve ..., end (closes files). */
void symbols_begin(struct symbols *symbols);
void symbols_end(struct symbols *symbols);

/*
 * The resolve function of profile_symbolize, in a run; `context` is the struct
 * symbols. Costs most when the mapping is another than the last time. No
 * mapping at all gets the name "[unknown]".
 */
size_t symbols_resolve(void *context, const struct profile_mapping *mapping, uint64_t address,
                       struct profile_line *lines, size_t max);

#endif
