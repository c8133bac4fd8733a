#!/bin/sh
# SPDX-License-Identifier: MIT
# What show, plan, diff, save and transcript say.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

example=$data/example.json
typical=$data/typical.json
guest=$data/guest.jsonl

for state in "$example" "$typical"; do
	name=$(basename "$state" .json)
	exits 0 "${name}_is_shown" show "$state"
	says out '52:54:00:aa:bb' "${name}_shows_the_mac"
	says out 'nothing' "${name}_shows_what_is_unknown"
	run show --json "$state"
	cmp -s "$work/out" "$state"
	judge "${name}_is_canonical"
	exits 0 "${name}_equals_itself" diff --rings "$state" "$state"
done
run show "$example"
says out 'from transcript:guest.jsonl' origin_is_shown
exits 0 device_is_shown show sim
says out 'ENABLE_AFTER_DRIVER_OK' backend_features_are_named
says out '(^| )CTRL_VQ( |$)' features_are_named
says out '^virtqueues +9' queues_are_counted
says out 'IOVA range' iova_range_is_shown
exits 0 device_is_shown_in_json show --json sim
holds device_has_no_negotiated_features \
	'j["features"]["negotiated"] is None and j["config"]["max_virtqueue_pairs"] == 4'

exits 0 plan_is_printed plan "$example"
says out '^ +1  1\.1 +mac +.*MAC_ADDR_SET.*525400aabbcc' plan_begins_with_the_mac
exits 0 plan_in_json plan --json "$example"
holds plan_has_all_commands \
	'[c["name"] for c in j["commands"]][:4] == ["MAC_ADDR_SET", "MAC_TABLE_SET", "VQ_PAIRS_SET", "RSS_CONFIG"] and len([c for c in j["commands"] if c["name"] == "VLAN_ADD"]) == 102 and j["commands"][-1]["after_enable"] is True and set(j["commands"][0]) == {"class", "command", "name", "section", "after_enable", "data"}'
exits 0 plan_fits_the_device plan "$example" sim
fails 3 'pairs' plan_does_not_fit plan "$example" sim:pairs=2
fails 4 '' plan_on_a_busy_device plan "$example" sim:busy=on

run diff "$example" "$typical"
[ "$code" -eq 3 ]
judge diff_of_two_states
says out '^vlan +differs' diff_names_the_section
says out '^mq +same' diff_names_the_same
run diff --json "$example" "$typical"
holds diff_in_json \
	'j["exit"] == 3 and j["same"] is False and j["error"] is None and {"section": "mq", "result": "same"}.items() <= [s for s in j["sections"] if s["section"] == "mq"][0].items()'
run diff --json "$typical" sim
holds what_a_device_does_not_know_is_unseen \
	'[s["result"] for s in j["sections"] if s["section"] == "rss"] == ["unseen"]'

exits 0 transcript_is_saved save --transcript "$guest" -o "$work/state.json"
holds transcript_gives_the_state \
	'j["mac"]["address"] == "52:54:00:aa:bb:cc" and j["vlan"]["ids"] == [42] and j["mq"]["queue_pairs"] == 4 and j["unknown"] == []' \
	"$work/state.json"
holds transcript_is_the_origin \
	'j["captured"]["sources"] == ["transcript:'"$guest"'"]' "$work/state.json"
exits 0 saved_state_loads load "$work/state.json" sim
exits 0 two_sources_are_merged \
	save --transcript "$guest" --device sim -o "$work/merged.json"
holds merge_has_both \
	'j["mq"]["queue_pairs"] == 4 and "backend_features" in j' \
	"$work/merged.json"
run save --device sim
says err 'unknown: features.negotiated; known to .*--transcript' save_says_what_is_unknown
exits 0 save_in_json save --json --device sim -o "$work/dev.json"
holds save_in_json_names_the_file \
	'j["exit"] == 0 and j["file"].endswith("dev.json") and j["error"] is None'
holds save_in_json_names_unknown_features \
	'j["unknown"][0] == "features.negotiated"'
