#!/bin/sh
# SPDX-License-Identifier: MIT
# pid: - the device of a process, borrowed; here only what goes wrong with it.

# The second half runs as "pid.sh inside" in a mount namespace of its own, with
# devices that have the right name and are others.
if [ "${1-}" = inside ]; then
	mount -t tmpfs tmpfs /dev || exit 77
	mknod /dev/null c 1 3 && mknod /dev/vhost-vdpa-3 c 1 5 &&
		mknod /dev/vhost-vdpa-4 c 1 7 || exit 77
	exec 7</dev/vhost-vdpa-3 8</dev/vhost-vdpa-3
	"$VDPA_RESTORE" show pid:$$ >"$work/one" 2>&1
	echo $? >>"$work/one"
	exec 9</dev/vhost-vdpa-4
	"$VDPA_RESTORE" show pid:$$ >"$work/two" 2>&1
	echo $? >>"$work/two"
	"$VDPA_RESTORE" show pid:$$,fd=9 >"$work/given" 2>&1
	echo $? >>"$work/given"
	exit 0
fi

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

for form in pid: pid:x pid:0 pid:-1 pid:1x 'pid:1,' 'pid:1,fd' 'pid:1,fd=' \
	'pid:1,fd=x' 'pid:1,fd=-1' 'pid:1,fd=1,fd=2' pid:99999999999 'pid: 1'; do
	fails 2 "wants a process's number" "refused_is_$form" show "$form"
done
fails 1 'No such process' no_such_process show pid:2147483647
fails 1 'no vhost-vdpa device open' process_without_a_device show pid:$$
fails 1 'not a vhost-vdpa device' descriptor_of_something_else \
	save --device pid:$$,fd=0
fails 1 'no such descriptor' descriptor_that_is_not_open show pid:$$,fd=999
fails 1 'no vhost-vdpa device open' side_of_a_comparison \
	diff "$data/state-example.json" pid:$$
for command in load plan; do
	fails 2 "$command: pid:$$: .*only read" "${command}_refuses_it_by_name" \
		$command "$data/state-example.json" pid:$$
done
fails 7 nonexistent files_are_read_first save --transcript /nonexistent \
	--device pid:$$

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	timeout 30 setpriv --reuid=65534 --clear-groups --bounding-set=-all \
		"$VDPA_RESTORE" show pid:$$ >"$work/out" 2>"$work/err"
	code=$?
	[ "$code" -eq 4 ] && grep -q 'CAP_SYS_PTRACE' "$work/err"
	judge without_permission_it_is_exit_4 "exit $code"
else
	skip without_permission_it_is_exit_4 'needs root and setpriv'
fi

export VDPA_RESTORE work
if unshare -m "$0" inside 2>"$work/err"; then
	# Two descriptors of one device are one device; the kernel's answer says
	# that it is none of ours, and nothing but that question was asked.
	grep -q 'GET_DEVICE_ID.*not a vhost-vdpa device' "$work/one" &&
		[ "$(tail -n 1 "$work/one")" = 1 ]
	judge the_only_device_is_found "$(cat "$work/one")"
	grep -q 'more than one.*,fd=[789] or ,fd=[789]' "$work/two" &&
		[ "$(tail -n 1 "$work/two")" = 2 ]
	judge of_several_one_must_be_named "$(cat "$work/two")"
	grep -q 'GET_DEVICE_ID' "$work/given" && [ "$(tail -n 1 "$work/given")" = 1 ]
	judge the_named_one_is_taken "$(cat "$work/given")"
else
	skip the_only_device_is_found 'no mount namespace here'
fi
finish
