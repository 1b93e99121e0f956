/* SPDX-License-Identifier: MIT */
/* No lock is taken here but the one that says that a slot is held. */
#include "lib/telemetry/metrics_memory.h"

#include <string.h>
#include <unistd.h>

#include "lib/telemetry/process_stats.h"

/* --- Layout ---------------------------------------------------------------------- */

static size_t slots_at(void)
{
    return (sizeof(struct metrics_header) + 63) / 64 * 64;
}

static void lay_out(struct metrics_memory *memory)
{
    char *at = memory->file.map;
    memory->header = memory->file.map;
    at += slots_at();
    memory->slots = (void *)at;
    at += sizeof(struct metrics_slot) * LIMIT_METRICS_PROCESSES;
    memory->gauges = (void *)at;
    at += sizeof(*memory->gauges) * memory->gauge_count * LIMIT_METRICS_PROCESSES;
    memory->cells = (void *)at;
}

static size_t size_of(const struct metrics_memory *memory)
{
    return slots_at() +
           (sizeof(struct metrics_slot) + sizeof(*memory->gauges) * memory->gauge_count) *
               LIMIT_METRICS_PROCESSES +
           sizeof(*memory->cells) * memory->cell_count;
}

/* --- Slots ----------------------------------------------------------------------- */

/* Ours now: forget whose it was. The pid comes last, for a scrape may be looking. */
static void enter_slot(struct metrics_memory *memory, size_t number)
{
    struct metrics_slot *slot = &memory->slots[number];
    struct process_stats stats = {.start_ticks = 0};
    (void)process_stats_read(getpid(), &stats);
    atomic_store(&slot->pid, 0);
    for (size_t i = 0; i < memory->gauge_count; i++)
        atomic_store(&metrics_memory_gauges(memory, number)[i], 0);
    atomic_store(&slot->cpu_ns, 0);
    atomic_store(&slot->start_ticks, stats.start_ticks);
    atomic_store(&slot->pid, getpid());
    memory->slot = number;
}

bool metrics_memory_alive(const struct metrics_memory *memory, size_t slot)
{
    if (slot == memory->slot)
        return true;
    return atomic_load(&memory->slots[slot].pid) != 0 && shared_file_is_held(&memory->file, slot);
}

void metrics_memory_account(const struct metrics_memory *memory, size_t slot, uint64_t cpu_ns)
{
    _Atomic uint64_t *known = &memory->slots[slot].cpu_ns;
    uint64_t before = atomic_load(known);
    while (cpu_ns > before) {
        if (atomic_compare_exchange_weak(known, &before, cpu_ns)) {
            atomic_fetch_add(&memory->header->cpu_ns, cpu_ns - before);
            return;
        }
    }
}

/* --- Life ------------------------------------------------------------------------ */

enum app_err metrics_memory_share(struct metrics_memory *memory, const char *directory,
                                  const char layout[MD5_HEX_LEN + 1], struct err_buf *why)
{
    struct shared_file_options options = {
        .directory = directory, .name = "metrics", .size = size_of(memory)};
    size_t slot = 0;
    memcpy(options.layout, layout, sizeof(options.layout));
    enum app_err err = shared_file_open(&memory->file, &options, why);
    if (!err)
        err = shared_file_take_slot(&memory->file, LIMIT_METRICS_PROCESSES, &slot, why);
    if (err) {
        metrics_memory_release(memory);
        return err;
    }
    lay_out(memory);
    enter_slot(memory, slot);
    return APP_OK;
}

enum app_err metrics_memory_private(struct metrics_memory *memory)
{
    enum app_err err = shared_file_private(&memory->file, size_of(memory));
    if (err)
        return err;
    lay_out(memory);
    enter_slot(memory, 0);
    return APP_OK;
}

void metrics_memory_release(struct metrics_memory *memory)
{
    shared_file_release(&memory->file);
}