sed 's/525400aabbcc/525400aabbdd/' "$guest" >"$work/other.jsonl"
fails 3 'mac.*52:54:00:aa:bb' conflict_is_refused \
	save --transcript "$guest" --transcript "$work/other.jsonl"
says err 'mac.address: conflict: .*:cc" from transcript:.*guest.jsonl, .*:dd" from transcript:.*other.jsonl' \
	a_conflict_names_values_and_sources
sed 's/525400aabbcc/525400aabbee/; s/"data": "0400"/"data": "0200"/' "$guest" \
	>"$work/third.jsonl"
run save --transcript "$guest" --transcript "$work/other.jsonl" \
	--transcript "$work/third.jsonl" -o "$work/none.json"
[ "$code" -eq 3 ] && [ "$(wc -l <"$work/err")" -eq 6 ]
judge several_conflicts_are_a_line_each "exit $code"
says err 'the sources disagree in 5 points; say with --prefer' conflicts_are_counted
# Each of the three addresses is not the two others', and one has other pairs.
for pair in cc.*dd cc.*ee dd.*ee; do
	says err "mac.address: conflict: .*$pair" "every_conflict_is_said_$pair"
done
says err 'mq: conflict: 4 from .*guest.*, 2 from .*third' conflicts_are_named_by_item
says err 'mq: conflict: 4 from .*other.*, 2 from .*third' conflicts_of_any_two_are_said
[ ! -e "$work/none.json" ]
judge nothing_is_written_then
run save --json --transcript "$guest" --transcript "$work/other.jsonl" \
	--transcript "$work/third.jsonl"
holds conflicts_are_in_the_object 'j["exit"] == 3 and len(j["conflicts"]) == 5 and
	all(": conflict: " in line for line in j["conflicts"])'
# What is preferred decides between the others, too, wherever it stands.
exits 0 the_last_one_decides save --transcript "$guest" \
	--transcript "$work/other.jsonl" --transcript "$work/third.jsonl" \
	--prefer "transcript:$work/third.jsonl" -o "$work/state.json"
holds the_last_ones_values_stand 'j["mac"]["address"] == "52:54:00:aa:bb:ee" and
	j["mq"]["queue_pairs"] == 2' "$work/state.json"
says err 'mac.address: overridden: .*:dd" from .*other.jsonl, by .*:ee" from .*third' \
	what_is_overridden_is_said
says err 'mq: overridden: 4 from .*guest.jsonl, by 2 from .*third' \
	all_that_is_overridden_is_said
exits 0 quiet_says_nothing_of_it save -q --transcript "$guest" \
	--transcript "$work/other.jsonl" --prefer transcript -o "$work/state.json"
[ ! -s "$work/err" ]
judge quiet_is_quiet
exits 0 conflict_is_decided save --transcript "$guest" \
	--transcript "$work/other.jsonl" \
	--prefer "transcript:$work/other.jsonl" -o "$work/state.json"
holds preferred_source_wins 'j["mac"]["address"] == "52:54:00:aa:bb:dd"' \
	"$work/state.json"
exits 0 conflict_is_decided_by_kind save --transcript "$guest" \
	--transcript "$work/other.jsonl" --prefer transcript \
	-o "$work/state.json"
holds first_of_a_kind_wins 'j["mac"]["address"] == "52:54:00:aa:bb:cc"' \
	"$work/state.json"

exits 0 dump_is_written load -q "$typical" "sim:dump=$work/dump.json"
exits 5 dump_of_a_failure load -q "$typical" \
	"sim:refuse=1.1,dump=$work/failed.json"
validates every_state_is_valid "$example" "$typical" "$work/state.json" \
	"$work/merged.json" "$work/dev.json" "$work/dump.json" \
	"$work/failed.json"

exits 0 transcript_is_printed transcript "$guest"
says out 'VLAN_ADD 42' transcript_is_decoded
says out 'REFUSED \(ack 1\)' transcript_shows_refusals
exits 0 transcript_in_json transcript --json "$guest"
holds transcript_has_its_lines \
	'len(j["lines"]) == 9 and j["lines"][0]["header"] and j["lines"][8]["ack"] == 1'
finish
