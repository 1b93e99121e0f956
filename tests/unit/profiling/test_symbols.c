/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "profiling/symbols.h"
#include "profiling/symbols_map.h"
#include "support/command.h"

/* Three functions in one place; where is known by the return address of a call. */
static uintptr_t call_site;

__attribute__((noinline)) static void note_caller(void)
{
    call_site = (uintptr_t)__builtin_return_address(0) - 1;
    __asm__ volatile("");
}

static inline __attribute__((always_inline)) void innermost(volatile int *number)
{
    note_caller();
    *number += 1;
}

static inline __attribute__((always_inline)) void between(volatile int *number)
{
    *number += 2;
    innermost(number);
}

__attribute__((noinline)) static void outermost(volatile int *number)
{
    between(number);
    *number += 3;
}

struct fixture {
    struct symbols *symbols;
    struct symbols_map *map;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    assert_int_equal(symbols_new(NULL, &fixture.symbols), APP_OK);
    assert_int_equal(symbols_map_new(&fixture.map), APP_OK);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    symbols_free(&fixture->symbols);
    symbols_map_free(&fixture->map);
    assert_null(fixture->symbols);
    assert_null(fixture->map);
    symbols_free(&fixture->symbols);
    symbols_map_free(&fixture->map);
    return 0;
}

/* The lines at a run-time address; the mapping is written to `mapping`. */
static size_t lines_at(struct fixture *fixture, uintptr_t address, struct profile_mapping *mapping,
                       struct profile_line *lines)
{
    uint64_t canonical;
    assert_true(symbols_map_find(fixture->map, address, mapping, &canonical));
    assert_true(canonical >= mapping->start && canonical < mapping->limit);
    return symbols_resolve(fixture->symbols, mapping, canonical, lines, PROFILE_MAX_LINES);
}

static void inlined_functions_come_innermost_first_with_their_lines(void **state)
{
    struct fixture *fixture = *state;
    struct profile_line lines[PROFILE_MAX_LINES];
    struct profile_mapping mapping;
    volatile int number = 0;
    outermost(&number);
    symbols_begin(fixture->symbols);
    assert_int_equal(lines_at(fixture, call_site, &mapping, lines), 3);
    assert_string_equal(lines[0].function, "innermost");
    assert_string_equal(lines[1].function, "between");
    assert_string_equal(lines[2].function, "outermost");
    for (size_t i = 0; i < 3; i++) {
        assert_non_null(strstr(lines[i].file, "test_symbols.c"));
        assert_true(lines[i].line > lines[i].start_line);
        assert_true(lines[i].start_line > 0);
    }
    assert_true(lines[0].start_line < lines[1].start_line);
    symbols_end(fixture->symbols);
}

static void fewer_lines_are_given_when_there_is_room_for_fewer(void **state)
{
    struct fixture *fixture = *state;
    struct profile_line lines[2];
    struct profile_mapping mapping;
    uint64_t canonical;
    volatile int number = 0;
    outermost(&number);
    assert_true(symbols_map_find(fixture->map, call_site, &mapping, &canonical));
    symbols_begin(fixture->symbols);
    assert_int_equal(symbols_resolve(fixture->symbols, &mapping, canonical, lines, 2), 2);
    assert_string_equal(lines[1].function, "between");
    symbols_end(fixture->symbols);
}

static void a_stripped_library_is_named_by_its_exported_symbols(void **state)
{
    struct fixture *fixture = *state;
    struct profile_line lines[PROFILE_MAX_LINES];
    struct profile_mapping mapping;
    uintptr_t address = (uintptr_t)dlsym(RTLD_DEFAULT, "inflate");
    assert_true(address != 0);
    symbols_begin(fixture->symbols);
    assert_true(lines_at(fixture, address, &mapping, lines) >= 1);
    assert_string_equal(lines[0].function, "inflate");
    assert_non_null(strstr(mapping.path, "libz.so"));
    assert_int_equal(strlen(mapping.build_id), 40);
    symbols_end(fixture->symbols);
}

static void cplusplus_names_are_readable(void **state)
{
    struct fixture *fixture = *state;
    struct profile_line lines[PROFILE_MAX_LINES];
    struct profile_mapping mapping;
    void *library = dlopen("libstdc++.so.6", RTLD_NOW);
    assert_non_null(library);
    uintptr_t address = (uintptr_t)dlsym(library, "_ZNSs6appendEPKc");
    assert_true(address != 0);
    symbols_map_free(&fixture->map);
    assert_int_equal(symbols_map_new(&fixture->map), APP_OK);
    symbols_begin(fixture->symbols);
    assert_true(lines_at(fixture, address, &mapping, lines) >= 1);
    assert_non_null(strstr(lines[0].function, "::append(char const*)"));
    assert_string_equal(lines[0].system_name, "_ZNSs6appendEPKc");
    symbols_end(fixture->symbols);
    dlclose(library);
}

