#!/bin/sh
# SPDX-License-Identifier: MIT
# save --qmp against a server that plays QEMU's monitor, well and badly.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

server=
number=0
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT

# serve MODE: starts a server; its socket is in $socket, what it heard in $log.
serve() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	number=$((number + 1))
	socket=$work/qmp$number
	log=$work/log$number
	"$PYTHON" "$tests/qmp-server.py" "$socket" "$1" "$log" >"$work/ready$number" &
	server=$!
	tries=0
	until grep -qs ready "$work/ready$number" || [ $tries -gt 100 ]; do
		tries=$((tries + 1))
		sleep 0.05
	done
}

# took NAME EXPRESSION: the last state that was saved.
took() {
	holds "$1" "$2" "$work/state.json"
}

serve good
exits 0 good_monitor_is_read save --qmp "$socket" -o "$work/state.json"
took features_are_read_from_sentences \
	'int(j["features"]["negotiated"], 16) == 0x92e0010320df002e and "GUEST_USO4" in j["features"]["names"] and "GUEST_USO6" in j["features"]["names"] and "NOTF_COAL" in j["features"]["names"] and "RING_RESET" in j["features"]["names"]'
took tables_are_in_the_order_of_the_command \
	'j["mac"]["unicast"] == ["52:54:00:00:00:01", "52:54:00:00:00:02"] and j["mac"]["multicast"] == ["33:33:00:00:00:01", "33:33:00:00:00:02"]'
took mac_and_overflow_are_taken \
	'j["mac"]["address"] == j["config"]["mac"] == "52:54:00:aa:bb:00" and j["mac"]["unicast_overflow"] is False and j["mac"]["multicast_overflow"] is True'
took broadcast_flag_is_righted 'j["rx_mode"]["no_broadcast"] is True'
took modes_are_taken \
	'[j["rx_mode"][m] for m in ("promiscuous", "all_multicast", "all_unicast", "no_multicast", "no_unicast")] == [False, True, False, False, False]'
took vlans_are_taken 'j["vlan"]["ids"] == [0, 42, 100]'
took config_is_taken \
	'j["config"] == {"mac": "52:54:00:aa:bb:00", "max_virtqueue_pairs": 4, "mtu": 9000, "speed": 25000, "duplex": "full"}'
took rings_that_are_set_up_are_taken \
	'[r["index"] for r in j["vrings"]] == [0, 1, 2, 3, 4, 6, 7, 8] and j["vrings"][7] == {"index": 8, "size": 64, "desc": "0x100080000", "driver": "0x100081000", "device": "0x100082000"}'
took what_the_monitor_lacks_is_unknown \
	'j["unknown"] == ["mq", "rss", "hash_report", "offloads", "coalescing"]'
says err 'unknown: rss; known to .*--transcript' unknown_names_the_source_that_has_it
took origin_is_the_monitor \
	'set(j["origin"].values()) == {"qmp:'"$socket"'"}'
validates state_is_valid "$work/state.json"
exits 0 monitor_is_free_again save --qmp "$socket,nic=net0" -o "$work/state.json"
exits 0 nic_goes_by_its_netdev save --qmp "$socket,nic=tap-net0" -o "$work/again.json"
exits 0 nic_goes_by_its_path save --qmp "$socket,nic=/machine/peripheral/net0" \
	-o "$work/again.json"
fails 2 'no NIC "eth0"; there are: "net0"' other_nic_is_refused \
	save --qmp "$socket,nic=eth0"
grep -o '"execute": "[^"]*"' "$log" | sort -u >"$work/asked"
[ "$(grep -Evc '"(qmp_capabilities|qom-get|query-rx-filter|x-query-virtio|x-query-virtio-status|x-query-virtio-queue-status)"$' "$work/asked")" -eq 0 ] &&
	[ "$(wc -l <"$work/asked")" -eq 6 ]
judge only_these_commands_are_sent

serve events
exits 0 events_are_passed_over save --qmp "$socket" -o "$work/again.json"
holds events_change_nothing 'j["mac"]["address"] == "52:54:00:aa:bb:00"' \
	"$work/again.json"
serve two
fails 2 'there are: "net0", "net1".*,nic=ID' several_nics_are_listed \
	save --qmp "$socket"
