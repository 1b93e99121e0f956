/* SPDX-License-Identifier: MIT */
/*
 * libdwfl finds the files and the symbol tables. The way from an address through
 * the DWARF tree is walked here, since dwarf_getscopes visits the whole unit.
 */
#include "profiling/symbol_file.h"

#include <assert.h>
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include "lib/base/hex.h"

#define MAX_FILE (INT64_C(4) << 30)

enum {
    MAX_VDSO = 64 * 1024,
    MAX_MANGLED = 2048, /* longer names are shown as they are */
    MAX_BUILD_ID = 64,  /* bytes */
    MAX_NAMESPACES = 16 /* nesting in which functions are looked for */
};

struct symbol_file {
    Dwfl *dwfl;
    Dwfl_Module *module;
    char *vdso;                         /* a copy of it, else NULL */
    GElf_Addr bias;                     /* added to the file's own addresses */
    char *demangled[PROFILE_MAX_LINES]; /* by the latest call */
    size_t demangled_count;
};

/* Of the C++ runtime, which libgrpc brings along (Itanium C++ ABI, 3.4); it has no C header. */
char *__cxa_demangle(const char *mangled, char *buffer, size_t *length, int *status);

/*
 * Unlike dwfl_standard_find_debuginfo this one never goes to the network, whatever
 * DEBUGINFOD_URLS says.
 */
static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_build_id_find_debuginfo,
};

/* --- opening --------------------------------------------------------------------------- */

static bool has_build_id(Dwfl_Module *module, const char *expected)
{
    const unsigned char *id = NULL;
    GElf_Addr where;
    int len = dwfl_module_build_id(module, &id, &where);
    if (len < 0 || len > MAX_BUILD_ID)
        return false;
    char hex[2 * MAX_BUILD_ID + 1];
    hex_write(id, (size_t)len, hex);
    return strcmp(hex, expected) == 0;
}

