#!/bin/sh
# SPDX-License-Identifier: MIT
# Streams of many GiB: a file's memory is not read, a pipe's is read as fast as by
# cat, and none of it is kept. QEMU_PAGES=2097152 makes the pipe's 8 GiB.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

gzip -dc "$data/qemu/q35-10.0-express.gz" >"$work/stream" || exit 1
case ${SAN:-} in
*[a-z]*)
	skip a_hole_of_8_GiB_takes_no_time "a sanitizer is no measure"
	skip a_pipe_is_as_fast_as_cat "a sanitizer is no measure"
	finish
	;;
esac
for what in hole pipe; do
	"$PYTHON" "$tests/qemu-size.py" $what "$VDPA_RESTORE" "$work/stream" \
		${QEMU_PAGES:+"$QEMU_PAGES"} >"$work/out" 2>"$work/err"
	judge "$what: $(cat "$work/out")"
done
finish
