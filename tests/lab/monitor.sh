#!/bin/bash
# The lab's tests of QEMU's monitor, with a log and a time limit of their own.
exec "$(dirname "$0")/check.sh" monitor