/* The path came from a sibling: whatever it names, only a plain file of a sane size is opened. */
static int open_regular(const char *path)
{
    int fd = path[0] == '/' ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    struct stat status;
    if (fd >= 0 &&
        (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > MAX_FILE)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static Dwfl_Module *report_path(Dwfl *dwfl, const char *path)
{
    int fd = open_regular(path);
    if (fd < 0)
        return NULL;
    Dwfl_Module *module = dwfl_report_elf(dwfl, path, path, fd, 0, true);
    if (!module)
        close(fd);
    return module;
}

/* The kernel maps its little library whole, section headers included. */
static Dwfl_Module *report_vdso(struct symbol_file *file)
{
    const Elf64_Ehdr *header = NULL;
    uintptr_t at = getauxval(AT_SYSINFO_EHDR);
    memcpy(&header, &at, sizeof(at));
    if (!header)
        return NULL;
    size_t size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
    if (size < sizeof(*header) || size > MAX_VDSO)
        return NULL;
    file->vdso = malloc(size);
    if (!file->vdso)
        return NULL;
    memcpy(file->vdso, header, size);
    return dwfl_report_offline_memory(file->dwfl, "[vdso]", "[vdso]", file->vdso, size);
}

static enum app_err try_open(const char *path, const char *build_id, struct symbol_file **result)
{
    struct symbol_file *file = calloc(1, sizeof(*file));
    if (!file)
        return APP_NO_MEMORY;
    file->dwfl = dwfl_begin(&callbacks);
    if (file->dwfl) {
        dwfl_report_begin(file->dwfl);
        file->module =
            strcmp(path, "[vdso]") == 0 ? report_vdso(file) : report_path(file->dwfl, path);
        (void)dwfl_report_end(file->dwfl, NULL, NULL);
    }
    if (!file->module || !dwfl_module_getelf(file->module, &file->bias) ||
        !has_build_id(file->module, build_id)) {
        symbol_file_close(&file);
        return APP_NOT_FOUND;
    }
    *result = file;
    return APP_OK;
}

enum app_err symbol_file_open(const struct profile_mapping *mapping, struct symbol_file **file)
{
    enum app_err err = try_open(mapping->path, mapping->build_id, file);
    /* An upgrade replaces the program below its running processes. */
    if (err == APP_NOT_FOUND && *mapping->build_id)
        err = try_open("/proc/self/exe", mapping->build_id, file);
    return err;
}

static void forget_demangled(struct symbol_file *file)
{
    while (file->demangled_count > 0)
        free(file->demangled[--file->demangled_count]);
}

void symbol_file_close(struct symbol_file **file)
{
    struct symbol_file *old = *file;
    *file = NULL;
    if (!old)
        return;
    forget_demangled(old);
    if (old->dwfl)
        dwfl_end(old->dwfl);
    free(old->vdso);
    free(old);
}

/* --- names ------------------------------------------------------------------------------ */

/* The name as a person would write it; `mangled` itself when it is no C++ name. */
static const char *demangle(struct symbol_file *file, const char *mangled)
{
    if (strncmp(mangled, "_Z", 2) != 0 || strnlen(mangled, MAX_MANGLED) == MAX_MANGLED ||
        file->demangled_count == PROFILE_MAX_LINES)
        return mangled;
    int status;
    char *name = __cxa_demangle(mangled, NULL, NULL, &status);
    if (!name)
        return mangled;
    file->demangled[file->demangled_count++] = name;
    return name;
}

static const char *linkage_name(Dwarf_Die *function)
{
    Dwarf_Attribute attribute;
    if (!dwarf_attr_integrate(function, DW_AT_linkage_name, &attribute))
        return NULL;
    return dwarf_formstring(&attribute);
}

static size_t symbol_lines(struct symbol_file *file, GElf_Addr address, struct profile_line *line)
{
    GElf_Off offset;
    GElf_Sym symbol;
    const char *name =
        dwfl_module_addrinfo(file->module, address, &offset, &symbol, NULL, NULL, NULL);
    if (!name || !*name)
        return 0;
    *line = (struct profile_line){.function = demangle(file, name), .system_name = name};
    return 1;
}

/* --- the DWARF tree ----------------------------------------------------------------------- */

/* Compilers other than gcc leave out the table of units by address. */
static bool has_unit_table(struct symbol_file *file)
{
    Dwarf_Addr bias;
    Dwarf *dwarf = dwfl_module_getdwarf(file->module, &bias);
    Dwarf_Aranges *ranges;
    size_t count = 0;
    return dwarf && dwarf_getaranges(dwarf, &ranges, &count) == 0 && count > 0;
}

static Dwarf_Die *find_unit(struct symbol_file *file, GElf_Addr address, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(file->module, address, bias);
    if (unit || has_unit_table(file))
        return unit;
    do
        unit = dwfl_module_nextcu(file->module, unit, bias);
    while (unit && dwarf_haspc(unit, address - *bias) <= 0);
    return unit;
}

/* The first child of `parent`, on any depth of namespaces, that is a function around `pc`. */
static bool find_function(Dwarf_Die *parent, Dwarf_Addr pc, unsigned depth, Dwarf_Die *function)
{
    Dwarf_Die child;
    if (depth == MAX_NAMESPACES || dwarf_child(parent, &child) != 0)
        return false;
    do {
        int tag = dwarf_tag(&child);
        if (tag == DW_TAG_subprogram) {
            if (dwarf_haspc(&child, pc) > 0) {
                *function = child;
                return true;
            }
        } else if ((tag == DW_TAG_namespace || tag == DW_TAG_class_type ||
                    tag == DW_TAG_structure_type) &&
                   find_function(&child, pc, depth + 1, function)) {
            return true;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
    return false;
}

/* One step down from `die` to what holds `pc` inside it. */
static bool step_inside(Dwarf_Die *die, Dwarf_Addr pc)
{
    Dwarf_Die child;
    if (dwarf_child(die, &child) != 0)
        return false;
    do {
        int tag = dwarf_tag(&child);
        if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block) &&
            dwarf_haspc(&child, pc) > 0) {
            *die = child;
            return true;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
    return false;
}

/* The function around `pc` and those inlined there, outermost first. Returns how many. */
static size_t find_chain(Dwarf_Die *unit, Dwarf_Addr pc, Dwarf_Die *chain, size_t max)
{
    Dwarf_Die die;
    if (!find_function(unit, pc, 0, &die))
        return 0;
    size_t count = 0;
    chain[count++] = die;
    while (count < max && step_inside(&die, pc)) {
        if (dwarf_tag(&die) == DW_TAG_inlined_subroutine)
            chain[count++] = die;
    }
    return count;
}

static Dwarf_Word attribute_number(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) != 0)
        return 0;
    return value;
}

/* Where `inlined` was called. */
static void set_call_site(Dwarf_Die *unit, Dwarf_Die *inlined, struct profile_line *line)
{
    Dwarf_Files *files;
    size_t count;
    Dwarf_Word file = attribute_number(inlined, DW_AT_call_file);
    if (dwarf_getsrcfiles(unit, &files, &count) == 0 && file < count)
        line->file = dwarf_filesrc(files, file, NULL, NULL);
    line->line = (int)attribute_number(inlined, DW_AT_call_line);
}

static void set_source(Dwarf_Die *unit, Dwarf_Addr pc, struct profile_line *line)
{
    Dwarf_Line *source = dwarf_getsrc_die(unit, pc);
    if (!source)
        return;
    line->file = dwarf_linesrc(source, NULL, NULL);
    if (dwarf_lineno(source, &line->line) != 0)
        line->line = 0;
}

static bool set_function(struct symbol_file *file, Dwarf_Die *die, struct profile_line *line)
{
    const char *name = dwarf_diename(die);
    const char *mangled = linkage_name(die);
    *line = (struct profile_line){.function = mangled ? demangle(file, mangled) : name,
                                  .system_name = mangled};
    Dwarf_Attribute attribute;
    Dwarf_Word start;
    if (dwarf_attr_integrate(die, DW_AT_decl_line, &attribute) &&
        dwarf_formudata(&attribute, &start) == 0)
        line->start_line = (int)start;
    return line->function != NULL;
}

static size_t dwarf_lines(struct symbol_file *file, GElf_Addr address, struct profile_line *lines,
                          size_t max)
{
    Dwarf_Die chain[PROFILE_MAX_LINES];
    Dwarf_Addr bias;
    Dwarf_Die *unit = find_unit(file, address, &bias);
    if (!unit)
        return 0;
    Dwarf_Addr pc = address - bias;
    size_t count = find_chain(unit, pc, chain, max);
    for (size_t i = 0; i < count; i++) {
        Dwarf_Die *die = &chain[count - 1 - i];
        if (!set_function(file, die, &lines[i]))
            return 0;
        if (i == 0)
            set_source(unit, pc, &lines[i]);
        else
            set_call_site(unit, die + 1, &lines[i]);
    }
    return count;
}

/* Hand-written assembler has lines but no function in DWARF. */
static size_t symbol_with_source(struct symbol_file *file, GElf_Addr address,
                                 struct profile_line *line)
{
    size_t count = symbol_lines(file, address, line);
    Dwarf_Addr bias;
    Dwarf_Die *unit = count ? find_unit(file, address, &bias) : NULL;
    if (unit)
        set_source(unit, address - bias, line);
    return count;
}

size_t symbol_file_lines(struct symbol_file *file, uint64_t address, struct profile_line *lines,
                         size_t max)
{
    assert(max > 0);
    forget_demangled(file);
    GElf_Addr biased = address + file->bias;
    size_t count =
        dwarf_lines(file, biased, lines, max < PROFILE_MAX_LINES ? max : PROFILE_MAX_LINES);
    return count ? count : symbol_with_source(file, biased, lines);
}
