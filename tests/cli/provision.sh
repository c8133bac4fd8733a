#!/bin/sh
# SPDX-License-Identifier: MIT
# provision, unprovision: usage, and what they say where there is no vdpa. What they
# do on devices is tested in the lab, what they plan in test-wish.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

typical=$data/typical.json
mgmtdev=--mgmtdev=vdpasim_net

fails 2 'an argument is missing' a_file_is_needed provision
fails 2 '--mgmtdev is missing' a_mgmtdev_is_needed provision "$typical" --name x
fails 2 '--name is missing' a_name_is_needed provision "$typical" $mgmtdev
for word in '' a/b "$(printf '%0200d' 0)"; do
	fails 2 'cannot be the name' "names_are_judged_$(printf %.9s "$word")" \
		provision "$typical" $mgmtdev --name "$word"
	fails 2 'cannot be the name' "names_are_judged_too_$(printf %.9s "$word")" \
		unprovision --name "$word"
done
fails 2 'known are qemu-8.2' vmms_are_judged provision "$typical" $mgmtdev \
	--name x --for qemu
fails 2 'mac\|mtu\|pairs\|features' what_to_warn_of_is_judged provision \
	"$typical" $mgmtdev --name x --warn vlan
fails 2 'a device where a file' the_word_is_a_file provision sim $mgmtdev --name x
fails 7 nonexistent files_come_before_netlink provision /nonexistent $mgmtdev \
	--name x
run provision --json /nonexistent $mgmtdev --name x
holds failures_say_what_was_asked_for 'j["exit"] == 7 and
	(j["device"], j["mgmtdev"]) == ("x", "vdpasim_net") and
	{j[k] for k in ("command", "created", "char")} == {None}'
run provision --json "$typical" --name x
holds what_was_not_given_is_null 'j["exit"] == 2 and j["mgmtdev"] is None'
fails 2 '--name is missing' unprovision_needs_a_name unprovision
fails 2 'too many' unprovision_takes_no_word unprovision x

if [ ! -e /sys/bus/vdpa ]; then
	fails 1 'no vdpa module.*modprobe vdpa' a_missing_module_is_said \
		provision "$typical" $mgmtdev --name x
	fails 1 'no vdpa module.*modprobe vdpa' a_dry_run_needs_it_too \
		provision "$typical" $mgmtdev --name x --dry-run
	run provision --json "$typical" $mgmtdev --name x
	holds failures_are_objects 'j["exit"] == 1 and j["error"]["stage"] == "netlink"'
	holds failures_have_the_keys 'j["device"] == "x" and
		j["mgmtdev"] == "vdpasim_net" and
		{j[k] for k in ("command", "created", "char")} == {None} and
		j["refusals"] == [] and j["warnings"] == []'
	run unprovision --json --name x
	holds unprovision_failures_name_the_device 'j["exit"] == 1 and j["device"] == "x"'
	fails 1 'no vdpa module' unprovision_says_it_too unprovision --name x
fi

forbidden() {
	ASAN_OPTIONS=detect_leaks=0 timeout 30 strace -f -qq -o "$work/trace" \
		-e inject=socket:error=EPERM "$VDPA_RESTORE" "$@" \
		>"$work/out" 2>"$work/err" </dev/null
	code=$?
}
forbidden provision "$typical" --mgmtdev vdpasim_net --name x
if grep -q 'Operation not permitted' "$work/err"; then
	[ "$code" -eq 4 ]
	judge forbidden_netlink_is_said "exit $code"
	forbidden unprovision --name x
	[ "$code" -eq 4 ]
	judge forbidden_netlink_is_said_by_unprovision "exit $code"
else
	skip forbidden_netlink_is_said 'strace cannot be used here'
fi
finish
