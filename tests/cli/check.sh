#!/bin/sh
# SPDX-License-Identifier: MIT
# check: every reason at once, warnings apart, what VMMs refuse and lose.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

typical=$data/typical.json

# The state of a report that became known for its masks.
kubevirt() {
	printf '%s' '{"schema":"vdpa-restore/state","version":1,"compat":1,' \
		'"features":{"offered":"0x1c0010130afffaf",' \
		'"negotiated":"0x1c0010130afffaf"},' \
		'"config":{"mac":"52:54:00:00:00:01","mtu":9000},' \
		'"mac":{"address":"52:54:00:00:00:01","unicast":[],' \
		'"multicast":[],"unicast_overflow":false,' \
		'"multicast_overflow":false},"vlan":{"ids":[]},' \
		'"offloads":[],"unknown":["rx_mode"]}'
}
kubevirt >"$work/kubevirt.json"
small_state >"$work/small.json"

exits 0 what_fits_fits check "$typical" sim
says out '^.*typical.json: fits sim$' fitting_is_said
exits 0 what_fits_fits_in_json check --json "$typical" sim
holds fitting_has_the_shape 'j["exit"] == 0 and j["fits"] is True and
	j["refusals"] == [] and j["warnings"] == [] and j["error"] is None and
	list(j) == ["exit", "fits", "refusals", "warnings", "error"]'

exits 3 masks_do_not_fit check --json "$work/kubevirt.json" \
	sim:features=0x10179bfffef,mtu=1500
holds masks_have_names '[r["name"] for r in j["refusals"]
	if r["kind"] == "feature"] == ["GUEST_USO4", "GUEST_USO6", "HOST_USO"]'
holds all_kinds_come_at_once '{r["kind"] for r in j["refusals"]} ==
	{"feature", "unknown", "limit"}'
holds limits_have_both_values 'any(r["name"] == "mtu" and r["want"] == "9000" and
	r["have"] == "1500" and r["cure"] for r in j["refusals"])'
holds unknown_sections_are_among_them 'any(r["kind"] == "unknown" and
	r["section"] == "rx_mode" for r in j["refusals"])'
holds a_refusal_is_an_answer 'j["fits"] is False and j["exit"] == 3 and
	j["error"] is None'
holds reasons_are_whole 'all(list(r) == ["section", "kind", "name", "want",
	"have", "text", "cure"] and r["text"] for r in j["refusals"] + j["warnings"])'
exits 3 masks_do_not_fit_as_text check "$work/kubevirt.json" \
	sim:features=0x10179bfffef,mtu=1500
says out '^refused: GUEST_USO4 \(bit 54\) ' names_are_in_the_text
says out '^    wanted: 9000, there: 1500$' values_are_in_the_text
says out '^    cure: ' cures_are_in_the_text
[ ! -s "$work/err" ]
judge an_answer_is_no_error

# The size of one ring is told to the owner only.
exits 3 a_control_queue_that_is_too_small_does_not_fit check --json \
	"$work/small.json" sim:cvq-size=1,mac=52:54:00:00:00:01,features=-CTRL_VLAN
holds it_is_a_reason_beside_others \
	'[(r["name"], r["want"], r["have"]) for r in j["refusals"]] ==
	[("CTRL_VLAN", "negotiated", "not offered"), ("cvq_size", "at least 2", "1")]'
exits 0 with_indirect_descriptors_it_fits check "$typical" sim:cvq-size=1
exits 0 and_loads load -q "$typical" sim:cvq-size=1
exits 0 two_entries_will_do check "$work/small.json" sim:cvq-size=2
exits 3 load_refuses_that_too load "$work/small.json" sim:cvq-size=1
says err 'control virtqueue of 1 entries: a command takes two without INDIRECT_DESC' \
	in_the_same_words

