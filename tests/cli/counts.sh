#!/bin/sh
# SPDX-License-Identifier: MIT
# load: how many kicks and ioctls a restore takes, whatever its length.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# vlans N FEATURES: a state with the first N VLANs. Features: CTRL_VQ, CTRL_VLAN,
# VERSION_1 (0x1000a0000), and of the ring EVENT_IDX (bit 29), INDIRECT_DESC (28).
vlans() {
	cat <<-END
		{"schema": "vdpa-restore/state", "version": 1, "compat": 1,
		 "features": {"offered": "$2", "negotiated": "$2"},
		 "config": {}, "vlan": {"ids": ["0-$(($1 - 1))"]}, "unknown": []}
	END
}

# counts N FEATURES DEV: sets $kicks and $ioctls of that load.
counts() {
	vlans "$1" "$2" >"$work/state.json"
	run load --json "$work/state.json" "$3"
	[ "$code" -eq 0 ] || return 1
	# shellcheck disable=SC2046 # three words
	set -- $("$PYTHON" -c '
import json, sys
counts = json.load(open(sys.argv[1]))["counts"]
print(counts["commands"], counts["kicks"], counts["ioctls"])' "$work/out") "$1"
	kicks=$2
	ioctls=$3
	[ "$1" -eq "$4" ]
}

# A ring-full behind each kick: two descriptors a command, one with INDIRECT_DESC.
at_most() {
	counts "$2" "$3" "$4" && [ "$kicks" -le "$5" ]
	judge "$1" "$kicks kicks, at most $5"
}

at_most 'a_ring_of_64_takes_32_commands_a_kick' 4096 0x1000a0000 sim 128
at_most 'with_event_index_too' 4096 0x1200a0000 sim 128
at_most 'with_indirect_descriptors_it_takes_64' 4096 0x1100a0000 sim 64
at_most 'and_with_both' 4096 0x1300a0000 sim 64
at_most 'a_ring_of_256_takes_128_commands_a_kick' 4096 0x1200a0000 \
	sim:cvq-size=256 32
at_most 'what_fits_the_ring_needs_one_kick' 32 0x1200a0000 sim 1
at_most 'a_packed_ring_is_no_worse' 4096 0x5200a0000 \
	sim:features=0x9230000730ffffaf 128
at_most 'nor_is_one_with_indirect_descriptors' 4096 0x5300a0000 \
	sim:features=0x9230000730ffffaf 64

counts 16 0x1200a0000 sim
few=$ioctls
counts 4096 0x1200a0000 sim && [ "$ioctls" -eq "$few" ]
judge 'ioctls_do_not_depend_on_the_number_of_commands' "$few, $ioctls"

# What sets the device up: 2 data queues and the control queue.
[ "$few" -gt 0 ] && [ "$few" -le 55 ]
judge 'a_restore_of_one_pair_takes_few_ioctls' "$few ioctls"

# The typical guest of docs/benchmarks.md, to the call.
run load --json "$data/typical.json" sim
"$PYTHON" -c '
import json, sys
counts = json.load(open(sys.argv[1]))["counts"]
wanted = {"commands": 22, "kicks": 1, "ioctls": 98, "iotlb_writes": 4}
sys.exit("counts are %s, wanted %s" % (counts, wanted) if counts != wanted else 0)' \
	"$work/out" 2>"$work/err"
judge 'a_typical_restore_takes_just_these_calls'

finish
