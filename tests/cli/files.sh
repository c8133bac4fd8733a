#!/bin/sh
# SPDX-License-Identifier: MIT
# Input that is bad and output that cannot be written.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

example=$data/example.json
small=$work/small.json
bad=$work/bad.json
small_state >"$small"

exits 0 small_state_is_read show "$small"
"$VDPA_RESTORE" show --json - <"$small" >"$work/a" 2>"$work/err" &&
	"$VDPA_RESTORE" show --json "$small" >"$work/b" &&
	cmp -s "$work/a" "$work/b"
judge stdin_reads_the_same

# Every prefix of a file is bad, and said to be.
size=$(wc -c <"$small")
n=0
wrong=
while [ "$n" -lt "$size" ]; do
	head -c "$n" "$small" >"$bad"
	run show "$bad"
	[ "$code" -eq 7 ] || wrong="$wrong $n"
	n=$((n + 1))
done
[ -z "$wrong" ]
judge truncated_at_every_byte "at:$wrong"

bad_text() {
	printf '%s' "$2" >"$bad"
	fails 7 'bad.json' "$1" show "$bad"
}
text=$(cat "$small")
bad_text trailing_bytes "$text x"
bad_text two_objects "$text$text"
bad_text duplicate_key "$(echo "$text" | sed 's/"compat":1/&,"compat":1/')"
bad_text nested_duplicate_key \
	"$(echo "$text" | sed 's/"address"/"address":null,&/')"
bad_text unknown_key "$(echo "$text" | sed 's/"compat":1/&,"nosuch":1/')"
says err 'nosuch' unknown_key_is_named
bad_text byte_order_mark "$(printf '\357\273\277')$text"
bad_text invalid_utf8 "$(echo "$text" | sed "s/52:54/$(printf '\377')/")"
bad_text newer_format "$(echo "$text" | sed 's/"compat":1/"compat":2/')"
bad_text other_schema "$(echo "$text" | sed 's/restore.state/restore\/other/')"
bad_text fraction "$(echo "$text" | sed 's/\[1,7\]/[1.5,7]/')"
bad_text too_deep "$(echo "$text" | sed 's/\[1,7\]/[[[[[[[[[[1]]]]]]]]]]/')"
bad_text multicast_address "$(echo "$text" | sed 's/52:54:00:aa/53:54:00:aa/')"
bad_text section_missing "$(echo "$text" | sed 's/"vlan":{"ids":\[1,7\]},//')"
bad_text not_an_object '[]'
bad_text empty_file ''

# An escape sequence in a file does not reach the terminal.
printf '%s' "$text" |
	sed 's/"features"/"vendor":{"name":"a\\u001b[31mb"},&/' >"$work/esc.json"
exits 0 escape_sequence_is_read show "$work/esc.json"
esc=$(printf '\033')
if grep -q "$esc" "$work/out" || ! grep -q '31m' "$work/out"; then
	not_ok escape_sequence_is_not_printed
else
	ok escape_sequence_is_not_printed
fi

head -c 100000000 /dev/zero | tr '\0' ' ' >"$work/huge.json"
fails 7 'huge.json' hundred_megabytes show "$work/huge.json"
fails 7 '' hundred_megabytes_of_transcript transcript "$work/huge.json"
rm -f "$work/huge.json"
fails 7 "$work" directory show "$work"
fails 7 "$work" directory_as_transcript save --transcript "$work"
fails 7 'nosuch' missing_file show "$work/nosuch"
fails 7 'nosuch' missing_transcript transcript "$work/nosuch"
if [ "$(id -u)" -eq 0 ]; then
	skip file_without_permission "root may read everything"
else
	cp "$small" "$work/secret.json"
	chmod 0 "$work/secret.json"
	fails 7 'secret.json' file_without_permission show "$work/secret.json"
fi
printf '{"features": "0x1"}\n{"class": 1}\n' >"$bad"
fails 7 'bad.json.*2' transcript_names_the_line save --transcript "$bad"