# The same judgement as load's.
for dev in sim:pairs=2,mtu=1400 sim:features=-CTRL_VLAN,key-size=20 \
	sim:enable-after-driver-ok=off sim:features=-MQ-RSS; do
	exits 3 "check_refuses_$dev" check --json "$typical" "$dev"
	cp "$work/out" "$work/check.json"
	exits 3 "load_refuses_$dev" load --json "$typical" "$dev"
	# shellcheck disable=SC2016 # python's
	holds "both_give_the_same_reasons_for_$dev" \
		'all(r["text"] in j["error"]["text"] for r in
		json.load(open("'"$work"'/check.json"))["refusals"])'
done
exits 0 options_of_load_are_heeded check \
	--enable-after-driver-ok=assume "$typical" sim:enable-after-driver-ok=off
exits 3 strictness_is_heeded check --strict-features "$typical" sim:features=-MTU
exits 0 without_strictness_it_is_a_warning check --json "$typical" \
	sim:features=-MTU
holds warnings_are_apart 'j["refusals"] == [] and
	j["warnings"][0]["name"] == "MTU"'

exits 0 a_mac_that_differs_is_a_warning check --json "$typical" \
	sim:mac=52:54:00:00:00:99
holds both_macs_are_named 'j["warnings"] and
	j["warnings"][0]["have"] == "52:54:00:00:00:99" and
	j["warnings"][0]["name"] == "mac"'

# ------------------------------------------------------------------- VMMs

exits 3 qemu_minds_what_is_only_offered check --json --for qemu-10.0 \
	"$work/small.json" sim
holds qemu_names_what_it_minds '{r["name"] for r in j["refusals"]} ==
	{"GUEST_ANNOUNCE", "RING_INDIRECT_DESC", "VQ_NOTF_COAL", "NOTF_COAL"} and
	all(r["have"] == "offered" and "provision" in r["cure"]
	for r in j["refusals"])'
exits 0 without_them_qemu_is_content check --for qemu-10.0 "$work/small.json" \
	sim:features=-GUEST_ANNOUNCE-RING_INDIRECT_DESC-VQ_NOTF_COAL-NOTF_COAL
exits 3 qemu_wants_isolation check --json --for qemu-8.2 "$work/small.json" \
	sim:isolated=off,features=-GUEST_ANNOUNCE-RING_INDIRECT_DESC-VQ_NOTF_COAL-NOTF_COAL
holds isolation_is_named '[r["name"] for r in j["refusals"]] == ["isolation"]'
"$PYTHON" - "$data/state-example.json" >"$work/loses.json" <<'PY'
import json, sys
j = json.load(open(sys.argv[1]))
j.pop("captured", None); j.pop("origin", None); j["features"].pop("names", None)
j["features"]["negotiated"] = "0x9030000130ffffaf"
j["features"]["offered"] = "0x9230000330ffffaf"
j["config"].update({"rss_max_key_size": 60, "rss_max_indirection_table_length": 256,
	"max_virtqueue_pairs": 4})
j["mac"]["multicast"] = ["33:33:00:00:00:%02x" % i for i in range(65)]
j["rss"] = {"hash_types": ["ipv4"], "unclassified_queue": 0, "max_tx_vq": 4,
	"indirection_table": [0] * 256, "key": "00" * 52}
j["mq"] = {"queue_pairs": 4}
j["coalescing"] = {"rx": {"max_packets": 1, "max_usecs": 0},
	"tx": {"max_packets": 0, "max_usecs": 0}, "queues": []}
j["unknown"] = []
json.dump(j, sys.stdout)
PY
run check --json --for qemu-9.2 "$work/loses.json" sim:key-size=60,table-size=256
holds qemu_names_what_it_loses '{(w["section"], w["name"]) for w in j["warnings"]} >=
	{("coalescing", "coalescing"), ("rss", "key"), ("rss", "indirection_table"),
	("mac", "table")}'
holds losses_have_values 'any(w["want"] == "66 addresses" for w in j["warnings"]) and
	any(w["want"] == "52 bytes" for w in j["warnings"])'
