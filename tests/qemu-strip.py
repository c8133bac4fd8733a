#!/usr/bin/python3
"""Leaves guest memory out of a QEMU migration stream, so that it can be kept as test data.

usage: qemu-strip.py STREAM OUT [PAGES]

The list of memory blocks stays, and of the pages the first PAGES (default 4) as records of zeros.
Everything else is kept byte for byte. OUT is compressed if its name ends in .gz.
"""

import gzip
import sys

START, PART, END, FULL, SUBSECTION, CONFIGURATION, COMMAND, FOOTER = 1, 2, 3, 4, 5, 7, 8, 0x7E
ZERO, MEM_SIZE, PAGE, EOS, CONTINUE = 0x02, 0x04, 0x08, 0x10, 0x20


class Stripper:
    def __init__(self, data, pages):
        self.data, self.at, self.out, self.pages = data, 0, bytearray(), pages

    def keep(self, length):
        taken = self.data[self.at:self.at + length]
        self.at += length
        self.out += taken
        return taken

    def number(self, length):
        return int.from_bytes(self.keep(length), "big")

    def name(self):
        return self.keep(self.number(1))

    def configuration(self):
        self.keep(1)
        self.keep(self.number(4))
        while self.data[self.at] == SUBSECTION:
            raise SystemExit("qemu-strip.py: a configuration with parts is not handled")

    def blocks(self, total):
        while total:
            self.name()
            total -= self.number(8)

    def record(self):
        """One record of memory; False for the last one."""
        record = int.from_bytes(self.data[self.at:self.at + 8], "big")
        flags = record & 0x3FF
        if flags == EOS:
            self.keep(8)
            return False
        if flags == MEM_SIZE:
            self.keep(8)
            self.blocks(record & ~0x3FF)
            return True
        length = 8
        if not flags & CONTINUE:
            length += 1 + self.data[self.at + 8]
        header = self.data[self.at + 8:self.at + length]
        self.at += length + (1 if flags & ZERO else 4096)
        if self.pages:
            self.pages -= 1
            self.out += ((record & ~0x3FF) | ZERO | flags & CONTINUE).to_bytes(8, "big") + header + b"\0"
        return True

    def run(self):
        self.keep(8)
        if self.data[self.at] == CONFIGURATION:
            self.configuration()
        while self.data[self.at] in (START, PART, END, COMMAND):
            kind = self.number(1)
            if kind == COMMAND:  # 10.0 sends one before the last part
                self.keep(2)
                self.keep(self.number(2))
                continue
            self.keep(4)
            if kind == START:
                self.name()
                self.keep(8)
            while self.record():
                pass
            self.keep(5)
        return bytes(self.out) + self.data[self.at:]


def main():
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    with open(sys.argv[1], "rb") as file:
        data = Stripper(file.read(), int(sys.argv[3]) if len(sys.argv) == 4 else 4).run()
    if sys.argv[2].endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    with open(sys.argv[2], "wb") as file:
        file.write(data)


main()
