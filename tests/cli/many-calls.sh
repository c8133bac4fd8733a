#!/bin/sh
# SPDX-License-Identifier: MIT
# A device that an event loop restores: how many system calls that takes. Its time is
# tests/test-many.c's matter; this is the same on every machine.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# From begin to free and close, those that the simulator makes in the same thread (18,
# and 7 when it closes) among them; some fewer where the device answers at once.
limit=57
name=a_device_takes_at_most_${limit}_system_calls_of_its_event_loop

# calls COUNT HOW: of the thread that restores, or only makes, so many devices.
calls() {
	strace -c -o "$work/calls" "$BUILD/tests/test-many" "$1" "$2" \
		>"$work/out" 2>"$work/err" &&
		awk '$NF == "total" { print $4 }' "$work/calls"
}

# restored COUNT: what restoring them takes.
restored() {
	with=$(calls "$1" restored) && without=$(calls "$1" prepared) &&
		echo $((with - without))
}

if [ -n "${SAN:-}" ] || ! strace -o /dev/null true 2>/dev/null; then
	skip "$name" 'strace cannot trace here, or a sanitizer makes calls of its own'
	finish
fi
each=
few=$(restored 50) && many=$(restored 250) && each=$(((many - few) / 200)) &&
	[ "$each" -gt 20 ] && [ "$each" -le $limit ]
judge "$name" "${each:-?} calls"
echo "# ${each:-?} calls a device"
finish