# Output that fails is noticed.
for arguments in "show $small" "plan $small" "show --json $small" 'help' \
	'--version' "load $example sim" "transcript $data/guest.jsonl" \
	"diff $small $small" "save --device sim" 'list --json'; do
	# shellcheck disable=SC2086 # words are wanted
	timeout 30 "$VDPA_RESTORE" -q $arguments >/dev/full 2>"$work/err"
	code=$?
	if [ "$code" -eq 1 ] && grep -q 'standard output: write' "$work/err"; then
		ok "full_disk_of_'${arguments%% *}'"
	else
		not_ok "full_disk_of_'${arguments%% *}'" "exit $code"
	fi
done
timeout 30 "$VDPA_RESTORE" show "$small" >&- 2>"$work/err"
code=$?
[ "$code" -eq 1 ]
judge closed_stdout "exit $code"
{
	sleep 0.3
	"$VDPA_RESTORE" show "$small" 2>"$work/err"
	echo $? >"$work/code"
} | true
[ "$(cat "$work/code")" -eq 1 ]
judge closed_pipe "exit $(cat "$work/code")"

# -o: whole or not at all.
state=$work/state.json
exits 0 save_writes_a_file save --transcript "$data/guest.jsonl" -o "$state"
[ "$(stat -c %a "$state")" = 600 ]
judge file_is_private
[ ! -s "$work/out" ]
judge nothing_else_on_stdout
# A node of our own where possible: a broken tool must not cost us /dev/null.
null=$work/null
if ! mknod "$null" c 1 3 2>/dev/null || ! : 2>/dev/null >"$null"; then
	null=/dev/null
fi
exits 0 save_to_null save --device sim -o "$null"
[ -c "$null" ]
judge null_stays_a_device
fails 1 '/dev/full' save_to_a_full_device save -q --device sim -o /dev/full
fails 1 'nosuch' save_to_a_missing_folder \
	save -q --device sim -o "$work/nosuch/state.json"
ln -s "$small" "$work/link.json"
exits 0 save_over_a_link save --device sim -o "$work/link.json"
small_state | cmp -s - "$small" && [ ! -L "$work/link.json" ]
judge link_is_replaced_not_followed
run save --device sim -o /dev/fd/1
[ "$code" -eq 0 ] && grep -q '"features"' "$work/out"
judge dev_fd_is_a_descriptor
run save -q --device sim -o -
holds dash_is_standard_output 'j["schema"] == "vdpa-restore/state"'
cp "$small" "$work/-o"
(cd "$work" && "$VDPA_RESTORE" show -- -o) >/dev/null 2>&1
judge file_called_like_an_option

# Whoever kills it finds the old file or the new one.
cp "$small" "$work/old.json"
"$VDPA_RESTORE" show --json "$small" >"$work/whole.json"
cp "$work/whole.json" "$work/old.json"
"$VDPA_RESTORE" save -q --transcript "$data/guest.jsonl" >"$work/new.json"
n=0
wrong=0
while [ "$n" -lt 60 ]; do
	"$VDPA_RESTORE" save -q --transcript "$data/guest.jsonl" \
		-o "$work/old.json" &
	pid=$!
	sleep "0.00$((n % 10))"
	kill -9 "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	cmp -s "$work/old.json" "$work/whole.json" ||
		"$VDPA_RESTORE" show "$work/old.json" >/dev/null 2>&1 ||
		wrong=$((wrong + 1))
	n=$((n + 1))
done
[ "$wrong" -eq 0 ]
judge kill_leaves_a_whole_file "$wrong times not"

tiny=$work/tiny
mkdir "$tiny"
if mount -t tmpfs -o size=16k tmpfs "$tiny" 2>/dev/null; then
	cp "$small" "$tiny/state.json"
	head -c 100000 /dev/zero >"$tiny/filler" 2>/dev/null
	fails 1 'No space left' full_file_system \
		save -q --transcript "$data/guest.jsonl" -o "$tiny/state.json"
	cmp -s "$small" "$tiny/state.json" &&
		[ "$(find "$tiny" -type f | wc -l)" -eq 2 ]
	judge full_file_system_keeps_the_old_file
	umount "$tiny"
else
	skip full_file_system "no tmpfs can be mounted"
fi
finish
