#!/bin/sh
# Runs test programs that report as cmocka does, and prints the sum as the last line,
# "N passed, N failed". Among the programs may stand, for those after it:
#
#   WEB=NAME     has it in their environment; WEB=- for nothing
#   JOBS=N       how many run at a time; at first, and with nothing behind the sign, TEST_JOBS
#                or one for each processor, for most of them wait most of the time
#
# tests/run-one.sh runs each and says what counts.
set -u
cd "$(dirname "$0")/.."

TEST_LOGS=build/test-logs
export TEST_LOGS
mkdir -p "$TEST_LOGS"
rm -f "$TEST_LOGS"/*.count

at_a_time=${TEST_JOBS:-$(nproc)}
jobs=$at_a_time
web=-
waiting=
run_waiting() {
    printf '%s' "$waiting" | xargs -r -P "$jobs" -L 1 tests/run-one.sh
    waiting=
}
for program in "$@"; do
    case $program in
    WEB=*) web=${program#WEB=} ;;
    JOBS=*)
        run_waiting
        jobs=${program#JOBS=}
        jobs=${jobs:-$at_a_time}
        ;;
    *)
        waiting="$waiting$web $program
"
        ;;
    esac
done
run_waiting

cat "$TEST_LOGS"/*.count /dev/null | awk '
    { passed += $1; failed += $2 }
    END { print passed + 0 " passed, " failed + 0 " failed"; exit failed > 0 || passed == 0 }'
