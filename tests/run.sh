#!/bin/bash
# Runs test programs, shows what failed, counts the TAP lines of all of them.
#
# usage: run.sh LOGDIR SUMMARY PROGRAM...
# Every program prints "ok N - name" or "not ok N - name" lines ("# SKIP why" at
# the end of an ok line is a skip). One that ends with another code than 0
# without a "not ok" line counts as a failure of its own. The counts are added
# as one line "passed failed skipped" to the file SUMMARY, before it a line
# "! PROGRAM: not ok N - name" for each that failed (and its "# " line, if one
# follows). A line that begins with "## " is a number worth showing.
set -u

logdir=$1
summary=$2
shift 2
mkdir -p "$logdir"
export CMOCKA_MESSAGE_OUTPUT=TAP

count() {
	grep -cE "$1" "$2" || true
}

passed=0 failed=0 skipped=0
for program in "$@"; do
	name=$(basename "${program%% *}")
	log="$logdir/$name.log"
	began=$SECONDS
	# shellcheck disable=SC2086 # a program may have arguments
	timeout --kill-after=10 "${TEST_TIMEOUT:-600}" $program >"$log" 2>&1 </dev/null
	code=$?
	ok=$(count '^ok ' "$log")
	skips=$(count '^ok .*# SKIP' "$log")
	bad=$(count '^not ok ' "$log")
	if [ "$code" -ne 0 ] && [ "$bad" -eq 0 ]; then
		bad=1
		echo "not ok - $name ended with code $code" >>"$log"
	elif [ "$ok" -eq 0 ] && [ "$bad" -eq 0 ]; then
		bad=1
		echo "not ok - $name ran no test" >>"$log"
	fi
	passed=$((passed + ok - skips))
	skipped=$((skipped + skips))
	failed=$((failed + bad))
	printf '  %-6s %-28s %4d passed, %d failed, %d skipped (%d s)\n' TEST \
		"$name" $((ok - skips)) "$bad" "$skips" $((SECONDS - began))
	grep -E '^ok .*# SKIP' "$log" | sed 's/^/         /'
	sed -n 's/^## /         /p' "$log"
	if [ "$bad" -ne 0 ]; then
		grep -A 1 '^not ok' "$log" | grep -E '^(not ok|#)' | cut -c 1-400 |
			sed "s|^|! $name: |" >>"$summary"
		grep -nE '^not ok|: error:|ERROR|runtime error|Assertion' "$log" | head -20
		echo "  ---- the end of $log:"
		tail -n 40 "$log" | sed 's/^/  | /'
	fi
done
echo "$passed $failed $skipped" >>"$summary"
[ "$failed" -eq 0 ]
