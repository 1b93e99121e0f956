/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share: taking an input apart into lines and a rest. Each
 * piece is a copy in memory of its own, so that a sanitizer sees each bound.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_input {
    const uint8_t *data;
    size_t left;
};

/* What must hold for any input. */
static inline void must(bool holds)
{
    if (!holds)
        abort();
}

/* The next byte, 0 at the end. */
static inline unsigned fuzz_byte(struct fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->data++;
}

/* The next `len` bytes, or as many as there are, with a NUL behind them; free() it. */
static inline char *fuzz_text(struct fuzz_input *input, size_t len)
{
    if (len > input->left)
        len = input->left;
    char *text = malloc(len + 1);
    must(text != NULL);
    if (len > 0)
        memcpy(text, input->data, len);
    text[len] = '\0';
    input->data += len;
    input->left -= len;
    return text;
}

/* What comes before the next line end, which is passed over; "" at the end. free() it. */
static inline char *fuzz_line(struct fuzz_input *input)
{
    const uint8_t *end = input->left > 0 ? memchr(input->data, '\n', input->left) : NULL;
    char *line = fuzz_text(input, end ? (size_t)(end - input->data) : input->left);
    if (end)
        (void)fuzz_byte(input);
    return line;
}

#endif
