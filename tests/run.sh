#!/bin/sh
# Runs test programs that report as cmocka does, TEST_JOBS at a time (one for each
# processor; most of them wait most of the time), and prints the sum as the last line,
# "N passed, N failed". WEB=name among the programs: those after it get it in their
# environment. tests/run-one.sh runs each and says what counts.
set -u
cd "$(dirname "$0")/.."

TEST_LOGS=build/test-logs
export TEST_LOGS
mkdir -p "$TEST_LOGS"
rm -f "$TEST_LOGS"/*.count

web=-
for program in "$@"; do
    case $program in
    WEB=*) web=${program#WEB=} ;;
    *) echo "$web $program" ;;
    esac
done | xargs -P "${TEST_JOBS:-$(nproc)}" -L 1 tests/run-one.sh

cat "$TEST_LOGS"/*.count /dev/null | awk '
    { passed += $1; failed += $2 }
    END { print passed + 0 " passed, " failed + 0 " failed"; exit failed > 0 || passed == 0 }'
