#!/bin/sh
# SPDX-License-Identifier: MIT
# What a relayed guest command costs, in instructions: the same on every machine.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

limit=1500

# own COUNT FORMAT KIND: what the library's functions spend themselves, within
# vdpr_shadow_process(), when COUNT commands of this kind are relayed.
own() {
	valgrind --tool=callgrind --toggle-collect=vdpr_shadow_process \
		--callgrind-out-file="$work/callgrind" \
		"$BUILD/tests/bench/relay" "$1" "$2" "$3" >"$work/out" 2>&1 &&
		callgrind_annotate --auto=no --threshold=100 "$work/callgrind" \
			>"$work/err" 2>&1 &&
		awk '/^ *[0-9,]+ \(.*restore\// { gsub(",", "", $1); sum += $1 }
			END { printf "%d", sum }' "$work/err"
}

# cost FORMAT KIND
cost() {
	name=a_relayed_$2_costs_at_most_${limit}_instructions_$1
	each=
	if [ -n "${SAN:-}" ] || ! command -v valgrind >/dev/null; then
		skip "$name" 'no valgrind, or a sanitizer has changed the code'
		return
	fi
	all=$(own 1000 "$1" "$2") && each=$((all / 1000)) &&
		[ "$each" -gt 500 ] && [ "$each" -le "$limit" ]
	judge "$name" "${each:-?} instructions"
	echo "# $1, $2: ${each:-?} instructions"
}

# "macs" are 64 addresses, "rss" 128 entries, in four and in six pieces.
for format in split packed; do
	for kind in promisc mac vlan vlan-del pairs offloads coal macs rss hash; do
		cost "$format" "$kind"
	done
done
finish
