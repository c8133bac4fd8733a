#!/bin/sh
# SPDX-License-Identifier: MIT
# list: on this machine, and on one of folders that has a device somebody holds.

# The second half runs as "list.sh inside" in a mount namespace of its own.
fake_machine() {
	real=/sys/bus/pci/0000:01:00.2/vdpa7
	mount -t tmpfs tmpfs /sys/bus && mount -t tmpfs tmpfs /dev || return 1
	mkdir -p /sys/bus/vdpa/devices "$real/vhost-vdpa-3" \
		/sys/bus/drivers/mlx5_core /sys/bus/drivers/vhost_vdpa
	ln -s "$real" /sys/bus/vdpa/devices/vdpa7
	ln -s /sys/bus/drivers/mlx5_core "$real/../driver"
	ln -s /sys/bus/pci "$real/../subsystem"
	ln -s /sys/bus/drivers/vhost_vdpa "$real/driver"
	mknod /dev/null c 1 3
	mknod /dev/vhost-vdpa-3 c 1 5 # one that anybody can open: zero
}

if [ "${1-}" = inside ]; then
	fake_machine || exit 1
	"$VDPA_RESTORE" list --json >"$work/free.json"
	exec 8</dev/vhost-vdpa-3
	"$VDPA_RESTORE" list >"$work/held" 8<&-
	"$VDPA_RESTORE" list --json >"$work/held.json" 8<&-
	echo $$ >"$work/pid"
	exit 0
fi

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

exits 0 list_works list
exits 0 list_works_in_json list --json
holds list_has_its_arrays \
	'j["exit"] == 0 and j["mgmtdevs"] == [] and type(j["devices"]) is list and j["error"] is None'
if [ ! -e /sys/bus/vdpa ]; then
	run list
	says err 'no vdpa devices' empty_list_is_said
	says err 'the vdpa module is not loaded; load it with modprobe vdpa' \
		missing_module_is_said
	fails 1 'no vdpa module.*modprobe vdpa' save_says_that_the_module_is_missing \
		save --vdpa vdpa0
fi
for name in '' a/b /dev/vhost-vdpa-0; do
	fails 2 'not the name of a vdpa device' "save_refuses_the_name_$name" \
		save --vdpa "$name"
done
fails 7 nonexistent files_are_read_before_netlink \
	save --vdpa vdpa0 --transcript /nonexistent

# A sandbox that forbids netlink. Leaks cannot be looked for under strace.
forbidden() {
	ASAN_OPTIONS=detect_leaks=0 timeout 30 strace -f -qq -o "$work/trace" \
		-e inject=socket:error=EPERM "$VDPA_RESTORE" "$@" \
		>"$work/out" 2>"$work/err" </dev/null
	code=$?
}
forbidden list
if grep -q 'Operation not permitted' "$work/err"; then
	[ "$code" -eq 0 ]
	judge list_does_without_netlink "exit $code"
	forbidden save --vdpa vdpa0
	[ "$code" -eq 4 ] && grep -q 'run it as root' "$work/err"
	judge save_says_that_netlink_is_forbidden "exit $code"
else
	skip list_does_without_netlink "strace cannot trace here"
fi

export VDPA_RESTORE work
if ! unshare -m true 2>/dev/null; then
	skip list_shows_a_device "no mount namespace can be made"
	finish
fi
unshare -m --propagation private "$0" inside 2>"$work/err"
holds list_shows_a_device \
	'[(d["name"], d["parent"], d["driver"], d["bound"], d["mgmtdev"], d["char"], d["openers"], d["negotiated"]) for d in j["devices"]] == [("vdpa7", "0000:01:00.2", "mlx5_core", "vhost_vdpa", "pci/0000:01:00.2", "/dev/vhost-vdpa-3", [], None)]' \
	"$work/free.json"
pid=$(cat "$work/pid")
holds list_shows_who_holds_it \
	'[o["pid"] for o in j["devices"][0]["openers"]] == ['"$pid"']' \
	"$work/held.json"
grep -Eq "^vdpa7 +mlx5_core +pci/0000:01:00.2 +vhost_vdpa +/dev/vhost-vdpa-3 +- +$pid " "$work/held"
judge list_is_a_table
finish
