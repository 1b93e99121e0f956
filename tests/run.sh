#!/bin/sh
# Runs test programs that report as cmocka does, one after the other, and prints
# the sum as the last line, "N passed, N failed". A program that dies without a
# summary, or that does not end in 10 minutes, counts as one failed test. Output of
# programs that passed is kept in build/test-logs/ only. A program that ends with 77
# cannot be run here, and is named with the reason that its last line gives.
set -u

passed=0
failed=0
logs=build/test-logs
mkdir -p "$logs"

web=
for program in "$@"; do
    case $program in
    WEB=*)
        web=${program#WEB=}
        export WEB="$web"
        continue
        ;;
    esac
    name=${program#build/*/}
    name=${name#tests/}
    name=${web:+$web-}$(echo "${name%/run.sh}" | tr / -)
    log=$logs/$name.log
    started=$(date +%s)
    timeout 600 "$program" >"$log" 2>&1
    status=$?
    seconds=$(($(date +%s) - started))
    if [ "$status" -eq 77 ]; then
        echo "skip  $name: $(tail -n 1 "$log")"
        continue
    fi
    ok=$(sed -nE 's/^\[  PASSED  \] ([0-9]+) test.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    bad=$(sed -nE 's/^\[  FAILED  \] ([0-9]+) test.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
        echo "$name: ended with status $status" >>"$log"
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    if [ "$bad" -eq 0 ]; then
        echo "ok    $name ($ok, $seconds s)"
    else
        echo "FAIL  $name ($bad of $((ok + bad)), $seconds s)"
        sed 's/^/      /' "$log" | tail -n 60
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
