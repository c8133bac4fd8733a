#!/bin/sh
# SPDX-License-Identifier: MIT
# The network cards in migration streams of real QEMUs (memory left out by
# tests/qemu-strip.py), from files and pipes, whole and broken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

for name in pc-7.2-two-nics q35-10.0-express microvm-7.2-mmio; do
	gzip -dc "$data/qemu/$name.gz" >"$work/$name" || exit 1
done
two=$work/pc-7.2-two-nics
express=$work/q35-10.0-express
mmio=$work/microvm-7.2-mmio

# piped ARGUMENT...: the tool at the end of a pipe
piped() {
	stream=$1
	shift
	# shellcheck disable=SC2002 # a pipe is wanted
	cat "$stream" 2>"$work/cat" | timeout -k 1 30 "$VDPA_RESTORE" "$@" \
		>"$work/out" 2>"$work/err"
	code=$?
}

exits 0 lists_both list --qemu-stream "$two"
says out '^0 +0000:00:02.0/virtio-net +52:54:00:01:02:03 +1 of 1 +pci +0x0$' \
	lists_the_first
says out '^1 +0000:00:03.0/virtio-net +52:54:00:01:02:04 ' lists_the_second
exits 0 lists_as_json list --json --qemu-stream "$two"
holds json_has_all "(j['exit'] == 0 and j['error'] is None and
	j['machine'] == 'pc-i440fx-7.2' and
	[n['id'] for n in j['nics']] == ['0000:00:02.0/virtio-net',
		'0000:00:03.0/virtio-net'] and
	j['nics'][1]['mac'] == '52:54:00:01:02:04')"
exits 0 lists_express list --json --qemu-stream "$express"
holds json_has_express "(j['nics'][0]['transport'] == 'pci-express' and
	j['nics'][0]['id'] == '0000:00:01.0:00.0/virtio-net')"
exits 0 lists_mmio list --json --qemu-stream "$mmio"
holds json_has_mmio "j['nics'][0]['transport'] == 'mmio'"

for stream in "$two" "$express" "$mmio"; do
	name=$(basename "$stream")
	run list --json --qemu-stream "$stream"
	cp "$work/out" "$work/from-file"
	piped "$stream" list --json --qemu-stream -
	cmp "$work/from-file" "$work/out"
	judge "a_pipe_of_${name}_has_the_same"
	# Up to the mark of the end; the description is what follows.
	"$PYTHON" -c 'import sys
data = open(sys.argv[1], "rb").read()
open(sys.argv[2], "wb").write(data[:data.rindex(b"\0\6", 0, data.rindex(b"\0") + 1) + 1])' \
		"$stream" "$work/short"
	run list --json --qemu-stream "$work/short"
	cmp "$work/from-file" "$work/out"
	judge "without_description_${name}_has_the_same"
	piped "$work/short" list --json --qemu-stream -
	cmp "$work/from-file" "$work/out"
	judge "a_pipe_of_${name}_without_description_has_the_same"
done

exits 0 saves_the_only_one save --qemu-stream "$mmio" -o "$work/state.json"
validates a_valid_state "$work/state.json"
fails 2 'several .*0000:00:02.0/virtio-net, 0000:00:03.0' asks_which \
	save --qemu-stream "$two"
fails 2 'nic=virtio: more than one' asks_again \
	save --qemu-stream "$two,nic=virtio"
fails 2 'nic=05.0: none of' knows_not save --qemu-stream "$two,nic=05.0"
# Digits alone are the number, not a part of 0000:00:02.0 or :03.0.
for nic in 2 3 03 0000 18446744073709551617; do
	fails 2 "nic=$nic: none of the devices: 0000:00:02.0/virtio-net, 0000:00:03.0/virtio-net" \
		"number_${nic}_is_no_part_of_a_name" \
		save --qemu-stream "$two,nic=$nic"
done
fails 2 'nic=1: none of the devices: 0000:00:01.0:00.0/virtio-net' \
	the_only_one_is_number_0 save --qemu-stream "$express,nic=1"
fails 2 'no device given' nic_needs_a_name save --qemu-stream "$two,nic="
for nic in 0000:00:03.0/virtio-net 00:03.0 1; do
	exits 0 "takes_nic_$nic" save --qemu-stream "$two,nic=$nic"
	holds "has_nic_$nic" "len(j['vrings']) == 3 and j['unknown'] == []"
done
fails 2 'all-vlans=no: must be one of keep\|unknown' all_vlans_is_a_choice \
	save --qemu-stream "$mmio" --all-vlans=no

fails 7 'open: No such file' no_such_file save --qemu-stream "$work/no"
fails 7 'Is a directory' a_directory save --qemu-stream "$work"
fails 7 'offset 0 .*does not begin with "QEVM"' not_a_stream \
	save --qemu-stream "$data/typical.json"
fails 7 'offset 0 .*compressed with gzip' a_compressed_one \
	save --qemu-stream "$data/qemu/microvm-7.2-mmio.gz"
: >"$work/empty"
fails 7 'offset 0' an_empty_one save --qemu-stream "$work/empty"

# Cut off at every kilobyte but where all devices are there already.
cut() {
	stream=$1
	name=$(basename "$stream")
	size=$(wc -c <"$stream")
	bad=
	at=0
	while [ "$at" -lt "$size" ]; do
		head -c "$at" "$stream" >"$work/cut"
		run list --qemu-stream "$work/cut"
		[ "$code" -eq 7 ] && grep -q ': offset [0-9]' "$work/err" ||
			bad="$bad $at"
		piped "$work/cut" list --qemu-stream -
		[ "$code" -eq 7 ] && grep -q ': offset [0-9]' "$work/err" ||
			bad="$bad $at(pipe)"
		at=$((at + 1024))
	done
	[ -z "$bad" ]
	judge "cut_off_at_every_kilobyte_${name}_is_refused" "read at:$bad"
}
cut "$mmio"
cut "$express"
head -c 60000 "$express" >"$work/cut"
fails 7 'offset 60000 .*section [0-9]+ "0000:00:01.0:00.0/virtio-net": the stream ends here' \
	a_cut_names_offset_and_section save --qemu-stream "$work/cut"

{
	cat "$mmio"
	printf 'and more'
} >"$work/more"
fails 7 "offset $(wc -c <"$mmio") .*something follows the stream's end.*head -c $(wc -c <"$mmio") " \
	what_follows_is_refused save --qemu-stream "$work/more"

finish
