#!/bin/sh
# SPDX-License-Identifier: MIT
# export: QEMU takes what is printed for it and shows the same NIC, libvirt's schema
# and a shell accept theirs, and what cannot be said is named.
# shellcheck source=tests/cli/lib.sh
# shellcheck disable=SC2016 # the words have variables of their own
. "$(dirname "$0")/lib.sh"

qemu='qemu-system-x86_64'
machine=
trap 'kill $machine 2>/dev/null; rm -rf "$work"' EXIT
typical=$data/typical.json

# as WORDS FILE: exports; the words are in $work/words.
as() {
	run export "$2" --as "$1"
	cp "$work/out" "$work/words"
	[ "$code" -eq 0 ]
}

# one NAME WORDS PATTERN FILE: a line of the export.
one() {
	as "$2" "$4" && grep -Eq -e "$3" "$work/words"
	judge "$1" "no match for: $3"
}

# Options of a NIC, and a state that a stopped QEMU's monitor tells of it.
tell() {
	if [ -n "$machine" ]; then
		kill "$machine" 2>/dev/null
		wait "$machine" 2>/dev/null
	fi
	rm -f "$work/qmp"
	timeout -k 1 60 "$qemu" -M q35 -accel tcg -nodefaults -display none \
		-m 64 -S -qmp "unix:$work/qmp,server=on,wait=off" "$@" \
		>"$work/qemu" 2>&1 &
	machine=$!
	tries=0
	until [ -S "$work/qmp" ] || [ $tries -gt 400 ]; do
		tries=$((tries + 1))
		sleep 0.05
	done
	run save -q --qmp "$work/qmp"
	cp "$work/out" "$work/told.json"
	[ "$code" -eq 0 ]
}

# round NAME NETDEV PROPERTIES: QEMU, state, export, QEMU, the same state?
round() {
	if ! tell -netdev "$2,id=vdpa0" \
		-device "virtio-net-pci,netdev=vdpa0,id=net0,romfile=,$3"; then
		not_ok "$1" "QEMU does not tell"
		return
	fi
	cp "$work/told.json" "$work/first.json"
	as qemu "$work/first.json"
	device=$(sed -n 's/^-device //p' "$work/words")
	if ! tell -netdev "$2,id=vdpa0" -device "$device,romfile="; then
		not_ok "$1" "QEMU does not take: $device: $(cat "$work/qemu")"
		return
	fi
	sed '/"time"/d' "$work/told.json" >"$work/b"
	sed '/"time"/d' "$work/first.json" | diff - "$work/b" >"$work/out"
	judge "$1"
}

if ! command -v "$qemu" >/dev/null; then
	skip qemu_takes_the_export "no $qemu here"
else
	round plain_nic_is_the_same user mac=52:54:00:01:02:03
	round mq_and_rss_are_the_same user mq=on,rss=on,hash=on,vectors=10
	round mtu_and_speed_are_the_same user \
		host_mtu=1400,speed=25000,duplex=full
	round everything_off_is_the_same user \
		csum=off,ctrl_rx=off,ctrl_vlan=off,ctrl_rx_extra=off,ctrl_mac_addr=off,ctrl_guest_offloads=off,mrg_rxbuf=off,status=off,guest_announce=off,event_idx=off,indirect_desc=off,queue_reset=off,any_layout=off,notify_on_empty=off
	round packed_iommu_nic_is_the_same user \
		packed=on,iommu_platform=on,disable-legacy=on,guest_rsc_ext=on
	if [ "$(id -u)" -eq 0 ] && [ -c /dev/net/tun ]; then
		round tap_with_queues_is_the_same \
			tap,queues=4,script=no,downscript=no,ifname=vdpr-x$$ \
			mq=on,vectors=10,host_ufo=off,guest_ecn=off
	else
		skip tap_with_queues_is_the_same "no tap without root"
	fi
fi
one qemu_gets_the_netdev qemu \
	'^-netdev vhost-vdpa,id=vdpa0,vhostdev=/dev/vhost-vdpa-0,queues=4 ' "$typical"
one qemu_gets_the_mtu qemu ',host_mtu=1500,' "$typical"
says err 'not said: features: NOTF_COAL: QEMU has no property' \
	qemu_lacks_coalescing
says err 'not said: rss: set by the guest at run time' \
	qemu_gets_control_state_otherwise

as libvirt "$typical"
judge libvirt_gets_an_element
if command -v virt-xml-validate >/dev/null; then
	{
		echo "<domain type='kvm'><name>x</name><memory>65536</memory>"
		echo "<os><type>hvm</type></os><devices>"
		cat "$work/words"
		echo "</devices></domain>"
	} >"$work/domain.xml"
	virt-xml-validate "$work/domain.xml" domain >"$work/out" 2>&1
	judge libvirt_schema_accepts_the_element
	sed 's/<model /<nodel /' "$work/domain.xml" >"$work/bad.xml"
	! virt-xml-validate "$work/bad.xml" domain >"$work/out" 2>&1
	judge libvirt_schema_refuses_another
