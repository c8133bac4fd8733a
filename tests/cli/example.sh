#!/bin/sh
# SPDX-License-Identifier: MIT
# The example VMM from end to end on the simulator, and the tool on its socket.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

vmm=${BUILD:-build}/examples/vmm/vmm
socket=$work/socket
dump=$work/told.json
mkfifo "$work/words"

# begin DEV [WORD]: starts it; what it says is in $work/vmm.out and .err.
begin() {
	: >"$work/vmm.out"
	: >"$work/vmm.err"
	"$vmm" "$1" "$socket" ${2:+"$2"} <"$work/words" \
		>>"$work/vmm.out" 2>>"$work/vmm.err" &
	pid=$!
	exec 3>"$work/words"
}

# end NAME CODE: no more words; judges how it ends.
end() {
	exec 3>&-
	wait "$pid"
	ended=$?
	[ "$ended" -eq "$2" ] && [ ! -e "$socket" ]
	judge "$1" "exit $ended, not $2; $(tail -n 1 "$work/vmm.err")"
}

word() {
	echo "$1" >&3
}

# hears NAME PATTERN [FILE]: one line matches within ten seconds.
hears() {
	tries=0
	until grep -Eq -e "$2" "$work/${3:-vmm.out}"; do
		tries=$((tries + 1))
		if [ $tries -gt 100 ] || ! kill -0 "$pid" 2>"$work/err"; then
			not_ok "$1" "no match for: $2"
			sed 's/^/# /' "$work/vmm.out" "$work/vmm.err"
			return
		fi
		sleep 0.1
	done
	ok "$1"
}

# ------------------------------------------------------------------- wrong words
# ends CODE PATTERN NAME ARGUMENT...: it ends by itself, with one line.
ends() {
	want=$1
	pattern=$2
	name=$3
	shift 3
	timeout -k 1 30 "$vmm" "$@" >"$work/out" 2>"$work/err" </dev/null
	code=$?
	[ "$code" -eq "$want" ] && [ "$(wc -l <"$work/err")" -eq 1 ] &&
		grep -Eq -e "$pattern" "$work/err"
	judge "$name" "exit $code, not $want"
}

ends 2 '^usage: ' no_words_are_a_usage
ends 2 'pears' unknown_key_of_a_device_is_said sim:pears=1 "$socket"
ends 1 'vhost-none' missing_device_is_said "$work/vhost-none" "$socket"
ends 4 'busy' device_in_use_is_said sim:busy=on "$socket"
ends 7 'none.json' missing_state_is_said sim "$socket" "$work/none.json"
ends 3 'RSS' state_that_does_not_fit_ends_it sim:features=-RSS "$socket" \
	"$data/typical.json"
ends 3 'ENABLE_AFTER_DRIVER_OK' late_enable_that_is_not_promised_ends_it \
	sim:enable-after-driver-ok=off "$socket" "$data/typical.json"
sed 's/"negotiated":"0x1008a0020"/"negotiated":null/' >"$work/null.json" <<END
$(small_state)
END
ends 3 'negotiated' state_without_features_ends_it sim "$socket" "$work/null.json"
ends 5 'refused MAC_ADDR_SET' refused_command_ends_it sim:refuse=1.1 "$socket" \
	"$data/typical.json"
: | timeout 30 "$vmm" --assume sim:enable-after-driver-ok=off "$socket" \
	"$data/typical.json" >"$work/out" 2>"$work/err"
judge unless_it_is_assumed

# ------------------------------------------- a guest arrives with its state
begin "sim:dump=$dump" "$data/typical.json"
hears state_is_restored '^vmm: restored, downtime [0-9]+ us$'
hears guest_goes_on '^guest: arrive [0-9a-f]+: ok$'
hears guest_announces_itself '^guest: announce: ok$'
exits 0 saved_state_is_that_which_was_restored \
	diff "$data/typical.json" "control:$socket"
word 'guest control 1 1 52 54 0 0 0 7'
hears mac_is_relayed '^guest: control 1 1 .*: ok$'
word 'guest control 1 0 0 0 0 0 1 0 0 0 33 33 0 0 0 9'
hears table_is_relayed '^guest: control 1 0 .*: ok$'
word 'guest control 0 1 1'
hears mode_is_relayed '^guest: control 0 1 1: ok$'
word 'guest control 2 0 2a 0'
hears vlan_is_relayed '^guest: control 2 0 2a 0: ok$'
word 'guest control 4 1 2 0 0 0 1 0 0 0 3 0 1 0 4 0 2 ab cd'
hears rss_is_relayed '^guest: control 4 1 .*: ok$'
word 'guest control c8 1 0'
hears unknown_class_is_the_device_s_to_refuse '^guest: control c8 .*: refused$'
exits 0 state_is_saved_from_the_socket \
	save --control "$socket" -o "$work/saved.json"
validates saved_state_is_valid "$work/saved.json"
holds saved_state_has_what_was_relayed \
	'j["mac"]["address"] == "52:54:00:00:00:07"
	and j["mac"]["multicast"] == ["33:33:00:00:00:09"]
	and j["rx_mode"]["all_multicast"] and 42 in j["vlan"]["ids"]
	and j["rss"]["indirection_table"] == [3, 1] and j["rss"]["key"] == "abcd"
	and j["unknown"] == []' "$work/saved.json"
