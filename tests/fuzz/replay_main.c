/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over its seeds without a fuzzer, as a cmocka test: linked to
 * tests/fuzz/fuzz_x.c it takes every file in tests/fuzz/corpus/x. With arguments
 * it takes those files instead, e.g. the input that the fuzzer has found.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* libFuzzer calls it once, where a target has it. */
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

struct replay {
    const char *name; /* of the target */
    int file_count;
    char **files;
};

/* The input has a block of its own size, so that reading beyond it is seen. */
static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fail_msg("cannot open %s", path);
        return;
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)size, file), (size_t)size);
    (void)fclose(file);
    /* Should it die, the last line says of what. */
    (void)fprintf(stderr, "%s\n", path);
    assert_int_equal(LLVMFuzzerTestOneInput(data, (size_t)size), 0);
    free(data);
}

static size_t run_corpus(const char *name)
{
    char directory[PATH_MAX];
    char path[PATH_MAX];
    size_t count = 0;
    (void)snprintf(directory, sizeof(directory), "tests/fuzz/corpus/%s", name);
    DIR *listing = opendir(directory);
    if (!listing) {
        fail_msg("%s is missing: run this from the root of the project", directory);
        return 0;
    }
    const struct dirent *entry;
    while ((entry = readdir(listing))) {
        int len = snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] == '.' || len < 0 || (size_t)len >= sizeof(path))
            continue;
        run_file(path);
        count++;
    }
    (void)closedir(listing);
    return count;
}

static void takes_every_seed(void **state)
{
    const struct replay *replay = *state;
    size_t count = 0;
    for (int i = 0; i < replay->file_count; i++, count++)
        run_file(replay->files[i]);
    if (replay->file_count == 0)
        count = run_corpus(replay->name);
    assert_true(count > 0);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *program = slash ? slash + 1 : argv[0];
    struct replay replay = {.file_count = argc - 1, .files = argv + 1};
    replay.name = strncmp(program, "fuzz_", 5) == 0 ? program + 5 : program;
    if (LLVMFuzzerInitialize)
        (void)LLVMFuzzerInitialize(&argc, &argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(takes_every_seed, &replay)};
    return cmocka_run_group_tests_name(program, tests, NULL, NULL);
}
