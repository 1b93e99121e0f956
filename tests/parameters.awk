# SPDX-License-Identifier: MIT
# Fails when a function has more than `max` parameters and is not in the file `list`, which says
# why each stays, or when one of the list has no longer so many. It relies on clang-format: a
# definition begins in column one, and its brace stands alone there.
BEGIN {
    while ((getline line < list) > 0) {
        if (line !~ /^(#|$)/)
            listed[line] = 1
    }
}
# How many parameters there are in "type name(...)".
function count_parameters(text,    depth, count, i, c) {
    depth = 0
    count = 1
    for (i = index(text, "("); i <= length(text); i++) {
        c = substr(text, i, 1)
        depth += (c == "(") - (c == ")")
        count += c == "," && depth == 1
    }
    return count
}
FNR == 1 { collecting = 0 }
/^[A-Za-z_].*\(/ && !/[;=]/ && !/^#/ {
    text = ""
    start = FNR
    collecting = 1
}
collecting { text = text " " $0 }
/;$/ { collecting = 0 }
/^\{/ && collecting {
    collecting = 0
    match(text, /[A-Za-z_0-9]+\(/)
    name = FILENAME " " substr(text, RSTART, RLENGTH - 1)
    if (count_parameters(text) <= max)
        next
    if (!(name in listed)) {
        printf "%s:%d: %s has more than %d parameters\n", FILENAME, start, name, max
        bad = 1
    }
    seen[name] = 1
}
END {
    for (name in listed) {
        if (!(name in seen)) {
            printf "%s: %s: there is no such function any more\n", list, name
            bad = 1
        }
    }
    exit bad
}
