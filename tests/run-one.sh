#!/bin/sh
# run-one.sh WEB PROGRAM: runs one test program for run.sh, with WEB in its environment
# unless that is "-". Says in one piece how it went, and leaves what it printed in
# TEST_LOGS/NAME.log and the tests that passed and failed in NAME.count. A program that
# dies without a summary, or that does not end in 10 minutes, counts as one failed test.
# One that ends with 77 cannot be run here, and is named with the reason that its last
# line gives.
set -u
web=$1
program=$2
name=${program#build/*/}
name=${name#tests/}
name=$(echo "${name%/run.sh}" | tr / -)
if [ "$web" != - ]; then
    export WEB="$web"
    name=$web-$name
fi
log=$TEST_LOGS/$name.log

started=$(date +%s)
timeout 600 "$program" >"$log" 2>&1 </dev/null
status=$?
seconds=$(($(date +%s) - started))
if [ "$status" -eq 77 ]; then
    echo "skip  $name: $(tail -n 1 "$log")"
    exit 0
fi

ok=$(sed -nE 's/^\[  PASSED  \] ([0-9]+) test.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
bad=$(sed -nE 's/^\[  FAILED  \] ([0-9]+) test.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
    bad=1
    echo "$name: ended with status $status" >>"$log"
fi
echo "$ok $bad" >"$TEST_LOGS/$name.count"
if [ "$bad" -eq 0 ]; then
    echo "ok    $name ($ok, $seconds s)"
else
    printf '%s\n%s\n' "FAIL  $name ($bad of $((ok + bad)), $seconds s)" "$(sed 's/^/      /' "$log" | tail -n 60)"
fi
