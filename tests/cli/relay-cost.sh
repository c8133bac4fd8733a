#!/bin/sh
# SPDX-License-Identifier: MIT
# What a relayed guest command costs, in instructions: the same on every machine.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

limit=1500
# With guest memory known to a callback alone, which is asked for every piece.
limit_translated_table=1750
# The limits are for gcc's code; clang 14's is some 4 % longer.
case $BUILD in
*clang*)
	limit=1575
	limit_translated_table=1840
	;;
esac

# own FORMAT KIND [HOW]: what the library's functions spend themselves on a command,
# within vdpr_shadow_process(), on the average of a thousand.
own() {
	valgrind --tool=callgrind --toggle-collect=vdpr_shadow_process \
		--callgrind-out-file="$work/callgrind" \
		"$BUILD/tests/bench/relay" 1000 "$@" >"$work/out" 2>&1 &&
		callgrind_annotate --auto=no --threshold=100 "$work/callgrind" \
			>"$work/err" 2>&1 &&
		awk '/^ *[0-9,]+ \(.*restore\// { gsub(",", "", $1); sum += $1 }
			END { printf "%d", sum / 1000 }' "$work/err"
}

# what_it_costs LIMIT FORMAT KIND [HOW]: in $each
what_it_costs() {
	most=$1
	shift
	name=a_relayed_$2${3:+_$3}_costs_at_most_${most}_instructions_$1
	each=
	if [ -n "${SAN:-}" ] || ! command -v valgrind >/dev/null; then
		skip "$name" 'no valgrind, or a sanitizer has changed the code'
		return
	fi
	each=$(own "$@")
	case $2 in
	rss+*) # by turns: what is not the one is the other
		each=$((2 * each - rss))
		;;
	rss)
		[ -n "${3:-}" ] || rss=$each
		;;
	esac
	[ "${each:-0}" -gt 500 ] && [ "$each" -le "$most" ]
	judge "$name" "${each:-?} instructions"
	echo "# $*: ${each:-?} instructions"
}

# "macs" are 64 addresses, "rss" 128 entries, in four and in six pieces; "rss+pairs"
# are pairs that end RSS.
for format in split packed; do
	rss=0
	for kind in promisc mac vlan vlan-del pairs offloads coal macs rss hash \
		rss+pairs; do
		what_it_costs $limit "$format" "$kind"
	done
	for kind in mac vlan pairs; do
		what_it_costs $limit "$format" "$kind" translated
	done
	for kind in macs rss; do
		what_it_costs $limit_translated_table "$format" "$kind" translated
	done
	what_it_costs $limit "$format" mac timed
done
finish
