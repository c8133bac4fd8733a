#!/bin/bash
# Runs tests under valgrind's memcheck and says in TAP what came of it: one line a test.
#
# usage: valgrind.sh BUILD [NAME...]
#
# NAME: a unit test (test-ring) or a script of the command line tests (load); all of both without. An access that
# is not right, or memory that nothing points to at the end, fails the test, whatever it says itself. Of a script
# only what vdpa-restore does is watched, not the time it takes. Logs stay in BUILD/valgrind/.
set -u

build=$(realpath "${1:?usage: valgrind.sh BUILD [NAME...]}") || exit 2
shift
cd "$(dirname "$0")/.." || exit 1
logs=$build/valgrind
# shellcheck disable=SC2054 # the commas are of one argument
options=(-q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect,possible
	--fair-sched=yes --child-silent-after-fork=yes)
rm -rf "$logs"
mkdir -p "$logs" || exit 1

# Completions run no command; kill and counts are about time and numbers.
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
	for source in tests/test-*.c; do
		names+=("$(basename "$source" .c)")
	done
	names+=(usage show list load files)
fi

# The tool as the scripts see it: valgrind's word, on a file of its own, is not the tool's.
cat >"$logs/vdpa-restore" <<END
#!/bin/sh
exec valgrind ${options[*]} --log-file='$logs/tool.%p' '$build/vdpa-restore' "\$@"
END
chmod +x "$logs/vdpa-restore"

# Is anything in the logs of the tool? They are empty where all was right.
complaints() {
	find "$logs" -name 'tool.*' -size +0
}

# What valgrind itself cannot do.
declare -A cannot=([test-many]='more threads than it has'
	[test-dev-pid]='it does not know pidfd_open()')

unit_test() {
	timeout -k 10 "${VALGRIND_TIMEOUT:-900}" valgrind "${options[@]}" "$build/tests/$1" >"$log" 2>&1 </dev/null
}

export VDPR_SLOW=1 # for tests that look at the clock
export CMOCKA_MESSAGE_OUTPUT=STDOUT
number=0
failed=0
watched=0
echo "1..${#names[@]}"
for name in "${names[@]}"; do
	number=$((number + 1))
	log=$logs/$name.log
	began=$SECONDS
	rm -f "$logs"/tool.*
	if [ -n "${cannot[$name]:-}" ]; then
		echo "ok $number - valgrind, $name # SKIP ${cannot[$name]}"
		continue
	fi
	if [ -x "$build/tests/$name" ]; then
		unit_test "$name"
		code=$?
		# A test that ran out of its own time leaves all behind that it held: once more.
		if [ "$code" -ne 0 ] && grep -q 'FAILED' "$log"; then
			unit_test "$name"
			code=$?
		fi
		runs=$(grep -c 'OK \]' "$log")
	else
		VDPA_RESTORE=$logs/vdpa-restore timeout -k 10 "${VALGRIND_TIMEOUT:-900}" "tests/cli/$name.sh" \
			>"$log" 2>&1 </dev/null
		code=0
		runs=$(find "$logs" -name 'tool.*' | wc -l)
		complaints | while read -r file; do cat "$file"; done >>"$log"
		[ -z "$(complaints)" ] || code=99
	fi
	if [ "$code" -eq 0 ] && [ "$runs" -gt 0 ]; then
		echo "ok $number - valgrind, $name: $runs runs, no error, no leak ($((SECONDS - began)) s)"
		watched=$((watched + runs))
		continue
	fi
	failed=1
	echo "not ok $number - valgrind, $name (code $code, $runs runs)"
	grep -E '^==[0-9]+== +(Invalid|Conditional|Use of|Syscall|[0-9,]+ (\([^)]*\) )?bytes)' "$log" | sort | uniq -c |
		head -n 5 | sed 's/^/# /'
	echo "# log: $log"
done
echo "## valgrind: $watched tests and runs of the tool without an error or a leak"
[ "$failed" -eq 0 ]