exits 0 one_of_two_is_taken save --qmp "$socket,nic=net1" -o "$work/state.json"
took its_filters_are_its_own 'j["mac"]["address"] == "52:54:00:aa:bb:01"'
serve none
fails 7 'no virtio-net device' no_nic_is_said save --qmp "$socket"
serve hidden
exits 0 hidden_modes_are_read save --qmp "$socket" -o "$work/state.json"
took hidden_modes_are_unknown \
	'j["rx_mode"]["no_unicast"] and j["rx_mode"]["no_multicast"] and {"rx_mode.all_unicast", "rx_mode.all_multicast"} < set(j["unknown"]) and "all_unicast" not in j["rx_mode"]'
serve all-vlans
exits 0 all_vlans_are_taken save --qmp "$socket" -o "$work/state.json"
says err 'warning.*VLAN table of all ids' all_vlans_are_warned_of
took all_vlans_are_one_range 'j["vlan"]["ids"] == ["0-4095"]'
exits 0 all_vlans_are_unknown_where_asked save --all-vlans=unknown \
	--qmp "$socket" -o "$work/state.json"
took all_vlans_leave_the_section_unknown \
	'"vlan" not in j and "vlan" in j["unknown"]'
says err 'unknown: vlan; known to --qemu-stream, --control, --transcript, --netdev$' \
	the_source_that_was_used_is_not_named
serve unstarted
exits 0 nic_without_driver_is_read save --qmp "$socket" -o "$work/state.json"
took nothing_is_negotiated_without_driver \
	'j["features"]["negotiated"] == "0x0" and "vrings" not in j'
serve stopped
exits 0 stopped_machine_is_read save --qmp "$socket" -o "$work/state.json"
took stopped_machine_has_bases 'j["vrings"][0]["base"] == 7'

# What is known to do harm is not asked.
serve vhost
exits 0 vhost_is_read save --qmp "$socket" -o "$work/state.json"
took vhost_has_no_rings '"vrings" not in j and j["mac"]["address"] == "52:54:00:aa:bb:00"'
! grep -q queue-status "$log"
judge vhost_is_not_asked_for_its_rings
serve generic
fails 1 'may crash.*from 10.2 on' generic_device_is_refused save --qmp "$socket"
! grep -q virtio-status "$log"
judge generic_device_is_not_asked
serve generic-10.2
exits 0 generic_device_is_read_from_10.2_on \
	save --qmp "$socket" -o "$work/state.json"
serve old
fails 1 'QEMU 7.1.*7.2 on.*migration stream' old_qemu_is_refused save --qmp "$socket"
serve new-feature
exits 0 unknown_feature_is_no_error save --qmp "$socket" -o "$work/state.json"
says err 'not known here, .*MIND_READING' unknown_feature_is_named
took unknown_feature_leaves_features_unknown \
	'j["features"]["negotiated"] is None'

# Whatever answers there.
for mode in garbage binary deep no-version no-newline; do
	serve $mode
	fails 7 'not a QMP monitor' "${mode}_is_refused" \
		save --timeout 20 --qmp "$socket"
done
serve bad-json
fails 7 'not a QMP monitor: column' bad_json_is_refused save --qmp "$socket"
serve no-answer
fails 7 'neither return nor error' no_answer_is_refused save --qmp "$socket"
serve bad-answer
fails 7 'answer to query-rx-filter' bad_answer_is_refused save --qmp "$socket"
serve refuses
fails 1 'x-query-virtio-status: "not today"' refusal_is_said save --qmp "$socket"
serve hang-up
fails 6 'no greeting' half_a_greeting_is_waited_for \
	save --timeout 0.3 --qmp "$socket"
for mode in silent busy slow flood; do
	serve $mode
	start=$(date +%s)
	fails 6 'deadline.*one client' "${mode}_ends_at_the_deadline" \
		save --timeout 0.5 --qmp "$socket"
	[ $(($(date +%s) - start)) -le 5 ]
	judge "${mode}_ends_in_time"
done
kill $server
wait $server 2>/dev/null
fails 1 'connect: .*-qmp' server_that_is_gone_is_said save --qmp "$socket"
fails 1 'connect: No such file' missing_socket_is_said \
	save --qmp "$work/nothing"
fails 1 'connect: ' file_is_no_socket save --qmp "$work/state.json"
fails 2 'not the path of a socket' long_path_is_refused \
	save --qmp "/$(printf '%0110d' 0)"
fails 2 'without a path' empty_path_is_refused save --qmp ',nic=net0'
fails 2 'timeout' bad_timeout_is_refused save --timeout never --qmp "$socket"
finish
