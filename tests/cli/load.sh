#!/bin/sh
# SPDX-License-Identifier: MIT
# load on the simulated device: success, every kind of refusal, signals.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

example=$data/example.json
typical=$data/typical.json
small=$work/small.json
dump=$work/dump.json
small_state >"$small"

# loads CODE PATTERN NAME DEV [ARGUMENT...]: the exit code, the line, and that a
# failure leaves a reset device.
loads() {
	want=$1
	pattern=$2
	name=$3
	dev=$4
	shift 4
	rm -f "$dump"
	case $dev in
	sim) dev="sim:dump=$dump" ;;
	*) dev="$dev,dump=$dump" ;;
	esac
	fails "$want" "$pattern" "$name" load "$example" "$dev" --timeout 2 "$@"
	holds "${name}_leaves_a_reset_device" \
		'j["features"]["negotiated"] == "0x0" and not {"mac", "vlan", "mq", "rss"} & set(j)' \
		"$dump"
}

for state in "$example" "$typical" "$small"; do
	name=$(basename "$state" .json)
	exits 0 "${name}_loads_on_sim" load "$state" sim
	says err 'rehearsal' "${name}_is_said_to_be_a_rehearsal"
	says out '^restored: ' "${name}_has_a_summary"
	exits 0 "${name}_loads_in_json" load --json "$state" sim
	holds "${name}_has_a_report" \
		'j["exit"] == 0 and j["error"] is None and j["order"] == "promised" and j["isolated"] is True and all(c["ack"] == 0 for c in j["commands"]) and j["counts"]["commands"] == len(j["commands"]) and [s["name"] for s in j["stages"]] == ["examine", "compare", "negotiate", "map", "rings", "start", "replay", "enable", "verify"]'
done
run load -q "$example" sim
[ "$code" -eq 0 ] && [ ! -s "$work/err" ]
judge quiet_says_nothing
timeout 30 "$VDPA_RESTORE" load -q - sim <"$example" >/dev/null
judge state_from_stdin
exits 0 not_isolated_works load --json "$example" sim:isolated=off
holds not_isolated_is_reported 'j["isolated"] is False'
exits 0 one_pair_state_on_many load "$small" sim:pairs=64
exits 0 promised_order_can_be_assumed \
	load --enable-after-driver-ok=assume "$example" sim

# What the device holds at its end is what the state says.
exits 0 dump_is_written load -q "$typical" "sim:dump=$dump"
"$VDPA_RESTORE" show --json "$typical" >"$work/want.json" 2>/dev/null
holds dump_has_the_state \
	'all(j[k] == json.load(open("'"$work/want.json"'"))[k] for k in ("mac", "rx_mode", "vlan", "mq", "rss", "offloads"))' \
	"$dump"
holds dump_has_the_enabled_queues \
	'[v["index"] for v in j["vrings"] if v["enabled"]] == list(range(9))' \
	"$dump"

# 3: does not fit, nothing touched.
loads 3 '--enable-after-driver-ok=assume' late_enable_must_be_promised \
	sim:enable-after-driver-ok=off
exits 0 late_enable_may_be_assumed load --json "$example" \
	sim:enable-after-driver-ok=off --enable-after-driver-ok=assume
holds assumed_order_is_reported 'j["order"] == "assumed"'
loads 3 'RSS' missing_feature_is_named sim:features=-RSS
loads 3 'MQ.*RSS|RSS.*MQ' every_missing_feature_is_named \
	sim:features=-RSS-MQ
loads 3 'pairs' too_few_pairs sim:pairs=2
loads 3 'key' too_small_key sim:key-size=16
exits 0 vmm_feature_may_be_missing load "$example" sim:features=-MTU
says out 'MTU' missing_vmm_feature_is_a_warning
loads 3 'MTU' strict_features_refuse sim:features=-MTU --strict-features
sed 's/"rss": {/"ignored": {/' "$example" |
	"$PYTHON" -c 'import json, sys
