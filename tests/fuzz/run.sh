#!/bin/bash
# Fuzzes for a set time, target by target, and says in TAP what came of it.
#
# usage: run.sh BUILD SECONDS [NAME...]
#
# BUILD holds the targets (fuzz-NAME). Each begins with its committed examples,
# tests/fuzz/corpus/NAME; SECONDS 0 runs those and nothing else. What is found on
# the way is kept in a temporary folder and dropped: an example worth keeping is
# committed by hand. An input that breaks something stays in BUILD/findings/.
set -u

if [ $# -lt 2 ] || [[ ! $2 =~ ^[0-9]+$ ]]; then
	echo "usage: run.sh BUILD SECONDS [NAME...]" >&2
	exit 2
fi
build=$1
seconds=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd) || exit 1
findings=$build/findings
mkdir -p "$findings" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

export ASAN_OPTIONS="abort_on_error=0:detect_leaks=1:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
	for source in "$here"/fuzz-*.c; do
		name=$(basename "$source" .c)
		names+=("${name#fuzz-}")
	done
fi

# fuzz NAME: runs one target; its output goes to the log.
fuzz() {
	local name=$1 limit=$((seconds + 120)) dict=$here/$1.dict
	local options=(-timeout=10 -rss_limit_mb=2048 -print_final_stats=1
		-artifact_prefix="$findings/$name-")

	if [ "$seconds" -eq 0 ]; then
		options+=(-runs=0)
	else
		options+=(-max_total_time="$seconds" -max_len=4096)
		[ ! -f "$dict" ] || options+=(-dict="$dict")
	fi
	mkdir -p "$work/$name"
	timeout --kill-after=10 "$limit" "$build/fuzz-$name" "${options[@]}" \
		"$work/$name" "$here/corpus/$name" </dev/null
}

failed=0
number=0
echo "1..${#names[@]}"
for name in "${names[@]}"; do
	name=${name#fuzz-}
	number=$((number + 1))
	log=$findings/$name.log
	fuzz "$name" >"$log" 2>&1
	code=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ "$code" -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
		echo "ok $number - fuzz-$name: $runs executions, 0 findings"
		rm -f "$log"
		continue
	fi
	failed=1
	echo "not ok $number - fuzz-$name: ${runs:-0} executions, 1 finding"
	sed -n 's/^.*Test unit written to /# reproducer: /p' "$log"
	echo "# log: $log (code $code)"
	grep -E 'ERROR|SUMMARY|runtime error|broken promise' "$log" | head -n 5 |
		sed 's/^/# /'
done
[ "$failed" -eq 0 ]
