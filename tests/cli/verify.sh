#!/bin/sh
# SPDX-License-Identifier: MIT
# verify: a state against sources, section by section.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

typical=$data/typical.json
small_state >"$work/small.json"

exits 0 a_state_is_itself verify "$typical" "$typical"
exits 0 a_state_is_itself_in_json verify --json "$typical" "$typical"
holds the_shape_is_that_of_diff 'j["same"] is True and j["exit"] == 0 and
	all(s["result"] == "same" and s["a"] == s["b"] for s in j["sections"]) and
	list(j["sections"][0]) == ["section", "result", "a", "b"]'

# What the simulator held at the end of a restore: it has ACCESS_PLATFORM besides,
# and no bit that only a VMM has.
exits 0 the_restore_works load "$typical" "sim:dump=$work/held.json"
exits 3 diff_sees_what_the_restore_added diff "$typical" "$work/held.json"
exits 0 verify_knows_what_the_restore_added verify --json "$typical" \
	"$work/held.json"
holds every_section_is_the_same 'j["same"] is True and
	{s["section"]: s["result"] for s in j["sections"]}["features"] == "same"'

# Something else set afterwards.
"$PYTHON" - "$work/held.json" >"$work/other.json" <<'PY'
import json, sys
j = json.load(open(sys.argv[1]))
j["vlan"]["ids"] = [99]
j["features"].pop("names", None)
json.dump(j, sys.stdout)
PY
exits 3 a_difference_is_found verify --json "$typical" "$work/other.json"
holds the_difference_has_its_section \
	'[s["section"] for s in j["sections"] if s["result"] == "differs"] == ["vlan"]'

# A device that nobody has told anything.
exits 0 what_cannot_be_seen_is_no_difference verify --json \
	"$typical" sim:mac=52:54:00:aa:bb:01
holds what_cannot_be_seen_is_unseen \
	'{s["section"]: s["result"] for s in j["sections"]}["rss"] == "unseen"'
exits 3 another_mac_differs verify --json "$typical" sim:mac=52:54:00:00:00:77
holds the_mac_is_seen_in_config 'any(s["section"] == "mac" and
	s["result"] == "differs" and s["b"] == {"address": "52:54:00:00:00:77"}
	for s in j["sections"])'

# Several sources are one.
exits 0 sources_are_merged verify --json "$typical" \
	sim:mac=52:54:00:aa:bb:01 "$work/held.json"
holds merged_sources_are_the_same 'j["same"]'
exits 3 sources_may_disagree verify "$typical" "$work/held.json" "$work/other.json"
says err 'vlan' the_conflict_is_named
exits 0 the_guest_is_saved save --transcript "$data/guest.jsonl" \
	-o "$work/guest.json"
exits 0 transcripts_are_sources verify "$work/guest.json" \
	--transcript "$data/guest.jsonl" --prefer transcript
exits 3 another_guest_differs verify "$work/small.json" \
	--transcript "$data/guest.jsonl"
exits 0 rings_can_be_compared verify --rings "$typical" "$typical"

fails 2 'an argument is missing' a_file_is_needed verify
fails 2 'no source given' a_source_is_needed verify "$typical"
fails 2 'only one side' standard_input_is_one_side verify - -
fails 2 'only one source' standard_input_is_one_source verify "$typical" - \
	--transcript -
fails 2 'not among the sources' preferred_must_be_there verify "$typical" sim \
	--prefer transcript
fails 2 'not the name of a vdpa device' names_are_judged verify "$typical" --vdpa a/b
fails 7 nonexistent files_come_first verify /nonexistent sim:busy=on
fails 7 nonexistent all_files_come_first verify "$typical" sim:busy=on /nonexistent
fails 4 busy a_busy_device_is_said verify "$typical" sim:busy=on
if [ ! -e /sys/bus/vdpa ]; then
	fails 1 'no vdpa module' the_missing_module_is_said verify "$typical" \
		--vdpa vdpa0
fi
finish
