# SPDX-License-Identifier: MIT
# Fails when a function is longer than `max` lines from brace to brace. It
# relies on clang-format: a function's braces stand alone in column one.
FNR == 1 { start = 0 }
/^\{/ { start = FNR }
/^\}/ {
    if (start && FNR - start - 1 > max) {
        printf "%s:%d: a function of %d lines\n", FILENAME, start, FNR - start - 1
        bad = 1
    }
    start = 0
}
END { exit bad }
