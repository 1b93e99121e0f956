/* SPDX-License-Identifier: MIT */
/*
 * What google-pprof asks: the addresses of a symbol question, and the command
 * line that cmdline tells. The first byte of the input says which of them.
 */
#include <stdlib.h>
#include <string.h>

#include "profiling/legacy.h"

enum { MAX_OUTPUT = 64 * 1024 * 1024, INLINED = 1, COMMAND_LINE = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first and the last are pieces of one file; no address of the second's is beyond it. */
static const struct profile_mapping mappings[] = {
    {"/usr/bin/emojify-api", "0a1b", 0x1000, 0x9000, 0x1000},
    {"/lib/libc.so.6", "c0ffee", 0x2000, UINT64_MAX, 0x2000},
    {"/tmp/\xff\n.so", "", 0, 0x2000, 0},
    {"/usr/bin/emojify-api", "0a1b", 0x9000, 0x9800, 0x9000},
};

static size_t resolve(void *context, const struct profile_mapping *mapping, uint64_t address,
                      struct profile_line *lines, size_t max)
{
    (void)context;
    if (address < mapping->start || address >= mapping->limit)
        abort();
    size_t count = address % (max + 1);
    for (size_t i = 0; i < count; i++)
        lines[i] = (struct profile_line){.function = i % 2 ? "outer" : "in\nner\xff"};
    return count;
}

/* "num_symbols: 1", then lines of an address, a space and a name. */
static void check_answer(const struct buf *answer)
{
    static const char first[] = "num_symbols: 1\n";
    size_t at = sizeof(first) - 1;
    if (answer->len < at || memcmp(answer->data, first, at) != 0)
        abort();
    while (at < answer->len) {
        const char *line = answer->data + at;
        const char *end = memchr(line, '\n', answer->len - at);
        const char *space = end ? memchr(line, ' ', (size_t)(end - line)) : NULL;
        if (!space || strncmp(line, "0x", 2) != 0 || space + 1 == end)
            abort();
        at = (size_t)(end - answer->data) + 1;
    }
}

/* Neither an argument more nor one less than there were. */
static void check_command_line(const char *raw, size_t len, const struct buf *out)
{
    size_t wanted = 0;
    size_t found = 0;
    for (size_t i = 0; i + 1 < len; i++)
        wanted += raw[i] == '\0';
    for (size_t i = 0; i < out->len; i++)
        found += out->data[i] == '\0';
    if (wanted != found)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out;
    if (size == 0)
        return 0;
    unsigned how = data[0];
    const char *text = (const char *)data + 1;
    size_t len = size - 1;
    buf_init(&out, MAX_OUTPUT);
    if (how & COMMAND_LINE) {
        if (legacy_cmdline_write(text, len, &out) != APP_OK)
            abort();
        check_command_line(text, len, &out);
    } else {
        const struct legacy_resolver resolver = {.mappings = mappings,
                                                 .mapping_count =
                                                     sizeof(mappings) / sizeof(mappings[0]),
                                                 .resolve = resolve,
                                                 .inlined = how & INLINED};
        if (legacy_symbol_answer(&resolver, text, len, &out) != APP_OK)
            abort();
        check_answer(&out);
    }
    buf_release(&out);
    return 0;
}