run check --json --for cloud-hypervisor-53 "$work/loses.json" \
	sim:key-size=60,table-size=256
holds cloud_hypervisor_loses_all '{w["section"] for w in j["warnings"]} >=
	{"mac", "mq", "rss", "coalescing", "offloads", "rx_mode", "vlan"}'
exits 3 dpdk_negotiates_its_own check --json --for dpdk-25.11 "$typical" sim
holds dpdk_names_what_it_does_not_know '"RING_EVENT_IDX" in
	{r["name"] for r in j["refusals"]} and
	"MQ" not in {r["name"] for r in j["refusals"]}'
holds dpdk_says_what_it_does '[(r["want"], r["have"], "VMM that negotiates it" in
	r["cure"]) for r in j["refusals"] if r["name"] == "RING_EVENT_IDX"] ==
	[("negotiated", "never negotiated", True)]'
exits 3 dpdk_learned_rss check --json --for dpdk-22.11 "$typical" sim
holds older_dpdk_has_no_rss '"RSS" in {r["name"] for r in j["refusals"]}'

for word in qemu qemu-7.2 '' QEMU-10.0 cloud-hypervisor; do
	fails 2 'known are qemu-8.2, .*cloud-hypervisor-53, .*dpdk-26.07' \
		"an_unknown_vmm_lists_the_known_$word" check --for "$word" \
		"$typical" sim
done
# The shells offer the same.
run check --for x "$typical" sim
sed 's/.*known are //; s/, /\n/g' "$work/err" | sort >"$work/known"
for file in _vdpa-restore vdpa-restore.bash vdpa-restore.fish; do
	grep -oE '(qemu|cloud-hypervisor|dpdk)-[0-9][0-9.]*' \
		"$tests/../completions/$file" | sort -u | diff "$work/known" - \
		>"$work/out"
	judge "vmms_in_$file"
done

# ------------------------------------------------------------------- usage

fails 2 'an argument is missing' a_file_is_needed check
fails 2 'no target given' a_target_is_needed check "$typical"
fails 2 'more than one target' one_target_is_enough check "$typical" sim --vdpa x
fails 2 'more than one target' one_kind_is_enough check "$typical" --mgmtdev a --vdpa x
fails 2 'too many' one_device_is_enough check "$typical" sim sim
fails 2 'a device where a file' the_first_word_is_a_file check sim sim
fails 2 'not the name of a vdpa device' names_are_judged check "$typical" --vdpa a/b
fails 2 'not the name of a management' mgmtdevs_are_judged check "$typical" --mgmtdev ''
fails 2 '' forms_are_judged check "$typical" sim:nothing=1
fails 7 'nonexistent' files_come_before_devices check /nonexistent sim:busy=on
fails 4 'without opening|opens nothing' busy_has_a_way_out check "$typical" \
	sim:busy=on
run check --json "$typical" sim:busy=on
holds failures_have_the_shape 'j["exit"] == 4 and j["fits"] is None and
	j["refusals"] == [] and j["warnings"] == [] and j["error"]["stage"] == "open"'

# --------------------------------------------------------- without the kernel

if [ ! -e /sys/bus/vdpa ]; then
	for target in '--vdpa vdpa0' '--mgmtdev vdpasim_net'; do
		# shellcheck disable=SC2086 # two words
		fails 1 'no vdpa module.*modprobe vdpa' \
			"the_missing_module_is_said_to_$target" check "$typical" $target
	done
fi
ASAN_OPTIONS=detect_leaks=0 timeout 30 strace -f -qq -o "$work/trace" \
	-e inject=socket:error=EPERM "$VDPA_RESTORE" check "$typical" --vdpa vdpa0 \
	>"$work/out" 2>"$work/err" </dev/null
code=$?
if grep -q 'Operation not permitted' "$work/err"; then
	[ "$code" -eq 4 ]
	judge forbidden_netlink_is_said "exit $code"
else
	skip forbidden_netlink_is_said 'strace cannot be used here'
fi
finish