static void the_kernels_own_library_has_names(void **state)
{
    struct fixture *fixture = *state;
    struct profile_line lines[PROFILE_MAX_LINES];
    const struct profile_mapping *vdso = NULL;
    for (size_t i = 0; i < symbols_map_count(fixture->map); i++) {
        if (strcmp(symbols_map_at(fixture->map, i)->path, "[vdso]") == 0)
            vdso = symbols_map_at(fixture->map, i);
    }
    if (!vdso || !*vdso->build_id) {
        print_message("this kernel has no vdso with a build id\n");
        skip();
        return;
    }
    symbols_begin(fixture->symbols);
    size_t named = 0;
    for (uint64_t address = vdso->start; address < vdso->limit; address += 16)
        named += symbols_resolve(fixture->symbols, vdso, address, lines, 1);
    symbols_end(fixture->symbols);
    assert_true(named > 0);
}

static void the_program_is_known(void **state)
{
    struct fixture *fixture = *state;
    struct profile_mapping mapping;
    uint64_t canonical;
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    assert_true(len > 0);
    self[len] = '\0';
    assert_true(
        symbols_map_find(fixture->map, (uintptr_t)the_program_is_known, &mapping, &canonical));
    assert_string_equal(mapping.path, self);
    assert_string_equal(symbols_map_program(fixture->map)->path, self);
    assert_string_equal(symbols_map_program(fixture->map)->build_id, mapping.build_id);
    /* Far from where a position-independent program is mapped. */
    assert_true(canonical < 1 << 28);
}

static void addresses_at_the_edges_of_a_region_are_told_apart(void **state)
{
    struct fixture *fixture = *state;
    struct profile_mapping mapping = {.path = "junk"};
    uint64_t canonical = 77;
    assert_false(symbols_map_find(fixture->map, 0, &mapping, &canonical));
    assert_int_equal(canonical, 0);
    canonical = 77;
    assert_false(symbols_map_find(fixture->map, UINT64_MAX, &mapping, &canonical));
    assert_int_equal(canonical, 0);
    assert_string_equal(mapping.path, "junk");
    assert_false(symbols_map_find(fixture->map, (uintptr_t)&mapping, &mapping, &canonical));
}

static void generated_code_has_no_address_and_an_honest_name(void **state)
{
    struct fixture *fixture = *state;
    struct profile_mapping mapping;
    struct profile_line line;
    uint64_t canonical = 77;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    symbols_map_free(&fixture->map);
    assert_int_equal(symbols_map_new(&fixture->map), APP_OK);
    assert_false(symbols_map_find(fixture->map, (uintptr_t)page, &mapping, &canonical));
    assert_int_equal(canonical, 0);
    symbols_begin(fixture->symbols);
    assert_int_equal(symbols_resolve(fixture->symbols, NULL, canonical, &line, 1), 1);
    assert_string_equal(line.function, "[unknown]");
    symbols_end(fixture->symbols);
    munmap(page, 4096);
}

static void an_address_without_a_name_gives_none_every_time(void **state)
{
    struct fixture *fixture = *state;
    struct profile_line line;
    const struct profile_mapping *program = symbols_map_program(fixture->map);
    symbols_begin(fixture->symbols);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            symbols_resolve(fixture->symbols, program, program->limit + 1000000, &line, 1), 0);
    symbols_end(fixture->symbols);
}

static size_t count_names(struct fixture *fixture, const struct profile_mapping *mapping)
{
    struct profile_line lines[PROFILE_MAX_LINES];
    uint64_t canonical;
    struct profile_mapping own;
    assert_true(symbols_map_find(fixture->map, (uintptr_t)count_names, &own, &canonical));
    symbols_begin(fixture->symbols);
    size_t count = symbols_resolve(fixture->symbols, mapping, canonical, lines, PROFILE_MAX_LINES);
    symbols_end(fixture->symbols);
    return count;
}

static void a_file_of_another_build_is_not_used(void **state)
{
    struct fixture *fixture = *state;
    struct profile_mapping mapping = *symbols_map_program(fixture->map);
    assert_true(count_names(fixture, &mapping) > 0);
    mapping.build_id = "0123456789abcdef0123456789abcdef01234567";
    assert_int_equal(count_names(fixture, &mapping), 0);
    mapping.build_id = "";
    assert_int_equal(count_names(fixture, &mapping), 0);
}

static void a_program_that_was_replaced_on_disk_still_has_names(void **state)
{
    struct fixture *fixture = *state;
    struct profile_mapping mapping = *symbols_map_program(fixture->map);
    mapping.path = "/etc/passwd";
    assert_true(count_names(fixture, &mapping) > 0);
}

static void whatever_a_sibling_names_as_file_is_survived(void **state)
{
    struct fixture *fixture = *state;
    struct profile_mapping mapping = *symbols_map_program(fixture->map);
    char fifo[64];
    char cut[64];
    mapping.build_id = "";
    command_file("", 0, fifo);
    assert_int_equal(unlink(fifo), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    command_file("\177ELF\002\001\001", 7, cut);
    const char *const paths[] = {"",         "relative",    "/",           "/nowhere", "/dev/zero",
                                 "/dev/tty", "/proc/kcore", "/etc/passwd", fifo,       cut};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        mapping.path = paths[i];
        assert_int_equal(count_names(fixture, &mapping), 0);
    }
    unlink(fifo);
    unlink(cut);
}

