#!/bin/sh
# SPDX-License-Identifier: MIT
# control:SOCKET: the device of another process, here one that holds a simulator.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

socket=$work/socket
state=$work/state.json
small_state >"$state"

"$VDPA_RESTORE" load --hold --control "$socket" "$state" sim \
	>"$work/hold.out" 2>"$work/hold.err" </dev/null &
holder=$!
tries=0
until grep -q holding "$work/hold.err" || [ $tries -eq 100 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
grep -q holding "$work/hold.err"
judge device_is_held
[ "$(stat -c %a "$socket")" = 600 ]
judge socket_is_for_its_user_alone

exits 0 state_is_saved_from_the_socket \
	save --control "$socket" -o "$work/saved.json"
validates saved_state_is_valid "$work/saved.json"
holds saved_state_names_its_origin \
	"j['origin']['mac'] == 'control:$socket'" "$work/saved.json"
exits 0 saved_state_is_that_which_is_held diff "$state" "$work/saved.json"
exits 0 socket_is_a_side diff "control:$socket" "$state"
exits 0 socket_is_shown show "control:$socket"
says out 'aa:bb:cc' shown_is_its_state
exits 0 socket_is_shown_for_programs show --json "control:$socket"
holds shown_is_a_state 'j["vlan"]["ids"] == [1, 7]'
exits 0 socket_is_saved_by_its_word save "--device=control:$socket" \
	-o "$work/again.json"
sed 's/\[1,7\]/[1,8]/' "$state" >"$work/other.json"
exits 3 other_state_differs diff "control:$socket" "$work/other.json"
fails 4 'does not wait for a state; load one while' \
	process_that_does_not_wait_takes_no_state load "$state" "control:$socket"
run load --json "$state" "control:$socket"
holds refusal_is_an_object_too 'j["exit"] == 4 and j["error"]["cure"]'
fails 2 'only read' plan_opens_no_such_device plan "$state" "control:$socket"
fails 2 '--hold: not with control' restore_is_that_process_s \
	load --hold "$state" "control:$socket"
fails 2 'add --hold' control_wants_hold load --control x "$state" sim
fails 1 'Address already in use' living_socket_is_not_taken \
	load --hold --control "$socket" "$state" sim

kill -INT "$holder"
wait "$holder"
judge holder_ends_well
[ ! -e "$socket" ]
judge socket_is_gone
fails 1 'give the socket that the VMM' no_socket_is_said save --control "$socket"
fails 2 'not the name of a control socket' empty_name_is_refused \
	save --control ''
fails 2 'wants the path of a socket' empty_word_is_refused show control:
: >"$work/plain"
fails 1 'connect: Connection refused' plain_file_is_no_socket \
	show "control:$work/plain"

# A process that accepts and then says nothing.
"$PYTHON" -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
time.sleep(20)' "$socket" &
silent=$!
tries=0
until [ -S "$socket" ] || [ $tries -eq 100 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
fails 6 'no answer before the deadline' silent_process_ends_with_the_deadline \
	save --timeout 0.3 --control "$socket"
fails 6 'no answer before the deadline' silent_process_ends_a_load_too \
	load --timeout 0.3 "$state" "control:$socket"
kill "$silent"
finish
