#!/usr/bin/python3
"""Makes an input of fuzz-qemu-stream out of a migration stream.

usage: qemu-seed.py STREAM OUT

The streams of tests/fuzz/corpus/qemu-stream/ are those that `test-qemu-stream FOLDER` writes.
"""

import re
import sys


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    with open(sys.argv[1], "rb") as file:
        stream = file.read()
    encoded = re.sub(rb"\0{1,65535}", lambda run: b"\0" + len(run.group()).to_bytes(2, "little"), stream)
    with open(sys.argv[2], "wb") as file:
        file.write((0x0FFF).to_bytes(2, "little") + encoded)


main()
