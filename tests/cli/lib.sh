# SPDX-License-Identifier: MIT
# Sourced by the tests of the command line tool: runs it, judges what it said.
# shellcheck shell=sh

VDPA_RESTORE=${VDPA_RESTORE:-build/vdpa-restore}
PYTHON=${PYTHON:-python3}
tests=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
# shellcheck disable=SC2034 # for those who source this
data=$tests/data
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
failed=0
code=0

case $VDPA_RESTORE in
/*) ;;
*) VDPA_RESTORE=$PWD/$VDPA_RESTORE ;;
esac
if [ ! -x "$VDPA_RESTORE" ]; then
	echo "not ok - $VDPA_RESTORE is a program"
	exit 1
fi

ok() {
	echo "ok - $1"
}

skip() {
	echo "ok - $1 # SKIP $2"
}

not_ok() {
	echo "not ok - $1"
	shift
	[ $# -eq 0 ] || echo "# $*"
	[ ! -f "$work/out" ] || sed 's/^/# out: /;20q' "$work/out"
	[ ! -f "$work/err" ] || sed 's/^/# err: /;20q' "$work/err"
	failed=1
}

# Judges the command before it: judge NAME [NOTE].
judge() {
	if [ $? -eq 0 ]; then
		ok "$1"
	else
		not_ok "$@"
	fi
}

# Runs the tool; its exit code is in $code, its words in $work/out and $work/err.
# Nothing that the tool does may last longer than this.
run() {
	timeout -k 1 30 "$VDPA_RESTORE" "$@" >"$work/out" 2>"$work/err" \
		</dev/null
	code=$?
}

# exits CODE NAME ARGUMENT...
exits() {
	want=$1
	name=$2
	shift 2
	run "$@"
	if [ "$code" -eq "$want" ]; then
		ok "$name"
	else
		not_ok "$name" "exit $code, not $want: $*"
	fi
}

# fails CODE PATTERN NAME ARGUMENT...: the same, and one line on standard error
# that matches, nothing on standard output.
fails() {
	want=$1
	pattern=$2
	name=$3
	shift 3
	run "$@"
	if [ "$code" -ne "$want" ]; then
		not_ok "$name" "exit $code, not $want: $*"
	elif [ -s "$work/out" ]; then
		not_ok "$name" "something on standard output"
	elif [ "$(grep -vc '^vdpa-restore: warning: ' "$work/err")" -ne 1 ]; then
		not_ok "$name" "not one line on standard error"
	elif ! grep -Eq -e "^vdpa-restore: .*($pattern)" "$work/err"; then
		not_ok "$name" "no match for: $pattern"
	else
		ok "$name"
	fi
}

# says out|err PATTERN NAME: what the last run said.
says() {
	if grep -Eq -e "$2" "$work/$1"; then
		ok "$3"
	else
		not_ok "$3" "no match for: $2"
	fi
}

# holds NAME EXPRESSION [FILE]: a python expression of j, the JSON in FILE or on
# the last run's standard output.
holds() {
	if "$PYTHON" -c 'import json, sys
j = json.load(open(sys.argv[2]))
sys.exit(0 if eval("(" + sys.argv[1] + ")") else 1)' "$2" "${3:-$work/out}"; then
		ok "$1"
	else
		not_ok "$1" "$2"
	fi
}

# validates NAME FILE...: every file is valid by the JSON Schema.
validates() {
	name=$1
	shift
	"$PYTHON" "$tests/validate.py" "$@" >"$work/out" \
		2>"$work/err"
	code=$?
	if [ "$code" -eq 77 ]; then
		skip "$name" "no validator here"
	elif [ "$code" -eq 0 ]; then
		ok "$name"
	else
		not_ok "$name"
	fi
}

# A state that the smallest sim takes, in few bytes.
small_state() {
	printf '%s' '{"schema":"vdpa-restore/state","version":1,"compat":1,' \
		'"features":{"offered":"0x1008a0020","negotiated":"0x1008a0020"},' \
		'"config":{"mac":"52:54:00:12:34:56"},' \
		'"mac":{"address":"52:54:00:aa:bb:cc"},' \
		'"vlan":{"ids":[1,7]},"unknown":[]}'
}

finish() {
	exit "$failed"
}
