# Sourced by the tests of the project itself: one TAP line a check.
# shellcheck shell=bash
cd "$(dirname "$0")/../.." || exit 1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
n=0

# check NAME COMMAND...: what the command says is shown only if it fails.
check() {
	n=$((n + 1))
	local name=$1
	shift
	if "$@" >"$root/log" 2>&1; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		sed 's/^/# /' "$root/log"
	fi
}

# skip NAME WHY
skip() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}
