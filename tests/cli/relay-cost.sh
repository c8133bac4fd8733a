#!/bin/sh
# SPDX-License-Identifier: MIT
# What a relayed guest command costs, in instructions: the same on every machine.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# The limits are for what gcc 12 makes, which is what `make` builds and packages
# have; clang 14 inlines less.
limit=1500
# A table of 128 entries is 300 bytes more to copy, twice, and to look through.
limit_rss=2200
case ${BUILD:-} in
*clang*)
	limit=1650
	limit_rss=2450
	;;
esac

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

# cost NAME FORMAT KIND LIMIT
cost() {
	each=
	if [ -n "${SAN:-}" ] || ! command -v valgrind >/dev/null; then
		skip "$1" 'no valgrind, or a sanitizer has changed the code'
		return
	fi
	few=$(own 400 "$2" "$3") && many=$(own 2400 "$2" "$3") &&
		each=$(((many - few) / 2000)) && [ "$each" -gt 500 ] &&
		[ "$each" -le "$4" ]
	judge "$1" "${each:-?} instructions"
	echo "# $2, $3: ${each:-?} instructions"
}

for format in split packed; do
	cost "a_relayed_command_costs_at_most_${limit}_instructions_$format" \
		"$format" vlan $limit
	cost "a_relayed_table_of_128_costs_at_most_${limit_rss}_instructions_$format" \
		"$format" rss $limit_rss
done
finish