j = json.load(sys.stdin)
del j["ignored"]
j["unknown"] = ["rss"]
json.dump(j, sys.stdout)' >"$work/norss.json"
fails 3 'rss' unknown_section_is_refused load "$work/norss.json" sim
exits 0 unknown_section_may_be_default \
	load --unknown=default --json "$work/norss.json" sim
holds unknown_section_sends_nothing \
	'not [c for c in j["commands"] if c["section"] == "rss"]'
run load --json "$example" sim:enable-after-driver-ok=off
holds refusal_in_json \
	'j["exit"] == 3 and j["error"]["stage"] == "compare" and j["error"]["text"]'

# 4: somebody else has it.
fails 4 'busy' busy_device load "$example" sim:busy=on
fails 4 '--transcript' busy_device_names_other_sources \
	save --device sim:busy=on
fails 4 '' busy_device_of_show show sim:busy=on
run load --json "$example" sim:busy=on
holds busy_in_json 'j["exit"] == 4 and j["device"] == "sim:busy=on"'

# 5: the device says no. MAC_ADDR_SET 1.1 ... RSS_CONFIG 4.1 with its payload.
loads 5 'RSS_CONFIG' refused_command_is_named sim:refuse=4.1
"$VDPA_RESTORE" plan --json "$example" >"$work/plan.json"
payload=$("$PYTHON" -c 'import json, sys
print([c["data"] for c in json.load(open(sys.argv[1]))["commands"]
       if (c["class"], c["command"]) == (4, 1)][0][:16])' "$work/plan.json")
run load "$example" sim:refuse=4.1
says err "$payload" refused_payload_is_shown
run load --json "$example" sim:refuse=4.1
holds refusal_by_the_device_in_json \
	'j["exit"] == 5 and j["error"]["stage"] == "replay" and [c["ack"] for c in j["commands"] if c["name"] == "RSS_CONFIG"] == [1] and j["enabled"] == []'
exits 0 refusal_may_be_a_warning \
	load --warn rss --json "$example" sim:refuse=4.1
holds refusal_is_warned_of '"rss" in [w["section"] for w in j["warnings"]]'
run load --warn rss "$example" sim:refuse=4.1
[ "$code" -eq 0 ] && grep -q '^restored: 110 commands, 1 data queue enabled, 1 warning, ' \
	"$work/out" && grep -q '^  rss: device refused RSS_CONFIG' "$work/out"
judge warning_in_the_report_for_people "exit $code"
exits 0 several_refusals_may_be_warnings load --warn rss --warn vlan \
	"$example" sim:refuse=4.1,refuse=2.0
loads 5 'VLAN_ADD' other_refusals_stay_errors \
	sim:refuse=4.1,refuse=2.0 --warn rss
loads 5 'VQ_SET' late_command_refused sim:refuse=6.2

# 6: the device does not answer.
begin=$(date +%s%N)
run load "$example" sim:stall=4.1 --timeout 0.5
end=$(date +%s%N)
ms=$(((end - begin) / 1000000))
if [ "$code" -eq 6 ] && [ "$ms" -ge 450 ] && [ "$ms" -lt 1500 ]; then
	ok stall_ends_at_the_deadline
else
	not_ok stall_ends_at_the_deadline "exit $code after $ms ms"
fi
loads 6 'RSS_CONFIG' stalled_command_is_named sim:stall=4.1
loads 6 '' slow_device_runs_into_the_deadline sim:delay=100000

mkfifo "$work/pipe"
sleep 20 >"$work/pipe" &
sleeper=$!
timeout 10 "$VDPA_RESTORE" load - sim --timeout 0.3 <"$work/pipe" \
	2>"$work/err"
code=$?
kill "$sleeper"
[ "$code" -eq 6 ]
judge waiting_for_input_ends_at_the_deadline "exit $code"
fails 6 'the time is up' waiting_for_a_pipe_ends_at_the_deadline \
	load "$work/pipe" sim --timeout 0.3
cat "$example" >"$work/pipe" &
exits 0 state_from_a_pipe load "$work/pipe" sim

# A device that lies or breaks: an error in time, whatever it does.
for how in used-id used-repeat used-jump used-back len-0 len-huge ack-garbage \
	needs-reset no-features-ok no-driver-ok; do
	rm -f "$dump"
	begin=$(date +%s%N)
	run load "$example" "sim:hostile=$how,dump=$dump" --timeout 1
	ms=$((($(date +%s%N) - begin) / 1000000))
	if { [ "$code" -eq 5 ] || [ "$code" -eq 6 ]; } && [ "$ms" -lt 2000 ] &&
		[ "$(wc -l <"$work/err")" -eq 1 ]; then
		ok "hostile_$how"
	else
		not_ok "hostile_$how" "exit $code after $ms ms"
	fi
	holds "hostile_${how}_leaves_a_reset_device" \
		'j["features"]["negotiated"] == "0x0"' "$dump"
done
for how in config-change late; do
	begin=$(date +%s%N)
	run load "$example" "sim:hostile=$how" --timeout 1
	ms=$((($(date +%s%N) - begin) / 1000000))
	case $code in
	0 | 5 | 6) ok "hostile_$how" ;;
	*) not_ok "hostile_$how" "exit $code" ;;
	esac
	[ "$ms" -lt 2000 ]
	judge "hostile_${how}_in_time" "$ms ms"
