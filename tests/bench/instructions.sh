#!/bin/bash
# What a command costs the library itself, in instructions: does not depend on how busy the machine is.
#
#   instructions.sh PROGRAM [-v] [FEATURES DEVICE]
#
# PROGRAM, the vdpa-restore to measure, loads 16 to 4096 VLANs on the simulator under callgrind. Counted is what
# the functions of libvdpa-restore spend themselves within vdpr_restore_run(), planning included: not the simulator
# (it is the device), libc, nor what comes before and after it, reading the file and writing the report, where the
# guest does not wait. -v: by function. FEATURES, a mask, and the simulator to go with it: another ring than the split
# one with event index and indirect descriptors that Linux takes.
# Fails if a command costs more than 300, or if that depends on how many there are.
set -euo pipefail

program=$(realpath "$1")
verbose=
if [ "${2:-}" = -v ]; then
	verbose=-v
	shift
fi
features=${2:-0x1300a0000}
device=${3:-sim}
limit=300
sizes=(16 256 1024 4096)
rounds=6
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The mask above is CTRL_VQ, CTRL_VLAN, VERSION_1, and of the ring EVENT_IDX and INDIRECT_DESC.
state() {
	printf '{"schema": "vdpa-restore/state", "version": 1, "compat": 1, "features": {"offered": "%s",
		"negotiated": "%s"}, "config": {}, "vlan": {"ids": ["0-%d"]}, "unknown": []}' \
		"$features" "$features" $(($1 - 1))
}

# The simulator's own functions, for those that begin with a line of a header's inline function: callgrind takes
# them to be of that file.
nm "$(dirname "$program")/libvdpa-restore.a" 2>/dev/null | awk '
	/:$/ { sim = /^(dev-)?sim/; next }
	$2 ~ /[tT]/ { if (sim) ours[$3] = 1; else other[$3] = 1 }
	END { for (f in ours) if (!(f in other)) print f }' >"$folder/simulator"

# Self cost of each function of the library, of a callgrind file. Names are written once, with a number.
self_costs() {
	awk -v simulator="$folder/simulator" '
	BEGIN { while ((getline f < simulator) > 0) sim[f] = 1 }
	function name(table, text,    id) {
		id = text
		sub(/\).*/, ")", id)
		sub(/^\([0-9]+\) ?/, "", text)
		if (text != "")
			names[table id] = text
		return names[table id]
	}
	/^(fl|fi|fe|cfi|cfl)=/ {
		key = substr($0, 1, index($0, "=") - 1)
		file = name("file", substr($0, length(key) + 2))
		if (key == "fl")
			defined = file
		next
	}
	/^c?fn=/ {
		key = substr($0, 1, index($0, "=") - 1)
		function_name = name("fn", substr($0, length(key) + 2))
		if (key == "fn") {
			place = defined
			sub(/.*\/restore\//, "restore/", place)
			ours = place ~ /^restore\/[^\/]+\.[ch]$/ && place !~ /^restore\/(dev-)?sim/ &&
				!(function_name in sim)
			current = place ":" function_name
		}
		next
	}
	/^calls=/ { getline; next } # the cost of what it called
	/^[0-9+*-]/ { if (ours) cost[current] += $2 }
	END { for (f in cost) print cost[f], f }' "$1"
}

# When the simulator's thread answers decides how often the ring is looked at, and that is the machine's, so of each
# size the run with the fewest looks counts. There are more rounds, to $rounds, while that is too much.
measure() {
	local n=$1 round=$2
	timeout 300 valgrind --tool=callgrind --toggle-collect=vdpr_restore_run \
		--callgrind-out-file="$folder/out.$n.$round" "$program" load "$folder/state" "$device" >"$folder/log" 2>&1 ||
		{ cat "$folder/log" >&2; exit 1; }
	self_costs "$folder/out.$n.$round" | sort -rn >"$folder/costs.$n.$round"
	awk '{ sum += $1 } END { printf "%d\n", sum }' "$folder/costs.$n.$round"
}

declare -A total

# Another run of each size.
go_round() {
	local n sum
	for n in "${sizes[@]}"; do
		state "$n" >"$folder/state"
		read -r sum < <(measure "$n" "$1")
		[ "${total[$n]:-$sum}" -ge "$sum" ] || continue
		total[$n]=$sum
		mv "$folder/costs.$n.$1" "$folder/costs.$n"
	done
}

# The slope over all sizes, and over each step: they agree if the cost is linear.
judge() {
	local i part
	slope=$(((total[${sizes[-1]}] - total[${sizes[0]}]) / (sizes[-1] - sizes[0])))
	low=$slope high=$slope
	for ((i = 1; i < ${#sizes[@]}; i++)); do
		part=$(((total[${sizes[i]}] - total[${sizes[i - 1]}]) / (sizes[i] - sizes[i - 1])))
		((part < low)) && low=$part
		((part > high)) && high=$part
	done
	linear=linear
	((high * 100 > low * 115)) && linear='NOT linear'
	[ "$linear" = linear ] && [ "$slope" -gt 0 ] && [ "$slope" -le "$limit" ]
}

# Three at least: where there are few commands a look more tells.
for ((round = 1; round <= rounds; round++)); do
	go_round "$round"
	judge && ((round >= 3)) && break
done
for n in "${sizes[@]}"; do
	printf '%5d VLANs: %9d instructions of the library\n' "$n" "${total[$n]}"
done
if [ "$verbose" = -v ]; then
	awk -v n=$((sizes[-1] - sizes[0])) 'NR == FNR { base[$2] = $1; next }
		{ each = ($1 - base[$2]) / n; if (each >= 0.5) printf "  %7.1f  %s\n", each, $2 }' \
		"$folder/costs.${sizes[0]}" "$folder/costs.${sizes[-1]}"
fi

echo "instructions per command: $slope ($linear: $low to $high over the steps; limit $limit)"
judge
