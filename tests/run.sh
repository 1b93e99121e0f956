#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh PROGRAM...: runs test programs that report as cmocka does, and prints the sum as the last
# line, "N passed, N failed". tests/run-one.sh runs each and says what counts.
#
# What a program needs is told by a line of its source, in a comment of its own:
#
#   /* run: WORD... */   (in a script: # run: WORD...)
#     web=NAME           it runs behind this web server; several of these: once behind each
#     web=all            it runs once behind each of WEB_SERVERS (default: lighttpd)
#     long               it runs only where EMOJIFY_LONG_TESTS is set (make test-long)
#     alone              nothing runs beside it, for it looks at milliseconds or shares of CPU time
#     seconds=N          it takes about so long; those that take longest start first
#
# Other words are for mk/tests.mk. TEST_JOBS programs run at a time, by default one for each
# processor. Two for each take a quarter less time, and now and then one of those that look at a
# request under way comes too late.
set -u
cd "$(dirname "$0")/.."

TEST_LOGS=build/test-logs
export TEST_LOGS
mkdir -p "$TEST_LOGS"
rm -f "$TEST_LOGS"/*.count
jobs=${TEST_JOBS:-$(nproc)}
web_servers=${WEB_SERVERS:-lighttpd}

# "alone|beside SECONDS WEB PROGRAM" for each run of a program.
list_runs() {
    for program in "$@"; do
        source=${program#"${BUILD:-build/release}"/}
        [ -f "$source" ] || source=$source.c
        words=$(sed -nE '1,10s/^(#|\/\*) run: ([^*]*).*/\2/p' "$source")
        webs=- seconds=0 company=beside
        for word in $words; do
            case $word in
            web=all) webs=$web_servers ;;
            web=*) webs="${webs#-} ${word#web=}" ;;
            seconds=*) seconds=${word#seconds=} ;;
            alone) company=alone ;;
            long) [ -n "${EMOJIFY_LONG_TESTS:-}" ] || webs= ;;
            esac
        done
        for web in $webs; do
            echo "$company $seconds $web $program"
        done
    done
}

# Of all runs those with such company, the longest first.
run_those() {
    echo "$runs" | sed -n "s/^$1 //p" | sort -s -k 1,1nr | cut -d ' ' -f 2- |
        xargs -r -P "$2" -L 1 tests/run-one.sh
}

runs=$(list_runs "$@")
run_those alone 1
run_those beside "$jobs"

cat "$TEST_LOGS"/*.count /dev/null | awk '
    { passed += $1; failed += $2 }
    END { print passed + 0 " passed, " failed + 0 " failed"; exit failed > 0 || passed == 0 }'
