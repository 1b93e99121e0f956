/* SPDX-License-Identifier: MIT */
/*
 * The executable mappings of this process as they are now, and where: to turn a
 * run-time address into a canonical one and a file (profile.h). Taken from
 * /proc/self/maps and the ELF headers in memory, so that a file that was
 * replaced or deleted meanwhile is known for what it is, and neither
 * dl_iterate_phdr nor the file itself is touched. The kernel's vdso is one of
 * the files, "[vdso]".
 *
 * Life cycle: symbols_map_new, any number of look-ups, symbols_map_free.
 * Read-only in between: any thread.
 */
#ifndef PROFILING_SYMBOLS_MAP_H
#define PROFILING_SYMBOLS_MAP_H

#include "profiling/profile.h"

struct symbols_map;

/* APP_INTERNAL: /proc cannot be read. APP_NO_MEMORY. */
enum app_err symbols_map_new(struct symbols_map **map) __attribute__((warn_unused_result));
/* NULLs the caller's pointer. NULL allowed. */
void symbols_map_free(struct symbols_map **map);

/*
 * The mapping and the canonical address of a run-time address. False for one in
 * no file, e.g. of generated code: *canonical is then 0, since a run-time
 * address means nothing to a sibling and is nobody's business. The mapping's
 * texts are the map's.
 */
bool symbols_map_find(const struct symbols_map *map, uint64_t address,
                      struct profile_mapping *mapping, uint64_t *canonical);

/* The program's own mapping, to be added to a profile first. */
const struct profile_mapping *symbols_map_program(const struct symbols_map *map);

/* All of them; index below the count. */
size_t symbols_map_count(const struct symbols_map *map);
const struct profile_mapping *symbols_map_at(const struct symbols_map *map, size_t index);

#endif
