#!/bin/sh
# SPDX-License-Identifier: MIT
# save --ch-snapshot: a snapshot's folder or its state.json, which NIC, bad files.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

snapshot=$data/ch

exits 0 folder_of_a_snapshot_is_read \
	save --ch-snapshot "$snapshot,id=_vdpa0" -o "$work/vdpa.json"
holds vdpa_device_is_taken \
	'j["features"]["negotiated"] == "0x9030000330ffffaf" and j["backend_features"] == "0x17e" and j["config"]["rss_max_key_size"] == 40 and len(j["vrings"]) == 9' \
	"$work/vdpa.json"
holds control_state_is_unknown \
	'j["unknown"] == ["mac", "rx_mode", "vlan", "mq", "rss", "offloads", "coalescing"]' \
	"$work/vdpa.json"
says err 'unknown: rss; known to .*--transcript' unknown_names_its_sources
exits 0 incomplete_state_is_shown show "$work/vdpa.json"
says out '^  rss +known to .*--transcript' show_names_who_knows_what_is_unknown
says out 'from ch-snapshot:.*,id=_vdpa0' show_names_the_source
exits 0 file_of_a_snapshot_is_read \
	save --ch-snapshot "$snapshot/state.json,id=_net0" -o "$work/net.json"
holds tap_device_is_taken \
	'j["config"]["mac"] == "2e:89:a8:5a:01:02" and j["unknown"] == ["mq", "offloads"]' \
	"$work/net.json"
validates states_are_valid "$work/vdpa.json" "$work/net.json"
fails 3 'unknown' unknown_state_is_not_loaded load "$work/vdpa.json" sim
cp "$snapshot/state.json" "$work/a,id=b"
exits 0 path_may_have_commas \
	save --ch-snapshot "$work/a,id=b,id=_net0" -o "$work/again.json"
"$VDPA_RESTORE" save -q --ch-snapshot -,id=_net0 -o "$work/again.json" \
	<"$snapshot/state.json"
judge standard_input_is_read
fails 2 'only one source' standard_input_is_read_once \
	save --ch-snapshot -,id=_net0 --transcript -
fails 2 '"_net0", "_vdpa0"; name one of them with ,id=ID' \
	several_nics_are_listed save --ch-snapshot "$snapshot"
fails 2 'no NIC "_disk0"' what_is_no_nic_is_refused \
	save --ch-snapshot "$snapshot,id=_disk0"
head -c 3000 "$snapshot/state.json" >"$work/cut.json"
fails 7 'cut.json: snapshot: line 1, column 3001' cut_file_is_refused \
	save --ch-snapshot "$work/cut.json,id=_net0"
fails 7 'no snapshots.device-manager' other_file_is_refused \
	save --ch-snapshot "$data/typical.json,id=_net0"
fails 7 'No such file' missing_file_is_said save --ch-snapshot "$work/none"
fails 7 'state.json: open' folder_without_snapshot_is_said \
	save --ch-snapshot "$work"

# Together with what saw the commands it makes a state that can be loaded.
cat >"$work/guest.jsonl" <<'END'
{"features": "0x9030000330ffffaf", "config": {"mac": "52:54:00:12:34:56"}}
{"class": 1, "command": 1, "data": "525400aabbcc", "ack": 0}
END
exits 0 snapshot_and_transcript_are_merged save \
	--ch-snapshot "$snapshot,id=_vdpa0" --transcript "$work/guest.jsonl" \
	-o "$work/both.json"
holds merged_state_is_complete \
	'j["unknown"] == [] and j["backend_features"] == "0x17e" and j["mac"]["address"] == "52:54:00:aa:bb:cc" and j["origin"]["vrings"].startswith("ch-snapshot:") and j["origin"]["mac"].startswith("transcript:")' \
	"$work/both.json"
exits 0 merged_state_is_loaded load -q "$work/both.json" sim
sed 's/0x9030000330ffffaf/0x9030000330fff7af/' "$work/guest.jsonl" >"$work/other.jsonl"
fails 3 'features.negotiated: conflict: .*ch-snapshot:.*transcript:|transcript:.*ch-snapshot:' \
	conflict_names_both save --ch-snapshot "$snapshot,id=_vdpa0" \
	--transcript "$work/other.jsonl"
exits 0 preferred_snapshot_wins save --ch-snapshot "$snapshot,id=_vdpa0" \
	--transcript "$work/other.jsonl" --prefer ch-snapshot -o "$work/state.json"
holds preferred_features_are_those_of_the_snapshot \
	'j["features"]["negotiated"] == "0x9030000330ffffaf"' "$work/state.json"
finish
