/* SPDX-License-Identifier: MIT */
/*
 * Names for canonical addresses, by libdw: function, inlined functions, file
 * and line from DWARF, or else the symbol tables. The only module that includes
 * elfutils' headers. Answers are cached; a file whose build id is not the one
 * asked for is not used. Never call it while sampling (it may take the loader's
 * lock): profiles are symbolized after their window closed.
 *
 * One struct symbols a process, any thread (it has its own lock).
 */
#ifndef API_PROFILING_SYMBOLS_H
#define API_PROFILING_SYMBOLS_H

#include "api/profiling/profile.h"

struct symbols;

enum app_err symbols_new(struct symbols **symbols) __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void symbols_free(struct symbols **symbols);

/* The resolve function of profile_symbolize; `context` is the struct symbols. */
size_t symbols_resolve(void *context, const struct profile_mapping *mapping, uint64_t address,
                       struct profile_line *lines, size_t max);

/*
 * The executable mappings of this process as they are now, and where: to turn a
 * run-time address into a canonical frame. Taken from /proc/self/maps and the
 * files' headers, not from dl_iterate_phdr.
 */
struct symbols_map;
enum app_err symbols_map_new(struct symbols_map **map) __attribute__((warn_unused_result));
void symbols_map_free(struct symbols_map **map);
/* False for an address in no file; then *canonical is the address less nothing. */
bool symbols_map_find(const struct symbols_map *map, uint64_t address,
                      struct profile_mapping *mapping, uint64_t *canonical);
/* The program's own mapping, to be added to a profile first. */
const struct profile_mapping *symbols_map_program(const struct symbols_map *map);

#endif