static void a_whole_profile_gets_names_and_a_second_one_the_same(void **state)
{
    struct fixture *fixture = *state;
    volatile int number = 0;
    outermost(&number);
    for (int i = 0; i < 2; i++) {
        struct profile *profile = profile_new(&profile_kind_threads);
        struct profile_mapping mapping;
        struct profile_frame frames[2] = {{SIZE_MAX, 0}, {0, 0}};
        const struct profile_line *lines;
        const int64_t value = 1;
        assert_true(symbols_map_find(fixture->map, call_site, &mapping, &frames[1].address));
        assert_int_equal(profile_mapping(profile, &mapping, &frames[1].mapping), APP_OK);
        assert_int_equal(profile_add(profile, frames, 2, NULL, &value), APP_OK);
        assert_int_equal(symbols_profile(fixture->symbols, profile), APP_OK);
        assert_int_equal(profile_frame_lines(profile, 0, 0, &lines, NULL), 1);
        assert_string_equal(lines[0].function, "[unknown]");
        assert_int_equal(profile_frame_lines(profile, 0, 1, &lines, NULL), 3);
        assert_string_equal(lines[2].function, "outermost");
        profile_free(&profile);
    }
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void nothing_stays_open_between_runs(void **state)
{
    struct fixture *fixture = *state;
    size_t before = open_descriptors();
    assert_true(count_names(fixture, symbols_map_program(fixture->map)) > 0);
    assert_int_equal(open_descriptors(), before);
}

static void the_cache_starts_anew_when_it_is_full(void **state)
{
    struct fixture *fixture = *state;
    struct profile_line lines[PROFILE_MAX_LINES];
    const struct profile_mapping *program = symbols_map_program(fixture->map);
    symbols_begin(fixture->symbols);
    for (uint64_t i = 0; i < 50000; i++)
        (void)symbols_resolve(fixture->symbols, program, program->limit + i, lines, 1);
    symbols_end(fixture->symbols);
    assert_true(count_names(fixture, program) > 0);
}

static void *resolve_in_a_thread(void *context)
{
    struct fixture *fixture = context;
    size_t *count = malloc(sizeof(*count));
    assert_non_null(count);
    *count = 0;
    for (int i = 0; i < 20; i++)
        *count += count_names(fixture, symbols_map_program(fixture->map));
    return count;
}

static void threads_take_turns(void **state)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resolve_in_a_thread, *state), 0);
    for (size_t i = 0; i < 4; i++) {
        void *count;
        assert_int_equal(pthread_join(threads[i], &count), 0);
        assert_true(*(size_t *)count >= 20);
        free(count);
    }
}

static void *begin_and_end(void *symbols)
{
    symbols_begin(symbols);
    symbols_end(symbols);
    return NULL;
}

static void a_thread_that_waits_for_another_is_told_of(void **state)
{
    (void)state;
    static const struct route_table no_routes = {NULL, 0};
    struct contention *contention = NULL;
    struct symbols *symbols = NULL;
    struct profile *profile = NULL;
    pthread_t thread;
    assert_int_equal(contention_new(&no_routes, &contention), APP_OK);
    assert_int_equal(symbols_new(contention, &symbols), APP_OK);
    symbols_begin(symbols);
    assert_int_equal(pthread_create(&thread, NULL, begin_and_end, symbols), 0);
    usleep(100 * 1000);
    symbols_end(symbols);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(contention_profile(contention, CONTENTION_MUTEX, &profile), APP_OK);
    assert_int_equal(profile_total(profile, 0), 1);
    profile_free(&profile);
    symbols_free(&symbols);
    contention_free(&contention);
}

#define with_fixture(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    /* Keep the library that a test names loaded. */
    assert_non_null(zlibVersion());
    const struct CMUnitTest tests[] = {
        with_fixture(inlined_functions_come_innermost_first_with_their_lines),
        with_fixture(fewer_lines_are_given_when_there_is_room_for_fewer),
        with_fixture(a_stripped_library_is_named_by_its_exported_symbols),
        with_fixture(cplusplus_names_are_readable),
        with_fixture(the_kernels_own_library_has_names),
        with_fixture(the_program_is_known),
        with_fixture(addresses_at_the_edges_of_a_region_are_told_apart),
        with_fixture(generated_code_has_no_address_and_an_honest_name),
        with_fixture(an_address_without_a_name_gives_none_every_time),
        with_fixture(a_file_of_another_build_is_not_used),
        with_fixture(a_program_that_was_replaced_on_disk_still_has_names),
        with_fixture(whatever_a_sibling_names_as_file_is_survived),
        with_fixture(a_whole_profile_gets_names_and_a_second_one_the_same),
        with_fixture(nothing_stays_open_between_runs),
        with_fixture(the_cache_starts_anew_when_it_is_full),
        with_fixture(threads_take_turns),
        cmocka_unit_test(a_thread_that_waits_for_another_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