done
exits 0 quirk_cvq16 load "$typical" sim:quirk=cvq16
exits 0 quirk_exact_size load "$typical" sim:quirk=exact-size

# Signals reset the device, and end the waiting for input.
"$PYTHON" - "$VDPA_RESTORE" "$work/pipe" >"$work/out" 2>"$work/err" <<'PY'
import signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "load", sys.argv[2], "sim"])
time.sleep(0.4)
p.send_signal(signal.SIGTERM)
sys.exit(p.wait(5) & 255)
PY
code=$?
[ "$code" -eq 1 ]
judge signal_ends_the_reading "exit $code"
for signal in INT TERM; do
	rm -f "$dump"
	"$PYTHON" - "$VDPA_RESTORE" "$signal" "$example" \
		"sim:stall=1.1,dump=$dump" >"$work/out" 2>"$work/err" <<'PY'
import signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "load", "--timeout", "20", *sys.argv[3:]])
time.sleep(0.4)
p.send_signal(getattr(signal, "SIG" + sys.argv[2]))
sys.exit(p.wait(5) & 255)
PY
	code=$?
	[ "$code" -eq 1 ]
	judge "sig${signal}_ends_a_load" "exit $code"
	holds "sig${signal}_resets_the_device" \
		'j["features"]["negotiated"] == "0x0"' "$dump"
done

rm -f "$dump"
"$PYTHON" - "$VDPA_RESTORE" "$example" "sim:dump=$dump" \
	>"$work/out" 2>"$work/err" <<'PY'
import json, os, signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "load", "--hold", "--json", *sys.argv[2:]],
                     stdout=subprocess.PIPE)
line = p.stdout.readline()
assert json.loads(line)["exit"] == 0
time.sleep(0.2)
assert p.poll() is None and not os.path.exists(sys.argv[3][9:])
p.send_signal(signal.SIGTERM)
assert p.stdout.read() == b""
sys.exit(p.wait(5) & 255)
PY
code=$?
[ "$code" -eq 0 ]
judge hold_waits_for_a_signal
holds hold_keeps_the_state_to_its_end 'j["mq"]["queue_pairs"] == 4' "$dump"
run load --hold "$example" sim:refuse=1.1
[ "$code" -eq 5 ]
judge hold_does_not_hold_a_failure

# The timeline: a picture or trace events, also of a failure.
svg=$work/line.svg
trace=$work/line.json

