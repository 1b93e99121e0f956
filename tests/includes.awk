# SPDX-License-Identifier: MIT
# Fails when a source of fcgi-app/ includes what its room may not know. A header *_private.h is for
# its own folder. profiling/ is to be a library for any program: it includes itself, lib/base, the C
# library, and the libraries that it is there to hide; only emojify-api includes something of it, and
# only the public header.
BEGIN {
    system_header = "^<(assert|ctype|dirent|dlfcn|elf|errno|fcntl|inttypes|limits|math|poll|pthread|signal|" \
        "stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|time|unistd|unwind|zlib|dwarf|" \
        "sys/[a-z]+|gperftools/[a-z_]+|elfutils/[a-z]+)\\.h>$"
}
function complain(what) {
    printf "%s:%d: %s\n", FILENAME, FNR, what
    bad = 1
}
FILENAME ~ /^fcgi-app\/profiling\// {
    if ($1 == "#include" && $2 !~ /^"(profiling|lib\/base)\// && $2 !~ system_header)
        complain("profiling includes " $2)
    if (/APP_VERSION/)
        complain("profiling knows a program's version")
    next
}
FILENAME ~ /^fcgi-app\// && $1 == "#include" && $2 ~ /^"profiling\// {
    if (FILENAME !~ /^fcgi-app\/api\//)
        complain($2 " is for the api only")
    else if ($2 != "\"profiling/pprof.h\"")
        complain($2 " is not profiling's public header")
}
FILENAME ~ /^fcgi-app\// && $1 == "#include" && $2 ~ /_private\.h"$/ {
    header = substr($2, 2)
    sub(/[^\/]*$/, "", header)
    directory = FILENAME
    sub(/[^\/]*$/, "", directory)
    if (directory != "fcgi-app/" header)
        complain($2 " is private to its room")
}
END { exit bad }
