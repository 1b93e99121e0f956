#!/bin/sh
# Prints docs/configuration.md, from the tables in the programs in $BUILD. `make docs`
# writes the file, and a test fails while it differs.
set -eu
BUILD=${BUILD:-build/release}

cat <<'TEXT'
<!-- Made by `make docs` from the programs' own tables; change those instead. -->
# Configuration

Every setting is an environment variable, because that is what lighttpd's `bin-environment`, Apache's
`FcgidInitialEnv`, systemd and containers have in common. An empty value is the same as none. A program
whose setting is wrong says which, and what is allowed, and does not start; `--check-config` does only that and
leaves with 0 or 1. `--help` prints the same tables as below. What is in force is logged at the start, secrets
masked.

- Durations are written `300ms`, `30s`, `5m` or `1h30m`; a bare number is seconds.
- Sizes are bytes and take `K`, `M` or `G`, powers of 1024.
- Truths are `true` or `false`, `on` or `off`, `yes` or `no`, `1` or `0`.
- A secret `NAME` may be in a file instead, whose path is in `NAME_FILE`; a line break at its end does not count.
TEXT

for program in api cache facebox; do
    printf '\n## emojify-%s\n\n' "$program"
    "$BUILD/emojify-$program" --settings-markdown
done
