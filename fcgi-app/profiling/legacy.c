/* SPDX-License-Identifier: MIT */
/* The invented address space: below 2^62, since Perl's integers are signed. */
#include "profiling/legacy.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/hex.h"
#include "lib/base/utf8.h"
#include "profiling/profile_table.h"

enum { SLOT_BITS = 32, SLOT_COUNT_BITS = 30, MAX_NAME = 1024 };

static const uint64_t NOWHERE = 1; /* 0 ends a CPU profile */

/* --- addresses -------------------------------------------------------------------------- */

/* Where a file's own addresses begin. */
static uint64_t base_of(const struct profile_mapping *mapping)
{
    const char *name = *mapping->build_id ? mapping->build_id : mapping->path;
    uint64_t hash = profile_hash_bytes(PROFILE_HASH_START, name, strlen(name));
    /* Slot 0 is never given away: small numbers are no addresses. */
    uint64_t slot = 1 + hash % ((UINT64_C(1) << SLOT_COUNT_BITS) - 1);
    return slot << SLOT_BITS;
}

uint64_t legacy_address(const struct profile_mapping *mapping, uint64_t canonical)
{
    if (!mapping || canonical >> SLOT_BITS != 0)
        return NOWHERE;
    return base_of(mapping) + canonical;
}

static bool same_file(const struct profile_mapping *a, const struct profile_mapping *b)
{
    if (*a->build_id || *b->build_id)
        return strcmp(a->build_id, b->build_id) == 0;
    return strcmp(a->path, b->path) == 0;
}