# draws NAME: is $svg well-formed XML, and an SVG?
draws() {
	"$PYTHON" -c 'import sys, xml.etree.ElementTree as e
sys.exit(e.parse(sys.argv[1]).getroot().tag != "{http://www.w3.org/2000/svg}svg")' \
		"$svg" 2>"$work/err"
	judge "$1"
}

exits 0 timeline_of_a_restore load "$typical" sim --timeline "$svg"
draws timeline_is_an_svg
grep -q 'data queues open' "$svg"
judge timeline_shows_the_opening
[ "$(stat -c %a "$svg")" = 600 ]
judge timeline_is_written_like_a_state
exits 0 timeline_in_json load --json "$typical" sim --timeline "$trace"
holds timeline_leaves_the_report_alone 'j["exit"] == 0 and j["commands"]'
cp "$work/out" "$work/report.json"
# follows NAME: does $trace keep to the trace event format?
follows() {
	"$PYTHON" "$tests/trace-event.py" "$trace" >"$work/err"
	judge "$1"
}
follows timeline_is_in_the_trace_event_format
"$PYTHON" "$tests/trace-event.py" --selftest "$trace" >"$work/err"
judge timeline_with_a_fault_in_it_would_not_be
holds timeline_has_stages_and_commands \
	'(lambda r, x: [e["name"] for e in x if e["tid"] == 1] == [s["name"] for s in r["stages"]] and sorted(e["name"] for e in x if e["tid"] > 1) == sorted(c["name"] for c in r["commands"]))(json.load(open("'"$work/report.json"'")), [e for e in j["traceEvents"] if e["ph"] == "X"])' \
	"$trace"
holds timeline_opens_after_all_answers \
	'(lambda at, x: all(e["ts"] + e["dur"] <= at for e in x if e["ph"] == "X" and e["tid"] > 1 and e["args"]["section"] != "coalescing"))([e["ts"] for e in j["traceEvents"] if e["name"] == "data queues open"][0], j["traceEvents"])' \
	"$trace"
rm -f "$svg"
odd=$work/$(printf 'a<b>&"\001\377')
fails 5 'RSS_CONFIG' timeline_of_a_failure load "$example" \
	"sim:refuse=4.1,dump=$odd" --timeline "$svg"
draws timeline_of_an_odd_name_is_an_svg
grep -q 'failed in stage replay' "$svg" && grep -q 'RSS_CONFIG' "$svg"
judge timeline_of_a_failure_names_it
for how in hostile=no-features-ok hostile=no-driver-ok hostile=used-id stall=4.1; do
	rm -f "$svg" "$trace"
	run load "$example" "sim:$how" --timeout 0.5 --timeline "$svg"
	draws "timeline_of_$how"
	run load "$example" "sim:$how,cvq-size=4" --timeout 0.5 --timeline "$trace"
	follows "trace_of_$how"
done
rm -f "$trace"
fails 7 '' no_timeline_of_what_never_began load "$work/none.json" sim \
	--timeline "$trace"
[ ! -e "$trace" ]
judge no_timeline_file_either
fails 2 'standard output has the report' timeline_cannot_go_to_stdout \
	load "$example" sim --timeline -
fails 2 'standard output' timeline_cannot_go_to_dev_stdout \
	load "$example" sim --timeline /dev/stdout
run load -q "$example" "sim:dump=$work/untouched" --timeline "$work/no/such/line.svg"
[ "$code" -eq 1 ] && grep -q 'No such file' "$work/err" &&
	[ ! -s "$work/out" ] && [ ! -e "$work/untouched" ]
judge timeline_that_cannot_be_leaves_the_device_alone "exit $code"
run load --json "$example" sim --timeline "$work/no/such/line.svg"
[ "$code" -eq 1 ]
judge timeline_that_fails_in_json "exit $code"
holds timeline_error_in_json \
	'j["exit"] == 1 and j["error"]["stage"] == "timeline"'
