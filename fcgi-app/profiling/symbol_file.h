/* SPDX-License-Identifier: MIT */
/*
 * One ELF file with its debug information, wherever the distribution keeps that
 * (in the file, or by build id below /usr/lib/debug): names for its addresses.
 * The only module that includes elfutils' headers. It never asks a debuginfod
 * server. Opening one costs a few milliseconds and megabytes, so one is open at
 * a time and closed after use.
 *
 * Life cycle: symbol_file_open, symbol_file_lines ..., symbol_file_close. One
 * thread at a time.
 */
#ifndef PROFILING_SYMBOL_FILE_H
#define PROFILING_SYMBOL_FILE_H

#include "profiling/profile.h"

struct symbol_file;

/*
 * Open the file that a mapping is of: its path, or /proc/self/exe when the
 * path has another build by now, or the kernel's vdso. APP_NOT_FOUND: there is
 * none of that build id (an empty one fits only a file that has none).
 * APP_NO_MEMORY.
 */
enum app_err symbol_file_open(const struct profile_mapping *mapping, struct symbol_file **file)
    __attribute__((warn_unused_result));

/* NULLs the caller's pointer. NULL allowed. */
void symbol_file_close(struct symbol_file **file);

/*
 * The functions at a canonical address, the innermost inlined one first; 0 when
 * it has no name. Texts are valid until the next call for this file.
 */
size_t symbol_file_lines(struct symbol_file *file, uint64_t address, struct profile_line *lines,
                         size_t max);

#endif
