/* SPDX-License-Identifier: MIT */
#include "api/localcache/local_cache_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { COMPLAINT_EVERY_MS = 60000 };

/* content_type_sniff's types, and where their files lie. */
static const struct {
    const char *type;
    enum tier_place place;
} tier_types[] = {
    {"image/jpeg", TIER_JPEG},
    {"image/png", TIER_PNG},
    {"image/gif", TIER_GIF},
    {"image/webp", TIER_WEBP},
    {"image/bmp", TIER_OTHER},
    {"image/x-icon", TIER_OTHER},
    {"text/plain; charset=utf-8", TIER_OTHER},
    {"application/octet-stream", TIER_OTHER},
};
enum { TYPE_COUNT = sizeof(tier_types) / sizeof(tier_types[0]) };

/* TYPE_COUNT: none of them. */
static uint32_t type_index(const char *type)
{
    uint32_t index = 0;
    while (index < TYPE_COUNT && strcmp(tier_types[index].type, type) != 0)
        index++;
    return index;
}

struct tier_file tier_file_of(const struct tier_entry *entry)
{
    return (struct tier_file){.place = tier_types[entry->type].place,
                              .name = entry->name,
                              .hash = entry->hash,
                              .len = entry->len};
}

/* --- Saying so ------------------------------------------------------------------- */

void tier_complain(struct local_cache *tier, const char *reason)
{
    int64_t now_ns = clock_now_ns();
    int64_t due_ns = atomic_load(&tier->complain_ns);
    atomic_store(&tier->failing, true);
    if (now_ns < due_ns || !atomic_compare_exchange_strong(&tier->complain_ns, &due_ns,
                                                           now_ns + COMPLAINT_EVERY_MS * NS_PER_MS))
        return;
    log_warn(&tier->log, "The local cache cannot be used",
             LOG_FIELDS(LOG_STR("directory", tier->path), LOG_STR("reason", reason)));
}

void tier_works(struct local_cache *tier)
{
    if (atomic_load(&tier->failing) && atomic_exchange(&tier->failing, false))
        log_info(&tier->log, "The local cache is used again",
                 LOG_FIELDS(LOG_STR("directory", tier->path)));
}

/* --- Entries --------------------------------------------------------------------- */

/* False: there is no index, or the lock is not to be had. */
static bool lock_entry(struct local_cache *tier, const char *name, struct tier_view *view)
{
    (void)pthread_rwlock_rdlock(&tier->opening);
    bool locked = tier_index_lock(&tier->index, name, view);
    (void)pthread_rwlock_unlock(&tier->opening);
    return locked;
}

void tier_forget(struct local_cache *tier, struct tier_entry *entry)
{
    const struct tier_file file = tier_file_of(entry);
    if (entry->direct)
        tier_dir_unlink_direct(&tier->dir, &file);
    tier_dir_unlink(&tier->dir, &file);
    tier_index_drop(&tier->index, entry);
}

static void hand_out(const struct local_cache *tier, struct tier_entry *entry,
                     struct local_cache_file *file)
{
    const struct tier_file found = tier_file_of(entry);
    entry->handed_out_ns = clock_now_ns();
    tier_dir_path(&tier->dir, &found, file->path);
    file->type = tier_types[entry->type].type;
    file->hash = entry->hash;
    file->len = entry->len;
}

/* Let the web server send it by itself, if it may and does not yet. */
static void link_direct(struct local_cache *tier, struct tier_entry *entry)
{
    if (tier->dir.direct_seconds == 0 || entry->direct)
        return;
    const struct tier_file file = tier_file_of(entry);
    entry->direct = true; /* before it is so, for whoever finds us dead */
    entry->direct = tier_dir_link_direct(&tier->dir, &file);
}