# A folder where the file should be, or no name at all.
mkdir "$work/folder.svg"
fails 1 'Is a directory' timeline_in_place_of_a_folder load -q "$example" \
	"sim:dump=$work/untouched" --timeline "$work/folder.svg"
fails 1 'give --timeline a file' timeline_without_a_name load -q "$example" \
	"sim:dump=$work/untouched" --timeline=
fails 1 'give --timeline a file' timeline_that_is_no_file load -q "$example" \
	"sim:dump=$work/untouched" --timeline "$work/none.svg/"
[ ! -e "$work/untouched" ]
judge timeline_that_is_no_file_leaves_the_device_alone
run load -q "$example" sim --timeline /dev/fd/2
holds timeline_to_a_descriptor 'j["traceEvents"]' "$work/err"

if [ -c /dev/full ]; then
	run load --json "$example" sim --timeline /dev/full
	[ "$code" -eq 1 ]
	judge timeline_on_a_full_disk "exit $code"
	run load "$example" sim:refuse=4.1 --timeline /dev/full
	[ "$code" -eq 5 ]
	judge timeline_error_does_not_hide_the_first "exit $code"
	run load --json "$example" sim --timeline /dev/full
	holds timeline_on_a_full_disk_leaves_the_report \
		'j["exit"] == 1 and j["error"]["stage"] == "timeline" and len(j["commands"]) == 110 and j["counts"]["commands"] == 110'
fi
mkfifo "$work/fifo.json"
rm -f "$work/untouched"
fails 1 'nobody reads it' timeline_that_nobody_reads \
	load "$example" "sim:dump=$work/untouched" --timeline "$work/fifo.json"
[ ! -e "$work/untouched" ]
judge timeline_that_nobody_reads_leaves_the_device_alone

# A reader that does not read, a process that is stopped: neither is waited for.
"$PYTHON" - "$VDPA_RESTORE" "$example" "$work/4096.json" >"$work/out" 2>"$work/err" <<'PY'
import json, signal, subprocess, sys, time
tool, example, many = sys.argv[1:]
with open(example) as file:
    state = json.load(file)
state["vlan"] = {"ids": ["0-4095"]}
with open(many, "w") as file:
    json.dump(state, file)
for arguments in (["load", "--json", many, "sim"], ["load", "--json", "--hold", many, "sim"],
                  ["load", "-v", many, "sim"]):
    p = subprocess.Popen([tool, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    assert p.poll() is None, "it ended without a reader"
    p.send_signal(signal.SIGTERM)
    try:
        code = p.wait(10)
    except subprocess.TimeoutExpired:
        p.kill()
        sys.exit("%s goes on after SIGTERM" % arguments)
    assert code == 1, (arguments, code)
    assert b"interrupted" in p.stderr.read(), arguments
PY
judge signal_ends_the_writing "$(cat "$work/err")"
"$PYTHON" - "$VDPA_RESTORE" "$example" >"$work/out" 2>"$work/err" <<'PY'
import re, signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "load", "--timeout", "1", sys.argv[2], "sim:stall=2.0"], stderr=subprocess.PIPE)
time.sleep(0.1)
p.send_signal(signal.SIGSTOP)
time.sleep(3)
p.send_signal(signal.SIGCONT)
code, err = p.wait(20), p.stderr.read().decode()
assert code == 6, (code, err)
after = float(re.search(r"after ([0-9.]+) s", err).group(1))
assert after < 3.85, err
PY
judge deadline_is_of_the_clock "$(cat "$work/err")"

# What a failure means: the long forms are in the unit tests.
fails 5 'FEATURES_OK.*features asked for: 0x.*\(CSUM, ' features_are_named \
	load "$example" sim:hostile=no-features-ok
fails 5 'DRIVER_OK.*virtqueues.*kernel log' driver_ok_has_a_cure \
	load "$example" sim:hostile=no-driver-ok
fails 5 'the device changed its limits' change_comes_before_its_refusals \
	load "$example" sim:hostile=config-change
finish
