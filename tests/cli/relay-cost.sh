#!/bin/sh
# SPDX-License-Identifier: MIT
# What a relayed guest command costs, in instructions: the same on every machine.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

limit=1500

# own COUNT FORMAT: what the library's functions spend themselves, within
# vdpr_shadow_process(), when COUNT commands are relayed.
own() {
	valgrind --tool=callgrind --toggle-collect=vdpr_shadow_process \
		--callgrind-out-file="$work/callgrind" \
		"$BUILD/tests/bench/relay" "$1" "$2" vlan >"$work/out" 2>&1 &&
		callgrind_annotate --auto=no --threshold=100 "$work/callgrind" \
			>"$work/err" 2>&1 &&
		awk '/^ *[0-9,]+ \(.*restore\// { gsub(",", "", $1); sum += $1 }
			END { printf "%d", sum }' "$work/err"
}

for format in split packed; do
	name="a_relayed_command_costs_at_most_${limit}_instructions_$format"
	if [ -n "${SAN:-}" ] || ! command -v valgrind >/dev/null; then
		skip "$name" 'no valgrind, or a sanitizer has changed the code'
		continue
	fi
	each=
	few=$(own 400 $format) && many=$(own 2400 $format) &&
		each=$(((many - few) / 2000)) && [ "$each" -gt 500 ] &&
		[ "$each" -le $limit ]
	judge "$name" "${each:-?} instructions"
	echo "# $format: ${each:-?} instructions"
done
finish