static bool is_fresh(const struct local_cache *tier, const struct tier_entry *entry)
{
    bool may_be_direct = tier->direct_ns > 0 && tier_types[entry->type].place != TIER_OTHER;
    return clock_now_ns() - entry->confirmed_ns < (may_be_direct ? tier->direct_ns : tier->ttl_ns);
}

enum local_cache_result local_cache_find(struct local_cache *tier, const char *name,
                                         struct local_cache_file *file)
{
    enum local_cache_result result = LOCAL_CACHE_MISSING;
    struct tier_view view;
    if (!tier || !lock_entry(tier, name, &view))
        return LOCAL_CACHE_MISSING;
    if (view.entry) {
        const struct tier_file found = tier_file_of(view.entry);
        if (!is_fresh(tier, view.entry)) {
            result = LOCAL_CACHE_STALE;
        } else if (tier_dir_has(&tier->dir, &found)) {
            link_direct(tier, view.entry); /* a process that stopped took the links with it */
            hand_out(tier, view.entry, file);
            result = LOCAL_CACHE_FRESH;
        } else {
            tier_forget(tier, view.entry); /* somebody has wiped the directory */
        }
    }
    tier_index_unlock(&view);
    return result;
}

struct local_cache_ticket local_cache_ticket(struct local_cache *tier, const char *name)
{
    struct local_cache_ticket ticket = {.asked_ns = clock_now_ns(), .removals = UINT64_MAX};
    struct tier_view view;
    if (tier && lock_entry(tier, name, &view)) {
        ticket.removals = view.stripe->removals;
        tier_index_unlock(&view);
    }
    return ticket;
}

int64_t local_cache_remove(struct local_cache *tier, const char *name)
{
    struct tier_view view;
    if (!tier || !lock_entry(tier, name, &view))
        return 0;
    view.stripe->removals++;
    if (view.entry)
        tier_forget(tier, view.entry);
    tier_index_unlock(&view);
    return tier->direct_ns > 0 ? WEB_REMEMBERS_MS : 0; /* the link may have gone just before */
}

/* --- Storing --------------------------------------------------------------------- */

/* Writing is what takes long, so it is done before the lock is taken. */
struct storing {
    struct local_cache *tier;
    const char *name;
    const struct local_cache_ticket *ticket;
    const struct local_cache_content *content;
    uint32_t type;
    int fd; /* the bytes, which have no name yet; -1: not written */
};

static bool is_same(const struct tier_entry *entry, const struct storing *storing)
{
    return entry->hash == storing->content->hash && entry->len == storing->content->len &&
           entry->type == storing->type;
}

static void confirm(struct local_cache *tier, struct tier_entry *entry, int64_t asked_ns)
{
    if (asked_ns > entry->confirmed_ns)
        entry->confirmed_ns = asked_ns;
    link_direct(tier, entry);
}

/* A place in the name's set: its own, a free one, or the one that is longest unused. */
static struct tier_entry *make_place(struct local_cache *tier, struct tier_view *view)
{
    struct tier_entry *place = view->entry;
    for (size_t i = 0; i < TIER_INDEX_WAYS && !view->entry; i++) {
        struct tier_entry *entry = &view->set[i];
        if (!place || !entry->used || (place->used && entry->handed_out_ns < place->handed_out_ns))
            place = entry;
    }
    if (!place->used)
        return place;
    if (place == view->entry) {
        /* The web server may still open the old content: the sweep takes it, later. */
        const struct tier_file file = tier_file_of(place);
        if (place->direct)
            tier_dir_unlink_direct(&tier->dir, &file);
        tier_index_drop(&tier->index, place);
        view->entry = NULL;
        return place;
    }
    if (clock_now_ns() - place->handed_out_ns < tier->grace_ns)
        return NULL;
    tier_forget(tier, place);
    return place;
}

