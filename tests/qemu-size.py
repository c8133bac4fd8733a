#!/usr/bin/python3
"""Streams of 8 GiB: how long the tool takes for one and how much memory.

usage: qemu-size.py hole TOOL STREAM      guest memory of a real stream is a hole of 8 GiB in a file
       qemu-size.py pipe TOOL STREAM [N]  N full pages (default 16384; 2097152 are 8 GiB) come from a pipe

Prints one line. Exit 1: longer than 50 ms or more than 16 MiB; slower than 0.8 of cat >/dev/null.
The best of some rounds counts: what others do on the machine only makes it slower.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time

START, PART, FULL, CONFIGURATION = 1, 2, 4, 7
MEM_SIZE, PAGE, EOS, CONTINUE = 0x04, 0x08, 0x10, 0x20
PAGE_SIZE, CHUNK = 4096, 255


def number(data, at, size):
    return int.from_bytes(data[at:at + size], "big")


class Stream:
    """A stream of a real QEMU in parts: up to the end of memory's first section, and from its first PART on."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        at = 8
        assert data[at] == CONFIGURATION
        at += 5 + number(data, at + 1, 4)
        assert data[at] == START and data[at + 6:at + 9] == b"ram"
        self.id, self.list = data[at + 1:at + 5], at + 5 + 4 + 8
        total = left = number(data, self.list, 8) & ~0x3FF
        at = self.list + 8
        while left:
            at += 1 + data[at]
            left -= number(data, at, 8)
            at += 8
        at += 8 + 5
        self.head, self.tail, self.total = data[:at], data[at:], total
        first = self.list + 8
        self.name = data[first:first + 1 + data[first]]
        self.size = first + len(self.name)

    def begin(self, pages):
        """The head with a first block of at least so many pages."""
        more = max(pages * PAGE_SIZE - number(self.head, self.size, 8), 0)
        head = bytearray(self.head)
        head[self.size:self.size + 8] = (number(head, self.size, 8) + more).to_bytes(8, "big")
        head[self.list:self.list + 8] = (self.total + more | MEM_SIZE).to_bytes(8, "big")
        return bytes(head)


def generate(stream, pages):
    """Writes the stream to standard output: full pages, some of them over and over."""
    page = b"\x41" * PAGE_SIZE
    chunk = b"".join((n * PAGE_SIZE | PAGE | CONTINUE).to_bytes(8, "big") + page for n in range(CHUNK))
    out = sys.stdout.buffer
    out.write(stream.begin(CHUNK))
    out.write(bytes([PART]) + stream.id + PAGE.to_bytes(8, "big") + stream.name + page)
    out.flush()
    for _ in range(pages // CHUNK):
        left = memoryview(chunk)
        while left:
            left = left[os.write(1, left):]
    out.write(EOS.to_bytes(8, "big") + b"\x7e" + stream.id + stream.tail)
    out.flush()


def run(command, **more):
    """Seconds of the command, whose output is dropped."""
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300, **more)
    return time.monotonic() - began


def hole(tool, path):
    stream = Stream(path)
    first = stream.tail.index(bytes([FULL]), stream.tail.index(b"\x05timer") - 6)
    with tempfile.NamedTemporaryFile() as file:
        file.write(stream.begin(2 << 20))
        file.seek(8 << 30, os.SEEK_CUR)
        file.write(stream.tail[first:])
        file.flush()
        best = min(run([tool, "save", "-q", "--qemu-stream", file.name]) for _ in range(9))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print("a hole of 8 GiB: %.1f ms, %d KiB" % (best * 1000, peak))
    return best < 0.050 and peak < 16384


def piped(path, pages, command):
    """Seconds from the first byte to the command's end."""
    began = time.monotonic()
    with subprocess.Popen([sys.executable, __file__, "generate", "-", path, str(pages)],
                          stdout=subprocess.PIPE) as source:
        subprocess.run(command, check=True, stdin=source.stdout, stdout=subprocess.DEVNULL, timeout=300)
    return time.monotonic() - began


def pipe(tool, path, pages):
    cat, ours = [], []
    for _ in range(40):
        cat.append(piped(path, pages, ["cat"]))
        ours.append(piped(path, pages, [tool, "save", "-q", "--qemu-stream", "-"]))
        if min(cat) / min(ours) >= 0.8:
            break
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print("%d pages from a pipe: %.2f s, cat %.2f s, ratio %.2f, %d KiB with the generator" % (
        pages, min(ours), min(cat), min(cat) / min(ours), peak))
    return min(cat) / min(ours) >= 0.8


def main():
    if len(sys.argv) not in (4, 5):
        raise SystemExit(__doc__)
    what, tool, path = sys.argv[1:4]
    pages = int(sys.argv[4]) if len(sys.argv) == 5 else 16384
    if what == "generate":
        generate(Stream(path), pages)
    elif what == "hole":
        sys.exit(not hole(tool, path))
    else:
        sys.exit(not pipe(tool, path, pages))


main()