else
	skip libvirt_schema_accepts_the_element "no virt-xml-validate here"
fi

one vdpa_gets_the_line vdpa \
	'^vdpa dev add name vdpa0 mgmtdev MGMTDEV device_features 0x[0-9a-f]+ mac 52:54:00:[0-9a-f:]+ mtu 1500 max_vqp 4$' \
	"$typical"

as ethtool "$typical" && sh -n "$work/words"
judge shell_accepts_the_script
one vlans_are_interfaces ethtool \
	'seq 100 199\); do ip link add link' "$data/example.json"
# A table of all ids is what some QEMUs begin with, and nobody wants 4094 interfaces.
"$PYTHON" - "$data/example.json" >"$work/all-vlans.json" <<'END'
import json, sys
state = json.load(open(sys.argv[1]))
state["vlan"]["ids"] = ["0-4095"]
print(json.dumps(state))
END
as ethtool "$work/all-vlans.json"
sh -n "$work/words" && ! grep -v '^#' "$work/words" | grep -q vlan
judge all_vlans_are_no_4094_interfaces
grep -q '^# for id in $(seq 1 4094); do ip link add link' "$work/words"
judge all_vlans_stand_there_as_a_comment
says err 'not said: vlan: all ids: a comment in the script: 4094 VLAN interfaces' \
	all_vlans_are_said
one pairs_are_set ethtool 'ethtool -L "\$IFACE" combined 4' "$typical"
[ "$(sed -n '/ethtool -[LX]/s/ "\$IFACE".*//p' "$work/words" | tr '\n' ' ')" = \
	'ethtool -L ethtool -X ' ]
judge pairs_stand_before_rss
says err 'not said: offloads: virtio_net switches' \
	offloads_that_go_together_are_said
as ethtool "$data/example.json"
says err 'not said: rss: indirection_table: .*all 128 entries' \
	short_table_is_said

# Tables: in turn, in blocks, or in no way.
table() {
	"$PYTHON" - "$typical" "$1" >"$work/table.json" <<'END'
import json, sys
state = json.load(open(sys.argv[1]))
rss = state["rss"]
n = state["config"]["rss_max_indirection_table_length"]
rss["indirection_table"] = {
    "equal": [i % 3 for i in range(n)],
    "blocks": [0] * 10 + [2] * 90 + [3] * (n - 100),
    "wild": [3, 1] + [0] * (n - 2)}[sys.argv[2]]
print(json.dumps(state))
END
}
table equal
one table_in_turn ethtool 'hkey [0-9a-f:]{119} equal 3$' "$work/table.json"
table blocks
one table_in_blocks ethtool 'weight 10 0 90 28$' "$work/table.json"
table wild
as ethtool "$work/table.json"
says err 'indirection_table: ethtool gives' wild_table_is_said
! grep -Eq 'weight|equal' "$work/words"
judge wild_table_is_not_made_up

exits 0 json_has_words_and_what_is_lost export "$typical" --as qemu --json
holds json_is_whole \
	'j["exit"] == 0 and j["error"] is None and j["as"] == "qemu" and j["text"].startswith("-netdev ") and {"section", "text"} == set(j["lost"][0])'
fails 2 'as is missing' as_must_be_said export "$typical"
fails 2 'must be one of' other_words_are_refused export "$typical" --as xen
fails 7 'No such file' missing_file_is_said export "$work/none" --as qemu
fails 2 'a device where a file' device_is_refused export sim --as qemu
# What the state does not know is not left out in silence.
exits 0 state_with_unknown_sections_is_saved \
	save --ch-snapshot "$data/ch,id=_vdpa0" -o "$work/lacking.json"
for words in ethtool qemu libvirt vdpa; do
	exits 0 "unknown_sections_are_in_json_for_$words" \
		export "$work/lacking.json" --as "$words" --json
	holds "all_unknown_sections_are_lost_for_$words" \
		'[l["section"] for l in j["lost"] if l["text"] == "unknown: it cannot be set from this state"] == ["mac", "rx_mode", "vlan", "mq", "rss", "offloads", "coalescing"]'
done
as ethtool "$work/lacking.json"
says err 'not said: rss: unknown: it cannot be set from this state' \
	unknown_section_is_said
as ethtool "$typical"
! grep -q 'unknown' "$work/err"
judge nothing_unknown_is_said_of_a_whole_state
as ethtool "$data/state-no-features.json"
says err 'not said: mac.multicast: unknown: ' unknown_member_is_said
says err 'not said: features.negotiated: unknown, and so what else' \
	unknown_features_are_said
as qemu "$data/state-no-features.json"
judge state_without_features_is_exported
finish
