#!/bin/sh
# SPDX-License-Identifier: MIT
# save --netdev: names, errors, and a veth in a network namespace of its own.

# The second half runs as "netdev.sh inside" in that namespace.
if [ "${1-}" = inside ]; then
	PATH=$PATH:/usr/sbin:/sbin
	ip link add va numtxqueues 3 numrxqueues 3 type veth peer name vb \
		numtxqueues 3 numrxqueues 3 &&
		ip link set va address 02:00:00:00:00:aa mtu 1400 up &&
		ip link set vb up && ip link set va allmulticast on &&
		ip maddr add 01:00:5e:01:02:03 dev va &&
		bridge fdb add 02:00:00:00:00:07 dev va self || exit 77
	"$VDPA_RESTORE" save --netdev va -o "$work/va.json" 2>"$work/va.err" || exit 1
	ip maddr show dev va | sed -n 's/^.*link  *\([^ ]*\).*/\1/p' >"$work/out.multicast"
	if command -v setpriv >/dev/null; then
		setpriv --reuid=65534 --clear-groups --bounding-set=-all \
			"$VDPA_RESTORE" save --netdev va >"$work/out.nobody" 2>/dev/null
	fi
	exit 0
fi

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

for name in '' a/b 'a b' a-name-that-is-too-long; do
	fails 2 'not the name of a network interface' "refused_is_the_name_$name" \
		save --netdev "$name"
done
fails 1 'No such device.*ip link' no_such_interface save --netdev nonesuch0
fails 1 'not an Ethernet one' loopback_has_no_such_state save --netdev lo
fails 7 nonexistent files_are_read_before_interfaces \
	save --netdev lo --transcript /nonexistent

# A sandbox that forbids netlink.
ASAN_OPTIONS=detect_leaks=0 timeout 30 strace -f -qq -o "$work/trace" \
	-e inject=socket:error=EPERM "$VDPA_RESTORE" save --netdev lo \
	>"$work/out" 2>"$work/err" </dev/null
code=$?
if grep -q 'Operation not permitted' "$work/err"; then
	[ "$code" -eq 4 ]
	judge forbidden_netlink_is_exit_4 "exit $code"
else
	skip forbidden_netlink_is_exit_4 'strace cannot trace here'
fi

export VDPA_RESTORE work
unshare -n "$0" inside >"$work/out" 2>"$work/err"
code=$?
if [ "$code" -ne 0 ] && [ ! -e "$work/va.err" ]; then
	skip a_veth_is_seen_as_ip_shows_it 'no veth can be made here'
	finish
fi
[ "$code" -eq 0 ]
judge a_veth_can_be_saved "exit $code"
cp "$work/va.json" "$work/out"
holds a_veth_is_seen_as_ip_shows_it \
	'(j["mac"]["address"], j["mac"]["unicast"], j["mac"]["multicast"], j["rx_mode"]["all_multicast"]) == ("02:00:00:00:00:aa", ["02:00:00:00:00:07"], open(sys.argv[2] + ".multicast").read().split(), True)'
holds its_channels_and_mtu_are_those_that_it_was_made_with \
	'(j["mq"], j["config"]["max_virtqueue_pairs"], j["config"]["mtu"]) == ({"queue_pairs": 3}, 3, 1400)'
holds its_features_are_not_known 'j["features"]["negotiated"] is None'
holds its_origin_is_said 'set(j["origin"].values()) == {"netdev:va"}'
grep -q 'not a virtio device' "$work/va.err"
judge that_it_is_no_virtio_device_is_said
if [ -e "$work/out.nobody" ]; then
	holds nobody_sees_the_same \
		'{**j, "captured": 0} == {**json.load(open(sys.argv[2] + ".nobody")), "captured": 0}'
fi
exits 3 such_a_state_is_not_loaded load "$work/va.json" sim
exits 0 such_a_state_is_shown show "$work/va.json"
finish
