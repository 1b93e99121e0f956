/* SPDX-License-Identifier: MIT */
/*
 * Recognising UTF-8 (RFC 3629), and text that is safe to show: foreign bytes
 * reach logs and error bodies only through these. Pure functions, any thread.
 */
#ifndef LIB_BASE_UTF8_H
#define LIB_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Length in bytes of the well-formed character that starts at `text`, which
 * has `len` bytes left; 0 when it is malformed (overlong forms, surrogates and
 * values above U+10FFFF included) or len is 0.
 */
size_t utf8_char_len(const char *text, size_t len);

/* Whether all `len` bytes are well-formed UTF-8. */
bool utf8_is_valid(const char *text, size_t len);

/*
 * Like utf8_char_len, but also 0 for a control character (C0, DEL, C1) and for one that
 * changes the direction of the text around it, so that a line reads as something else: what
 * can be shown as it is to a person or a terminal.
 */
size_t utf8_printable_len(const char *text, size_t len);

/*
 * Copy `text` into `out` as one printable line: every byte that is not part of
 * a printable character becomes '?', at most `max` bytes of the input are
 * used, and a character is never cut. `out` needs max + 1 bytes.
 */
void utf8_copy_printable(char *out, size_t max, const char *text, size_t len);

#endif
