/* SPDX-License-Identifier: MIT */
/* The table of well-formed sequences of RFC 3629, section 4, as conditions. */
#include "lib/base/utf8.h"

#include <string.h>

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t utf8_char_len(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        return len >= 2 && is_tail(s[1]) ? 2 : 0;
    if (s[0] >= 0xe0 && s[0] <= 0xef) {
        if (len < 3 || !is_tail(s[1]) || !is_tail(s[2]))
            return 0;
        bool overlong = s[0] == 0xe0 && s[1] < 0xa0;
        bool surrogate = s[0] == 0xed && s[1] > 0x9f;
        return overlong || surrogate ? 0 : 3;
    }
    if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        if (len < 4 || !is_tail(s[1]) || !is_tail(s[2]) || !is_tail(s[3]))
            return 0;
        bool overlong = s[0] == 0xf0 && s[1] < 0x90;
        bool beyond = s[0] == 0xf4 && s[1] > 0x8f;
        return overlong || beyond ? 0 : 4;
    }
    return 0;
}

bool utf8_is_valid(const char *text, size_t len)
{
    while (len > 0) {
        size_t step = utf8_char_len(text, len);
        if (step == 0)
            return false;
        text += step;
        len -= step;
    }
    return true;
}

/* U+202A to U+202E and U+2066 to U+2069 (Unicode Standard Annex 9, 2.1 to 2.4). */
static bool is_bidi_control(const unsigned char s[3])
{
    return s[0] == 0xe2 && ((s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) ||
                            (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
}

size_t utf8_printable_len(const char *text, size_t len)
{
    size_t step = utf8_char_len(text, len);
    const unsigned char *s = (const unsigned char *)text;
    if (step == 1 && (s[0] < 0x20 || s[0] == 0x7f))
        return 0;
    if (step == 2 && s[0] == 0xc2 && s[1] < 0xa0)
        return 0;
    return step == 3 && is_bidi_control(s) ? 0 : step;
}

void utf8_copy_printable(char *out, size_t max, const char *text, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len && used < max;) {
        size_t step = utf8_printable_len(text + i, len - i);
        if (step > max - used)
            break;
        if (step == 0) {
            out[used++] = '?';
            i++;
        } else {
            memcpy(out + used, text + i, step);
            used += step;
            i += step;
        }
    }
    out[used] = '\0';
}
