#!/bin/bash
# The lab's tests, or one line that says why they cannot run here.
#
# LAB=auto: where the lab cannot run, that is a skip; require: a failure; no: not
# even tried. KERNELS: which kernels of the devices (default both); the guests of
# streams.py run both in any case. With "monitor": the tests of QEMU's monitor alone.
set -u
cd "$(dirname "$0")/../.." || exit 1
LAB=${LAB:-auto}

cannot() {
	if [ "$LAB" = require ]; then
		echo "not ok 1 - lab: $1"
		exit 1
	fi
	echo "ok 1 - lab # SKIP $1"
	exit 0
}

[ "$LAB" != no ] || cannot 'LAB=no'
[ "$(uname -m)" = x86_64 ] || cannot 'the lab needs x86-64'
[ "$(id -u)" -eq 0 ] || cannot 'the lab needs root for taps'
[ -c /dev/net/tun ] || cannot 'there is no /dev/net/tun'
tests/deps.sh lab || cannot 'packages are missing and could not be installed'

for kernel in 6.12 6.1; do
	timeout 900 tests/lab/prepare "$kernel" ||
		cannot "the machine's Linux $kernel could not be prepared"
done
status=0
if [ "${1:-}" = monitor ]; then
	timeout 1400 tests/lab/monitor.py || status=1
	exit $status
fi
for kernel in ${KERNELS:-6.12 6.1}; do
	echo "# Linux $kernel"
	LAB_KERNEL=$kernel timeout 900 tests/lab/check.py || status=1
	LAB_KERNEL=$kernel timeout 600 tests/lab/netdev.py || status=1
	LAB_KERNEL=$kernel timeout 600 tests/lab/target.py || status=1
	LAB_KERNEL=$kernel timeout 300 tests/lab/borrow.py || status=1
	LAB_KERNEL=$kernel timeout 300 tests/lab/traffic.py || status=1
	LAB_KERNEL=$kernel timeout 300 tests/lab/shadow.py || status=1
	LAB_KERNEL=$kernel timeout 300 tests/lab/example.py || status=1
done
echo "# QEMU's streams"
timeout 900 tests/lab/streams.py || status=1
timeout 600 tests/lab/circle.py || status=1
exit $status
