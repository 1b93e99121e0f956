/* SPDX-License-Identifier: MIT */
/*
 * A file's ELF header is where its offset 0 is mapped; from there the program
 * headers say which canonical address each offset has, and where the build id
 * is. They are read through /proc/self/mem: when another thread unloads a
 * library meanwhile, that is an error and not a crash.
 */
#include "profiling/symbols_map.h"

#include <assert.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/hex.h"
#include "profiling/profile_table.h"

enum {
    MAX_HEADERS = 64,
    MAX_NOTES = 4096,
    MAX_BUILD_ID = 64, /* bytes */
    MAX_REGIONS = PROFILE_MAX_MAPPINGS,
    MAX_TEXT = 8 * 1024 * 1024
};

/* A line of /proc/self/maps. */
struct region {
    uint64_t start, end;
    uint64_t offset;
    bool executable;
    const char *path;
};

/* An executable region of a file. */
struct entry {
    uint64_t start, end;            /* at run time */
    uint64_t canonical;             /* of start */
    struct profile_mapping mapping; /* the whole segment that it is a part of */
};

struct symbols_map {
    uint64_t page; /* bytes */
    struct arena *arena;
    struct entry *entries; /* by rising start */
    size_t count, capacity;
    size_t program;
};

/* The headers of one file in memory. */
struct image {
    uint64_t bias; /* run-time less canonical address */
    const char *path;
    Elf64_Phdr headers[MAX_HEADERS];
    size_t header_count;
    char build_id[2 * MAX_BUILD_ID + 1];
};

static bool read_memory(int memory, uint64_t address, void *out, size_t len)
{
    return pread(memory, out, len, (off_t)address) == (ssize_t)len;
}

/* Find NT_GNU_BUILD_ID in the bytes of a note segment. */
static bool parse_notes(const unsigned char *notes, size_t len, struct image *image)
{
    Elf64_Nhdr note;
    for (size_t at = 0; len - at >= sizeof(note);) {
        memcpy(&note, notes + at, sizeof(note));
        size_t name = at + sizeof(note);
        size_t name_size = ((size_t)note.n_namesz + 3) / 4 * 4;
        size_t data_size = ((size_t)note.n_descsz + 3) / 4 * 4;
        if (name_size > len - name || data_size > len - name - name_size)
            return false;
        const unsigned char *data = notes + name + name_size;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(notes + name, "GNU", 4) == 0 && note.n_descsz <= MAX_BUILD_ID) {
            hex_write(data, note.n_descsz, image->build_id);
            return true;
        }
        at = name + name_size + data_size;
    }
    return false;
}

static void read_build_id(int memory, struct image *image)
{
    unsigned char notes[MAX_NOTES];
    image->build_id[0] = '\0';
    for (size_t i = 0; i < image->header_count; i++) {
        const Elf64_Phdr *header = &image->headers[i];
        size_t len = header->p_filesz;
        if (header->p_type == PT_NOTE && len <= sizeof(notes) &&
            read_memory(memory, image->bias + header->p_vaddr, notes, len) &&
            parse_notes(notes, len, image))
            return;
    }
}

/* False: not an ELF file of our kind, or it cannot be read. */
static bool read_image(int memory, const struct region *region, struct image *image)
{
    Elf64_Ehdr elf;
    if (!read_memory(memory, region->start, &elf, sizeof(elf)) ||
        memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
        elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum == 0 || elf.e_phnum > MAX_HEADERS)
        return false;
    image->header_count = elf.e_phnum;
    if (!read_memory(memory, region->start + elf.e_phoff, image->headers,
                     image->header_count * sizeof(Elf64_Phdr)))
        return false;
    for (size_t i = 0; i < image->header_count; i++) {
        if (image->headers[i].p_type == PT_LOAD && image->headers[i].p_offset == 0) {
            image->bias = region->start - image->headers[i].p_vaddr;
            image->path = region->path;
            read_build_id(memory, image);
            return true;
        }
    }
    return false;
}

/* The loadable segment that a file offset belongs to. */
static const Elf64_Phdr *find_segment(const struct image *image, uint64_t offset, uint64_t page)
{
    for (size_t i = 0; i < image->header_count; i++) {
        const Elf64_Phdr *header = &image->headers[i];
        uint64_t first = header->p_offset / page * page;
        if (header->p_type == PT_LOAD && (header->p_flags & PF_X) && offset >= first &&
            offset < header->p_offset + header->p_filesz)
            return header;
    }
    return NULL;
}

