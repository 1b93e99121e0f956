/* SPDX-License-Identifier: MIT */
/*
 * gperftools' formats, for google-pprof and others that know no profile.proto
 * (gperftools docs/pprof_remote_servers.html, docs/cpuprofile-fileformat.html).
 *
 * These formats have bare addresses where ours have a file and an address in it,
 * and their clients ask for names later, of whichever sibling the web server
 * picks. So each file gets a place of its own in an address space that nobody
 * has: 4 GiB that begin where the hash of its build id says (of its path, if it
 * has none). Every sibling of a build computes the same, equal code of siblings
 * is added up, and where a process really has a file stays its secret. Should
 * two files hash alike, both are left without names rather than with wrong ones.
 *
 * Pure functions; errors of all writers: APP_TOO_LARGE from `out`, APP_NO_MEMORY.
 */
#ifndef PROFILING_LEGACY_H
#define PROFILING_LEGACY_H

#include "profiling/profile.h"

enum { LEGACY_MAX_ADDRESSES = 65536 }; /* in one question; more are not answered */

/* The invented address of a place in a file; 1 when there is none (no file, or beyond 4 GiB). */
uint64_t legacy_address(const struct profile_mapping *mapping, uint64_t canonical);

/* A profile of kind cpu as gperftools' CPU profile, in this machine's byte order. */
enum app_err legacy_cpu_write(const struct profile *profile, struct buf *out)
    __attribute__((warn_unused_result));

/* A profile of kind heap as text. Its values are estimates already and say so ("heapprofile"). */
enum app_err legacy_heap_write(const struct profile *profile, struct buf *out)
    __attribute__((warn_unused_result));

/* What names are found with. */
struct legacy_resolver {
    const struct profile_mapping *mappings; /* the files of this process */
    size_t mapping_count;
    /* As for profile_symbolize. */
    size_t (*resolve)(void *context, const struct profile_mapping *mapping, uint64_t address,
                      struct profile_line *lines, size_t max);
    void *context;
    /* With inlined functions, "outer--inner", which only google-pprof knows to read. */
    bool inlined;
};

/*
 * Answer `symbol`: "num_symbols: 1", then a line for each address of the
 * question that lies in one of the files, e.g. "0x1f00001234 main". Addresses
 * are hexadecimal, with 0x and leading zeros or without, and joined by '+'; what
 * is no address is skipped. An address without a name has the file's,
 * "[libc.so.6]", and 1 is "[unknown]".
 */
enum app_err legacy_symbol_answer(const struct legacy_resolver *resolver, const char *question,
                                  size_t len, struct buf *out) __attribute__((warn_unused_result));

/*
 * Answer `cmdline` from the bytes of /proc/self/cmdline: arguments joined by NUL.
 * What follows a name like token, secret or password, and the user in a URL,
 * is replaced by "[redacted]".
 */
enum app_err legacy_cmdline_write(const char *raw, size_t len, struct buf *out)
    __attribute__((warn_unused_result));

#endif
