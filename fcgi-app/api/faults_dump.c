/* SPDX-License-Identifier: MIT */
/*
 * A debug line that somebody forgot, kept as an experiment. The Go service had one
 * in the route that serves pictures: it printed every reply of the cache, the whole
 * picture, as text. Nobody saw it in a review or a test; it took a CPU profile in
 * production. CACHE_ERROR_TYPE=dump brings it back, for a share of the requests, so
 * that anybody can look for it with the profiler, in the charts of CPU per request
 * and in a flame graph, and see what finding such a thing is like.
 *
 * So this is slow by intent: one stdio call a byte, each with the stream's lock. It
 * is not a log record, and lines of the log may come in between.
 */
#include "api/clients/cache_client.h"
#include "api/faults.h"

#include <ctype.h>
#include <unistd.h>

/* A byte as protobuf's text format has it between quotes. */
static void dump_byte(FILE *out, unsigned char byte)
{
    static const char named[] = "\n\r\t\"'\\";
    static const char names[] = "nrt\"'\\";
    for (size_t i = 0; i < sizeof(named) - 1; i++) {
        if (byte == (unsigned char)named[i]) {
            putc('\\', out);
            putc(names[i], out);
            return;
        }
    }
    if (byte >= ' ' && byte <= '~') {
        putc(byte, out);
        return;
    }
    putc('\\', out);
    putc('0' + (byte >> 6), out);
    putc('0' + (byte >> 3 & 7), out);
    putc('0' + (byte & 7), out);
}

/* Not inlined: it is the name that the profile must show. */
__attribute__((noinline)) void dump_cache_item(FILE *out, const char *id,
                                               const struct cache_item *item)
{
    fputs("id: \"", out);
    for (; *id; id++)
        dump_byte(out, (unsigned char)*id);
    fputs("\"\ndata: \"", out);
    for (size_t i = 0; i < item->count; i++) {
        const unsigned char *bytes = item->pieces[i].iov_base;
        for (size_t at = 0; at < item->pieces[i].iov_len; at++)
            dump_byte(out, bytes[at]);
    }
    fputs("\"\n", out);
}

void faults_dump(const char *id, const struct cache_item *item)
{
    int fd = dup(STDERR_FILENO);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    (void)setvbuf(out, NULL, _IOFBF, BUFSIZ);
    dump_cache_item(out, id, item);
    (void)fclose(out);
}