exits 0 socket_is_shown show "control:$socket"
says out '52:54:00:00:00:07' shown_is_what_the_guest_said
exits 0 socket_is_verified verify "$work/saved.json" "control:$socket"
exits 3 what_was_is_no_more verify "$data/typical.json" "control:$socket"
fails 4 'does not wait for a state' running_guest_takes_no_state \
	load "$data/typical.json" "control:$socket"

word 'guest send 3'
hears frames_go_out '^guest: send 3: ok$'
word "quiesce $work/quiesced.json"
hears device_is_stopped '^vmm: quiesced$'
exits 0 stopped_device_is_saved_all_the_same \
	diff "$work/saved.json" "control:$socket"
holds quiesced_state_has_the_positions \
	'{v["index"]: v["base"] for v in j["vrings"]}[1] == 3
	and j["origin"]["vrings"] == "device"' "$work/quiesced.json"
exits 0 stopped_device_is_saved_with_its_positions \
	save --control "$socket" -o "$work/stopped.json"
holds how_they_were_found_is_not_lost \
	"j['origin']['vrings'] == 'device'
	and j['origin']['mac'] == 'control:$socket'" "$work/stopped.json"
word 'unquiesce'
hears device_comes_back '^vmm: back: resumed$'
word 'guest send 5'
hears frames_go_on '^guest: send 5: ok$'
word 'guest control 2 1 2a 0'
hears commands_go_on '^guest: control 2 1 2a 0: ok$'
exits 0 last_state_is_saved save --control "$socket" -o "$work/last.json"
holds last_state_lacks_the_vlan '42 not in j["vlan"]["ids"]' "$work/last.json"
end guest_and_device_end_well 0
exits 0 device_was_told_what_is_saved verify "$work/last.json" "$dump"

# ------------------------------------------- a guest boots, and loads its driver again
begin "sim:dump=$dump"
hears guest_boots '^guest: reload: ok$'
word 'guest control 2 0 5 0'
hears booted_guest_is_relayed '^guest: control 2 0 5 0: ok$'
exits 0 booted_guest_is_saved save --control "$socket" -o "$work/booted.json"
holds booted_guest_is_as_after_a_reset \
	'j["vlan"]["ids"] == [5] and j["rss"] is None
	and j["mq"]["queue_pairs"] == 1' "$work/booted.json"
: >"$work/vmm.out"
word 'guest reload'
hears driver_is_loaded_again '^guest: reload: ok$'
word 'guest send 2'
hears new_driver_sends '^guest: send 2: ok$'
word 'guest control 2 0 6 0'
hears new_driver_is_relayed '^guest: control 2 0 6 0: ok$'
exits 0 new_driver_is_saved save --control "$socket" -o "$work/loaded.json"
holds new_driver_has_said_nothing_else 'j["vlan"]["ids"] == [6]' \
	"$work/loaded.json"
end new_driver_ends_well 0
exits 0 device_knows_the_new_driver_alone verify "$work/loaded.json" "$dump"

# ------------------------------------------------ the state comes through the socket
begin sim wait
tries=0
until [ -S "$socket" ] || [ $tries -eq 100 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
exits 0 waiting_process_is_given_its_state \
	load --json "$data/typical.json" "control:$socket"
holds report_comes_back 'j["exit"] == 0 and j["counts"]["commands"] > 3'
hears given_state_is_restored '^vmm: restored'
exits 0 given_state_is_saved diff "$data/typical.json" "control:$socket"
fails 4 'does not wait for a state' and_only_once \
	load "$data/typical.json" "control:$socket"
end given_state_ends_well 0

begin sim:features=-RSS wait
tries=0
until [ -S "$socket" ] || [ $tries -eq 100 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
waits='waits for a state, nothing is recorded yet; load one: vdpa-restore load'
fails 1 "$waits" waiting_process_has_nothing_to_save save --control "$socket"
fails 1 "$waits" and_nothing_to_show show "control:$socket"
fails 1 "$waits" nor_to_verify verify "$data/typical.json" "control:$socket"
run show --json "control:$socket"
holds waiting_is_an_object_too \
	'j["exit"] == 1 and "waits for a state" in j["error"]["text"]'
fails 3 'RSS' reason_comes_back_though_the_process_ends \
	load "$data/typical.json" "control:$socket"
end state_that_does_not_fit_ends_the_waiting 3

# ------------------------------------------------------- a device that breaks down
begin sim:stall=2.0
hears guest_boots_on_it '^guest: reload: ok$'
word 'guest control 2 0 5 0'
hears silent_device_is_given_up 'has not answered a command in time' vmm.err
hears guest_hears_of_it '^guest: control 2 0 5 0: no answer$'
hears driver_begins_anew '^guest: needs reset: ok$'
word 'guest control 0 0 0'
hears and_all_is_well '^guest: control 0 0 0: ok$'
end broken_device_ends_well 0
finish