static enum app_err add_entry(struct symbols_map *map, const struct image *image,
                              const struct region *region)
{
    const Elf64_Phdr *segment = find_segment(image, region->offset, map->page);
    if (!segment)
        return APP_OK;
    enum app_err err =
        profile_array_grow(&map->entries, &map->capacity, map->count, sizeof(*map->entries));
    const char *build_id = arena_strndup(map->arena, image->build_id, strlen(image->build_id));
    if (err || !build_id)
        return APP_NO_MEMORY;
    uint64_t slack = segment->p_offset % map->page;
    struct entry *entry = &map->entries[map->count];
    *entry = (struct entry){
        .start = region->start,
        .end = region->end,
        .canonical = region->offset - segment->p_offset + segment->p_vaddr,
        .mapping = {.path = image->path,
                    .build_id = build_id,
                    .start = segment->p_vaddr - slack,
                    .limit = (segment->p_vaddr + segment->p_memsz + map->page - 1) / map->page *
                             map->page,
                    .file_offset = segment->p_offset - slack},
    };
    uint64_t start_of_program = getauxval(AT_ENTRY);
    if (start_of_program >= entry->start && start_of_program < entry->end)
        map->program = map->count;
    map->count++;
    return APP_OK;
}

/* Reads a hexadecimal number and the character behind it. */
static bool parse_hex(char **at, char behind, uint64_t *number)
{
    char *end;
    *number = strtoull(*at, &end, 16);
    bool good = end != *at && *end == behind;
    *at = good ? end + 1 : end;
    return good;
}

/* The kernel's note on a file that has been replaced is not a part of its name. */
static void cut_deleted(char *path)
{
    static const char deleted[] = " (deleted)";
    size_t len = strlen(path);
    size_t mark = sizeof(deleted) - 1;
    if (len > mark && strcmp(path + len - mark, deleted) == 0)
        path[len - mark] = '\0';
}

/* "7f00-7f10 r-xp 00001000 fe:00 1234    /path with spaces"; false for what is no file. */
static bool parse_region(char *line, struct region *region)
{
    char *at = line;
    line[strcspn(line, "\n")] = '\0';
    if (!parse_hex(&at, '-', &region->start) || !parse_hex(&at, ' ', &region->end))
        return false;
    region->executable = strncmp(at, "r-x", 3) == 0 || strncmp(at, "rwx", 3) == 0;
    at += strcspn(at, " ");
    if (*at == '\0')
        return false;
    at++;
    if (!parse_hex(&at, ' ', &region->offset))
        return false;
    char *path = strpbrk(at, "/[");
    if (!path)
        return false;
    cut_deleted(path);
    region->path = path;
    return path[0] == '/' || strcmp(path, "[vdso]") == 0;
}

/* The path is copied once a file: regions of one file follow each other. */
static enum app_err read_regions(struct symbols_map *map, FILE *maps, int memory)
{
    struct image image = {.path = ""};
    char line[PROFILE_MAX_TEXT + 128];
    size_t seen = 0;
    while (seen < MAX_REGIONS && fgets(line, sizeof(line), maps)) {
        struct region region;
        if (!parse_region(line, &region))
            continue;
        seen++;
        if (region.offset == 0) {
            region.path = arena_strndup(map->arena, region.path, strlen(region.path));
            if (!region.path)
                return APP_NO_MEMORY;
            if (!read_image(memory, &region, &image))
                image.path = "";
        }
        if (region.executable && strcmp(region.path, image.path) == 0) {
            enum app_err err = add_entry(map, &image, &region);
            if (err)
                return err;
        }
    }
    return APP_OK;
}

static enum app_err read_all(struct symbols_map *map)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    enum app_err err = maps && memory >= 0 ? read_regions(map, maps, memory) : APP_INTERNAL;
    if (!err && map->program == SIZE_MAX)
        err = APP_INTERNAL;
    if (maps)
        (void)fclose(maps);
    if (memory >= 0)
        close(memory);
    return err;
}

enum app_err symbols_map_new(struct symbols_map **map)
{
    struct symbols_map *created = calloc(1, sizeof(*created));
    if (!created)
        return APP_NO_MEMORY;
    created->page = getauxval(AT_PAGESZ);
    created->program = SIZE_MAX;
    created->arena = arena_new(MAX_TEXT);
    enum app_err err = created->arena ? read_all(created) : APP_NO_MEMORY;
    if (err)
        symbols_map_free(&created);
    else
        *map = created;
    return err;
}

void symbols_map_free(struct symbols_map **map)
{
    struct symbols_map *old = *map;
    *map = NULL;
    if (!old)
        return;
    arena_free(&old->arena);
    free(old->entries);
    free(old);
}

bool symbols_map_find(const struct symbols_map *map, uint64_t address,
                      struct profile_mapping *mapping, uint64_t *canonical)
{
    size_t low = 0;
    size_t high = map->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (map->entries[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == map->count || address < map->entries[low].start) {
        *canonical = 0;
        return false;
    }
    const struct entry *entry = &map->entries[low];
    *mapping = entry->mapping;
    *canonical = address - entry->start + entry->canonical;
    return true;
}

const struct profile_mapping *symbols_map_program(const struct symbols_map *map)
{
    return &map->entries[map->program].mapping;
}

size_t symbols_map_count(const struct symbols_map *map)
{
    return map->count;
}

const struct profile_mapping *symbols_map_at(const struct symbols_map *map, size_t index)
{
    assert(index < map->count);
    return &map->entries[index].mapping;
}
