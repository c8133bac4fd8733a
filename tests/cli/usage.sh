#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line itself: help, usage errors, and what is judged before what.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

example=$data/example.json
dump=$work/dump.json

exits 0 version_is_printed --version
says out '^vdpa-restore [0-9]+\.[0-9]+\.[0-9]+$' version_has_three_numbers

for command in list show save check plan load diff verify provision unprovision \
	export transcript help; do
	exits 0 "help_explains_$command" help "$command"
	says out "^usage: vdpa-restore $command( |$)" "help_of_${command}_has_usage"
	exits 0 "dash_dash_help_explains_$command" "$command" --help
done
exits 0 help_lists_the_commands help
says out '^  transcript ' help_names_transcript
exits 0 help_list_is_for_programs help --list
says out '^option	load	--timeout	' help_list_names_options

run
if [ "$code" -eq 2 ] && [ ! -s "$work/out" ] &&
	grep -q '^usage: ' "$work/err"; then
	ok no_command_is_a_usage_error
else
	not_ok no_command_is_a_usage_error "exit $code"
fi

fails 2 'shwo: unknown command; did you mean show\?' \
	unknown_command_gets_a_hint shwo
fails 2 'unknown command' unknown_command_without_a_hint frobnicate
fails 2 'did you mean --timeout' unknown_option_gets_a_hint \
	load --timeuot=1 "$example" sim
exits 0 unambiguous_abbreviations load --timeo=1 --unk default "$example" sim
fails 2 '--ve: could be --verbose or --version' ambiguous_abbreviation \
	show --ve "$example"
fails 2 '--h: could be --help or --hold' ambiguous_in_this_command \
	load --h "$example" sim
exits 0 unambiguous_in_this_command show --h
fails 2 '--: could be' option_without_a_name show --=x "$example"
fails 2 '-x: unknown option' unknown_letter show -x "$example"
fails 2 '--quiet: takes no value' value_where_none_belongs show --quiet=1 x
fails 2 '--timeout: its value is missing' missing_value \
	load "$example" sim --timeout
fails 2 '--hold: unknown option' option_of_another_command \
	show --hold "$example"
fails 2 'an argument is missing' missing_argument load "$example"
fails 2 'one argument too many' extra_argument show "$example" "$example"
fails 2 'sources are options: --control' source_as_a_word save control:/tmp/socket
fails 2 '' help_of_an_unknown_command help frobnicate
fails 2 'no source' save_needs_a_source save
fails 2 'can be only one' stdin_is_only_one_side diff - -

for command in shadow run; do
	fails 2 'this version' "${command}_is_for_later" "$command"
done

for timeout in 0 0.0009 3601 -1 1e3 0x10 inf nan 1. .5 ' 1' '1s' '' \
	99999999999999999999; do
	fails 2 '0\.001 to 3600' "timeout_refuses_'$timeout'" \
		load --timeout="$timeout" "$example" sim
done
fails 2 'require\|assume' bad_policy \
	load --enable-after-driver-ok=yes "$example" sim
fails 2 'refuse\|default' bad_unknown load --unknown=maybe "$example" sim
fails 2 'no such section; name one of .*mac.*rss.*coalescing' bad_warn load --warn nosuch "$example" sim
fails 2 '' empty_warn load --warn= "$example" sim
fails 2 'not among the sources' prefer_names_a_source \
	save --transcript "$data/guest.jsonl" --prefer transcript:other

for dev in sim:nosuch=1 sim:pairs=0 sim:pairs=65 sim:pairs=x sim: sim:pairs \
	sim:hostile=nosuch sim:refuse=4 sim:features=+NOSUCH fd:x vdpa:; do
	fails 2 '' "load_refuses_$dev" load "$example" "$dev"
done
fails 2 'a device where a file' file_must_not_be_a_device load sim sim
fails 2 'a device where a file' plan_wants_a_file plan sim

# 2 before 7 before the device.
fails 2 '' option_is_judged_before_the_file \
	load --timeout=0 /nonexistent sim
fails 2 '' device_name_is_judged_before_the_file \
	load /nonexistent sim:nosuch=1
fails 7 '' file_is_judged_before_the_device \
	load /nonexistent "sim:busy=on"
fails 7 '' diff_judges_the_file_before_the_device \
	diff sim:busy=on /nonexistent
fails 7 '' plan_judges_the_file_before_the_device \
	plan /nonexistent sim:busy=on
fails 7 '' save_judges_the_file_before_the_device \
	save --device sim:busy=on --transcript /nonexistent
run load /nonexistent "sim:dump=$dump"
if [ -e "$dump" ]; then
	not_ok bad_file_leaves_the_device_alone
else
	ok bad_file_leaves_the_device_alone
fi
"$PYTHON" -c 'import json, sys
j = json.load(open(sys.argv[1]))
j["features"] = {"offered": j["features"]["offered"], "negotiated": None}
json.dump(j, sys.stdout)' "$example" >"$work/null.json"
fails 3 'negotiated' null_features_are_refused_before_the_device \
	load "$work/null.json" "sim:busy=on,dump=$dump"
fails 1 '' no_such_device load "$example" vdpa:nosuch
fails 1 '' no_such_path load "$example" /nonexistent
fails 1 '' a_file_is_no_device load "$example" "$example"
fails 1 '' null_is_no_vdpa_device load "$example" /dev/null

# Options anywhere, "--" ends them.
exits 0 options_before_the_command -q --timeout 5 load "$example" sim
exits 0 options_between load "$example" --timeout=5 sim -q
exits 0 option_letters_in_a_row load "$example" sim -qv
POSIXLY_CORRECT=1 exits 0 options_last_whatever_posix_says \
	plan "$example" --json
cp "$example" "$work/--json"
(cd "$work" && "$VDPA_RESTORE" plan -- --json) >"$work/plain"
if grep -q MAC_ADDR_SET "$work/plain" && ! grep -q '^{' "$work/plain"; then
	ok dash_dash_ends_options
else
	not_ok dash_dash_ends_options
fi
cp "$example" "$work/sim"
(cd "$work" && "$VDPA_RESTORE" plan ./sim) >/dev/null
judge a_path_is_no_device_name

# --json answers on failure too, in one object.
for arguments in 'shwo' 'show --nosuch' 'load --timeout=0 x sim' 'load x' ''; do
	# shellcheck disable=SC2086 # words are wanted
	run $arguments --json
	holds "json_on_failure_of_'$arguments'" \
		'j["exit"] == 2 and j["error"]["text"] and set(j["error"]) == {"stage", "text", "cure"}'
done
run load /nonexistent sim --json
holds json_of_a_failed_load_has_every_key \
	'j["exit"] == 7 and [*j] == ["schema", "version", "exit", "device", "isolated", "order", "stages", "commands", "counts", "enabled", "warnings", "error"]'
says err '^vdpa-restore: .*/nonexistent' json_keeps_the_line
# JSON is UTF-8, even where an argument is not.
run load "$(printf '/nonexistent/\377\303\244')" sim --json
holds json_of_an_argument_that_is_not_utf_8 \
	'j["error"]["text"].startswith("/nonexistent/\ufffd\u00e4: ")'
finish
