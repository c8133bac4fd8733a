#!/bin/bash
# The documents cite tests and files: each must be there.
cd "$(dirname "$0")/../.." || exit 1
exec /usr/bin/python3 tests/project/protocol.py
