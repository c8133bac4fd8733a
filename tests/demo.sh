#!/bin/bash
# The demo: a real guest's control commands become a state, the state a restore.
#
# usage: demo.sh PATH-OF-VDPA-RESTORE
set -eu
cd "$(dirname "$0")/.."
tool=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() {
	printf '\n\033[1m%s\033[0m\n' "$*"
}

run() {
	printf '  $ %s\n' "${*/$work\//}" | sed "s|$tool|vdpa-restore|"
	timeout 60 "$@"
}

say "1. What a guest said to its network card"
echo "   tests/data/guest-6.12.jsonl was recorded from a Linux 6.12 guest that set"
echo "   its MAC, VLANs, filters, offloads, four queue pairs and a skewed RSS table:"
run "$tool" transcript tests/data/guest-6.12.jsonl | cut -c1-100 | tail -n 7

say "2. save: those commands become one state, as JSON"
run "$tool" save --transcript tests/data/guest-6.12.jsonl -o "$work/guest.json"
run "$tool" show "$work/guest.json" | cut -c1-110

say "3. plan: what a new device has to be told, and in which order"
run "$tool" plan "$work/guest.json" | cut -c1-110

say "4. load: only the control queue enabled, DRIVER_OK, every command accepted,"
echo "   and only then the data queues (here on the built-in simulator, with the"
echo "   features of that guest's card):"
device="sim:features=+RING_RESET,dump=$work/device.json"
run "$tool" load "$work/guest.json" "$device" 2>&1 | cut -c1-110

say "5. diff: what the device holds now (B), against what the guest had set (A)"
echo "   Its config space differs in the MAC, as it should: it shows the guest's."
run "$tool" diff "$work/guest.json" "$work/device.json" | tee "$work/diff" | cut -c1-110

for section in features mac rx_mode vlan mq rss offloads; do
	grep -qE "^$section +same" "$work/diff" || {
		say "$section is not what the guest had set"
		exit 1
	}
done
say "Every section that the guest had set is in the device."