/* The bases of a profile's mappings; 0 for those that share theirs with another file. */
static enum app_err new_bases(const struct profile *profile, uint64_t **bases)
{
    size_t count = profile_mapping_count(profile);
    uint64_t *created = calloc(count + 1, sizeof(*created));
    bool *shared = calloc(count + 1, sizeof(*shared));
    if (!created || !shared) {
        free(created);
        free(shared);
        return APP_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const struct profile_mapping *mapping = profile_mapping_at(profile, i);
        created[i] = base_of(mapping);
        for (size_t j = 0; j < i; j++) {
            if (created[i] == created[j] && !same_file(mapping, profile_mapping_at(profile, j)))
                shared[i] = shared[j] = true;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (shared[i])
            created[i] = 0;
    }
    free(shared);
    *bases = created;
    return APP_OK;
}

/* The address of a frame as the formats have it: of a caller, where it returns to. */
static uint64_t frame_address(const struct profile *profile, const uint64_t *bases, size_t sample,
                              size_t frame)
{
    const struct profile_line *lines;
    uint64_t canonical;
    uint64_t address = NOWHERE;
    (void)profile_frame_lines(profile, sample, frame, &lines, &canonical);
    size_t mapping = profile_frame_mapping(profile, sample, frame);
    if (mapping != SIZE_MAX && bases[mapping] != 0 && canonical >> SLOT_BITS == 0)
        address = bases[mapping] + canonical;
    return frame > 0 ? address + 1 : address;
}

static enum app_err write_maps(const struct profile *profile, const uint64_t *bases,
                               struct buf *out)
{
    enum app_err err = APP_OK;
    for (size_t i = 0; i < profile_mapping_count(profile) && !err; i++) {
        const struct profile_mapping *mapping = profile_mapping_at(profile, i);
        char path[PROFILE_MAX_TEXT + 1];
        utf8_copy_printable(path, PROFILE_MAX_TEXT, mapping->path, strlen(mapping->path));
        if (bases[i] && mapping->limit >> SLOT_BITS == 0)
            err = buf_printf(out, "%016" PRIx64 "-%016" PRIx64 " r-xp %08" PRIx64 " 00:00 0 %s\n",
                             bases[i] + mapping->start, bases[i] + mapping->limit,
                             mapping->file_offset, path);
    }
    return err;
}

/* --- profiles ----------------------------------------------------------------------------- */

static enum app_err write_words(struct buf *out, const uint64_t *words, size_t count)
{
    return buf_append(out, words, count * sizeof(*words));
}

static enum app_err write_cpu_sample(const struct profile *profile, const uint64_t *bases,
                                     size_t index, struct buf *out)
{
    struct profile_sample_view view;
    profile_sample_at(profile, index, &view);
    if (view.depth == 0 || view.values[0] <= 0)
        return APP_OK;
    uint64_t words[2 + PROFILE_MAX_DEPTH] = {(uint64_t)view.values[0], view.depth};
    for (size_t i = 0; i < view.depth; i++)
        words[2 + i] = frame_address(profile, bases, index, i);
    return write_words(out, words, 2 + view.depth);
}

enum app_err legacy_cpu_write(const struct profile *profile, struct buf *out)
{
    assert(profile_kind_of(profile) == &profile_kind_cpu);
    uint64_t *bases;
    enum app_err err = new_bases(profile, &bases);
    if (err)
        return err;
    const uint64_t header[] = {0, 3, 0, (uint64_t)profile_period(profile) / 1000, 0};
    const uint64_t trailer[] = {0, 1, 0};
    err = write_words(out, header, 5);
    for (size_t i = 0; i < profile_sample_count(profile) && !err; i++)
        err = write_cpu_sample(profile, bases, i, out);
    if (!err)
        err = write_words(out, trailer, 3);
    if (!err)
        err = write_maps(profile, bases, out);
    free(bases);
    return err;
}

/* In the format's order: in use, then allocated, objects before bytes. */
static enum app_err write_heap_values(const int64_t *values, const char *behind, struct buf *out)
{
    return buf_printf(out, "%6" PRId64 ": %8" PRId64 " [%6" PRId64 ": %8" PRId64 "] @%s", values[2],
                      values[3], values[0], values[1], behind);
}

static enum app_err write_heap_sample(const struct profile *profile, const uint64_t *bases,
                                      size_t index, struct buf *out)
{
    struct profile_sample_view view;
    profile_sample_at(profile, index, &view);
    for (size_t i = 0; i < 4; i++) {
        if (view.values[i] < 0)
            return APP_OK;
    }
    enum app_err err = write_heap_values(view.values, "", out);
    for (size_t i = 0; i < view.depth && !err; i++)
        err = buf_printf(out, " 0x%016" PRIx64, frame_address(profile, bases, index, i));
    return err ? err : buf_append_str(out, "\n");
}

enum app_err legacy_heap_write(const struct profile *profile, struct buf *out)
{
    assert(profile_kind_of(profile) == &profile_kind_heap);
    uint64_t *bases;
    enum app_err err = new_bases(profile, &bases);
    if (err)
        return err;
    int64_t totals[4];
    for (size_t i = 0; i < 4; i++)
        totals[i] = profile_total(profile, i);
    err = buf_append_str(out, "heap profile: ");
    if (!err)
        err = write_heap_values(totals, " heapprofile\n", out);
    for (size_t i = 0; i < profile_sample_count(profile) && !err; i++)
        err = write_heap_sample(profile, bases, i, out);
    if (!err)
        err = buf_append_str(out, "\nMAPPED_LIBRARIES:\n");
    if (!err)
        err = write_maps(profile, bases, out);
    free(bases);
    return err;
}

/* --- names ---------------------------------------------------------------------------------- */

static int compare_addresses(const void *a, const void *b)
{
    uint64_t left;
    uint64_t right;
    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return (left > right) - (left < right);
}

static bool parse_address(const char *text, size_t len, uint64_t *address)
{
    if (len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        text += 2;
        len -= 2;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = hex_value(text[i]);
        if (digit < 0 || value >> 60 != 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *address = value;
    return len > 0;
}

/* Sorted, so that each file is opened once. */
static size_t parse_question(const char *question, size_t len, uint64_t *addresses)
{
    size_t count = 0;
    for (size_t at = 0; at < len && count < LEGACY_MAX_ADDRESSES;) {
        size_t end = at;
        while (end < len && !strchr("+ \r\n", question[end]))
            end++;
        count += parse_address(question + at, end - at, &addresses[count]);
        at = end + 1;
    }
    qsort(addresses, count, sizeof(*addresses), compare_addresses);
    return count;
}

/* The mapping that an invented address lies in; NULL: none, or of several files. */
static const struct profile_mapping *find_mapping(const struct legacy_resolver *resolver,
                                                  uint64_t address)
{
    uint64_t canonical = address & ((UINT64_C(1) << SLOT_BITS) - 1);
    const struct profile_mapping *found = NULL;
    for (size_t i = 0; i < resolver->mapping_count; i++) {
        const struct profile_mapping *mapping = &resolver->mappings[i];
        if (base_of(mapping) != address - canonical)
            continue;
        if (found && !same_file(found, mapping))
            return NULL;
        if (!found || (canonical >= mapping->start && canonical < mapping->limit))
            found = mapping;
    }
    bool inside = found && canonical >= found->start && canonical < found->limit;
    return inside ? found : NULL;
}

static enum app_err write_name(const char *name, struct buf *out)
{
    char line[MAX_NAME + 1];
    utf8_copy_printable(line, MAX_NAME, name, strlen(name));
    return buf_append_str(out, line);
}

/* google-pprof wants the callers first. */
static enum app_err write_lines(const struct profile_line *lines, size_t count, bool inlined,
                                struct buf *out)
{
    enum app_err err = write_name(lines[count - 1].function, out);
    for (size_t i = count - 1; i > 0 && inlined && !err; i--) {
        err = buf_append_str(out, "--");
        if (!err)
            err = write_name(lines[i - 1].function, out);
    }
    return err;
}

static enum app_err answer_one(const struct legacy_resolver *resolver, uint64_t address,
                               struct buf *out)
{
    const struct profile_mapping *mapping = find_mapping(resolver, address);
    if (!mapping && address != NOWHERE)
        return APP_OK;
    enum app_err err = buf_printf(out, "0x%" PRIx64 " ", address);
    struct profile_line lines[PROFILE_MAX_LINES];
    size_t count = 0;
    if (!err && mapping)
        count =
            resolver->resolve(resolver->context, mapping,
                              address & ((UINT64_C(1) << SLOT_BITS) - 1), lines, PROFILE_MAX_LINES);
    if (!err && count > 0) {
        err = write_lines(lines, count, resolver->inlined, out);
    } else if (!err) {
        char label[MAX_NAME];
        profile_mapping_label(mapping, label, sizeof(label));
        err = write_name(label, out);
    }
    return err ? err : buf_append_str(out, "\n");
}

enum app_err legacy_symbol_answer(const struct legacy_resolver *resolver, const char *question,
                                  size_t len, struct buf *out)
{
    uint64_t *addresses = calloc(LEGACY_MAX_ADDRESSES, sizeof(*addresses));
    if (!addresses)
        return APP_NO_MEMORY;
    size_t count = parse_question(question, len, addresses);
    enum app_err err = buf_append_str(out, "num_symbols: 1\n");
    for (size_t i = 0; i < count && !err; i++) {
        if (i == 0 || addresses[i] != addresses[i - 1])
            err = answer_one(resolver, addresses[i], out);
    }
    free(addresses);
    return err;
}

/* --- cmdline ---------------------------------------------------------------------------------- */

static bool names_a_secret(const char *name, size_t len)
{
    static const char *const words[] = {"token", "secret", "pass", "key", "auth", "cred"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t size = strlen(words[i]);
        for (size_t at = 0; at + size <= len; at++) {
            if (strncasecmp(name + at, words[i], size) == 0)
                return true;
        }
    }
    return false;
}

/* "https://user:password@host/" without its user; `text` is NUL-terminated. */
static enum app_err write_without_user(const char *text, struct buf *out)
{
    const char *scheme = strstr(text, "://");
    const char *user = scheme ? scheme + 3 : NULL;
    const char *at = user ? strchr(user, '@') : NULL;
    if (!at || at > user + strcspn(user, "/?#"))
        return buf_append_str(out, text);
    enum app_err err = buf_append(out, text, (size_t)(user - text));
    if (!err)
        err = buf_append_str(out, "[redacted]");
    return err ? err : buf_append_str(out, at);
}

static enum app_err write_argument(const char *argument, struct buf *out)
{
    const char *equals = strchr(argument, '=');
    if (!equals || !names_a_secret(argument, (size_t)(equals - argument)))
        return write_without_user(argument, out);
    enum app_err err = buf_append(out, argument, (size_t)(equals - argument) + 1);
    return err ? err : buf_append_str(out, "[redacted]");
}

enum app_err legacy_cmdline_write(const char *raw, size_t len, struct buf *out)
{
    /* The kernel ends each argument with a NUL; only what lies between two is one. */
    bool secret_follows = false;
    for (size_t at = 0; at < len;) {
        char *argument = strndup(raw + at, len - at);
        if (!argument)
            return APP_NO_MEMORY;
        size_t size = strlen(argument);
        enum app_err err = at > 0 ? buf_append(out, "", 1) : APP_OK;
        if (!err)
            err =
                secret_follows ? buf_append_str(out, "[redacted]") : write_argument(argument, out);
        secret_follows =
            argument[0] == '-' && !memchr(argument, '=', size) && names_a_secret(argument, size);
        free(argument);
        if (err)
            return err;
        at += size + 1;
    }
    return APP_OK;
}
