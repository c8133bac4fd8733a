#!/bin/sh
# SPDX-License-Identifier: MIT
# Streams of real Linux guests, recorded by tests/lab/streams.py without their
# memory, against what the guests had printed.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

export VDPA_RESTORE
timeout 120 "$PYTHON" "$tests/lab/streams.py" --recorded "$data/qemu"
