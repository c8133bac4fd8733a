#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds docs/restore-protocol.rst against the tree: every test, row and file that it cites is there. Prints TAP lines."""

import glob
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
WIDTH = 80


def read(pattern):
    text = ""
    for name in sorted(glob.glob(os.path.join(ROOT, pattern))):
        with open(name, encoding="utf-8") as file:
            text += file.read()
    return text


def known():
    """What may be cited, by kind."""
    return {
        "test": set(re.findall(r"^static void (\w+)\(void \*\*\w+\)", read("tests/test-*.c"), re.M)),
        "lab": set(re.findall(r"def test_(\w+)\(", read("tests/lab/check.py"))),
        "row": set(re.findall(r'^\t\{ "([^"]+)", \{', read("tests/conformance/table.c"), re.M)),
        # "no frame of %d in a queue": the number is left out.
        "traffic": {re.sub(r" of %d", "", name)
                    for name in re.findall(r'"traffic: ([^"]+)"', read("tests/lab/traffic.py"))},
    }


def cited(text):
    """(kind, name) of every mark; a remark may follow behind a comma."""
    for kind, names in re.findall(r"\[(test|lab|row|traffic|code|list):\s+([^\]]+)\]", text):
        for name in " ".join(names.split()).split(";"):
            name = name.strip()
            if kind != "row" or name not in ROWS:
                name = name.split(",")[0]
            if name not in ("NAME", "FILE"):  # the legend's
                yield kind, name


def problems(text):
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > WIDTH:
            yield "line %d has %d columns" % (number, len(line))
    names = known()
    for kind, name in cited(text):
        if kind in names and name not in names[kind]:
            yield "no %s %s" % (kind, name)
        if kind in ("code", "list") and not os.path.exists(os.path.join(ROOT, name)):
            yield "no file %s" % name


ROWS = known()["row"]


def main():
    text = read("docs/restore-protocol.rst")
    wrong = list(problems(text))
    count = len(list(cited(text)))
    print("%sok 1 - restore-protocol.rst cites what there is (%d marks)" % ("not " if wrong or not count else "", count))
    for line in wrong:
        print("# " + line)
    print("1..1")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
