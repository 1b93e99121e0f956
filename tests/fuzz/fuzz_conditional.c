/* SPDX-License-Identifier: MIT */
/*
 * A byte for the size of a file, then If-None-Match, Range and If-Range, a line
 * each, and the file's first bytes, whose type is guessed.
 */
#include "fuzz/input.h"

#include "lib/http/conditional.h"
#include "lib/http/content_type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char etag[] = "\"0123456789abcdef\"";
    struct fuzz_input input = {data, size};
    size_t file_size = fuzz_byte(&input) + 1;
    char *none_match = fuzz_line(&input);
    char *range = fuzz_line(&input);
    char *if_range = fuzz_line(&input);
    size_t len = input.left;
    char *content = fuzz_text(&input, len);
    struct range part = {0, 0};
    if (conditional_none_match(none_match, etag))
        must(strchr(none_match, '*') || strstr(none_match, etag));
    if (conditional_match(none_match, etag)) /* the stronger comparison of the two */
        must(conditional_none_match(none_match, etag));
    if (conditional_range(range, if_range, etag, file_size, &part) == RANGE_PART)
        must(part.len >= 1 && part.first < file_size && part.len <= file_size - part.first);
    must(strchr(content_type_sniff(content, len), '/') != NULL);
    free(content);
    free(if_range);
    free(range);
    free(none_match);
    return 0;
}