static bool insert(const struct storing *storing, struct tier_view *view)
{
    struct local_cache *tier = storing->tier;
    struct tier_entry *place = make_place(tier, view);
    if (!place)
        return false;
    struct tier_entry fields = {.type = storing->type,
                                .hash = storing->content->hash,
                                .len = storing->content->len,
                                .confirmed_ns = storing->ticket->asked_ns};
    memcpy(fields.name, storing->name, strlen(storing->name) + 1);
    const struct tier_file file = tier_file_of(&fields);
    if (!tier_dir_link(&tier->dir, storing->fd, &file)) {
        tier_complain(tier, strerrordesc_np(errno));
        return false;
    }
    tier_index_insert(&tier->index, view, place, &fields);
    confirm(tier, place, storing->ticket->asked_ns);
    return true;
}

/* With the lock: whether the tier has it now. `*write`: it would, were the bytes written. */
static bool settle(const struct storing *storing, struct tier_view *view, bool *write)
{
    *write = false;
    if (view->stripe->removals != storing->ticket->removals)
        return false;
    if (view->entry && is_same(view->entry, storing)) {
        const struct tier_file file = tier_file_of(view->entry);
        if (tier_dir_has(&storing->tier->dir, &file)) {
            confirm(storing->tier, view->entry, storing->ticket->asked_ns);
            return true;
        }
        tier_forget(storing->tier, view->entry);
        view->entry = NULL;
    }
    *write = storing->fd < 0;
    return !*write && insert(storing, view);
}

static bool settle_locked(const struct storing *storing, bool *write, struct local_cache_file *file)
{
    struct tier_view view;
    *write = false;
    if (!lock_entry(storing->tier, storing->name, &view))
        return false;
    bool settled = settle(storing, &view, write);
    if (settled)
        hand_out(storing->tier, view.entry, file);
    tier_index_unlock(&view);
    return settled;
}

/* The next local_cache_tend makes room, so that nobody has to wait for it here. */
static bool has_room(struct local_cache *tier, size_t len)
{
    struct tier_memory *memory = tier->index.memory;
    int64_t room = tier_index_room(len);
    if (room > tier->max_bytes)
        return false;
    if (atomic_load(&memory->bytes) + room <= tier->max_bytes)
        return true;
    int64_t wanted = atomic_load(&memory->wanted);
    while (wanted < room && !atomic_compare_exchange_weak(&memory->wanted, &wanted, room))
        ;
    return false;
}

static bool write_content(struct storing *storing)
{
    struct local_cache *tier = storing->tier;
    storing->fd = tier_dir_write(&tier->dir, tier_types[storing->type].place,
                                 storing->content->pieces, storing->content->count);
    if (storing->fd >= 0) {
        tier_works(tier);
        return true;
    }
    if (errno == ENOSPC || errno == EDQUOT)
        atomic_store(&tier->index.memory->full, 1);
    tier_complain(tier, strerrordesc_np(errno));
    return false;
}

bool local_cache_store(struct local_cache *tier, const char *name,
                       const struct local_cache_ticket *ticket,
                       const struct local_cache_content *content, struct local_cache_file *file)
{
    struct storing storing = {tier, name, ticket, content, type_index(content->type), -1};
    bool write;
    if (!tier || ticket->removals == UINT64_MAX || storing.type == TYPE_COUNT ||
        strlen(name) > LIMIT_CACHE_ID)
        return false;
    bool stored = settle_locked(&storing, &write, file);
    if (write && has_room(tier, content->len) && write_content(&storing))
        stored = settle_locked(&storing, &write, file);
    if (storing.fd >= 0)
        (void)close(storing.fd);
    return stored;
}

const char *local_cache_directory(const struct local_cache *tier)
{
    return tier->path;
}

struct local_cache_usage local_cache_usage(const struct local_cache *tier)
{
    const struct tier_memory *memory = tier ? tier->index.memory : NULL;
    if (!memory)
        return (struct local_cache_usage){0, 0};
    return (struct local_cache_usage){atomic_load(&memory->bytes), atomic_load(&memory->files)};
}
