#!/bin/bash
# What a command costs the library: at most 300 instructions, however many there are.
set -u
# shellcheck source=tests/project/lib.sh
. "$(dirname "$0")/lib.sh"
build=${BUILD:-build}

# Sanitizers count themselves, and do not run under valgrind.
case $build in
*san-*)
	echo 'ok 1 - instructions # SKIP a build with sanitizers'
	exit 0
	;;
esac

# The limits are the script's own; here only what it says is looked at as well.
cheap_and_linear() {
	tests/bench/instructions.sh "$build/vdpa-restore" "$@" >"$root/said" || {
		cat "$root/said"
		return 1
	}
	tail -n 1 "$root/said" | grep -qE '^instructions per command: [0-9]+ \(linear: '
}

check 'a command costs at most 300 instructions of the library, linear' cheap_and_linear
[ ! -s "$root/said" ] || sed '$ s/^/#/; s/^/# /; s/^# #/## /' "$root/said"
# With EVENT_IDX and two descriptors a command, the dearest but for IN_ORDER.
check 'so it does in a packed ring' cheap_and_linear 0x5200a0000 \
	sim:features=+RING_PACKED
echo "1..$n"
