#!/bin/sh
# SPDX-License-Identifier: MIT
# A device that an event loop restores: how many system calls that takes. Its time is
# tests/test-many.c's matter; this is the same on every machine.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# From begin to free and close, those that the simulator makes in the same thread (18,
# and 7 when it closes) among them. A device that answers at once needs no timer: nine
# fewer. One whose descriptor is polled from the start may wake its loop once more.
limit=57
limit_early=59
name=a_device_takes_at_most_${limit}_system_calls_of_its_event_loop
early=a_device_that_is_polled_from_the_start_takes_at_most_${limit_early}

# calls COUNT HOW: of the thread that restores, or only makes, so many devices.
calls() {
	strace -c -o "$work/calls" "$BUILD/tests/test-many" "$1" "$2" \
		>"$work/out" 2>"$work/err" &&
		awk '$NF == "total" { print $4 }' "$work/calls"
}

# restored COUNT HOW: what restoring them takes.
restored() {
	with=$(calls "$1" "$2") && without=$(calls "$1" prepared) &&
		echo $((with - without))
}

# takes HOW LIMIT: does each device take so many calls at most?
takes() {
	each=
	few=$(restored 50 "$1") && many=$(restored 250 "$1") &&
		each=$(((many - few) / 200)) &&
		[ "$each" -gt 20 ] && [ "$each" -le "$2" ]
}

if [ -n "${SAN:-}" ] || ! strace -o /dev/null true 2>/dev/null; then
	skip "$name" 'strace cannot trace here, or a sanitizer makes calls of its own'
	skip "$early" 'the same'
	finish
fi
takes restored $limit
judge "$name" "${each:-?} calls"
echo "# ${each:-?} calls a device"
takes restored-early $limit_early
judge "$early" "${each:-?} calls"
echo "# ${each:-?} calls a device"
finish
