#!/usr/bin/python3
"""The library's binary interface as text: symbols with their versions, sizes and
offsets of the header's structs, values of its enums and flags. Held against the
file of this processor beside this one; --write renews that.

    BUILD=build CC=gcc tests/abi/abi.py [--write]
"""

import difflib
import os
import platform
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
CC = os.environ.get("CC", "gcc")
HEADER = os.path.join(ROOT, "include/vdpa-restore.h")


def symbols():
    """Dynamic symbols of the shared library with their version node."""
    libraries = [name for name in os.listdir(BUILD) if re.fullmatch(r"libvdpa-restore\.so\.\d+", name)]
    if len(libraries) != 1:
        sys.exit("abi: no shared library in %s" % BUILD)
    out = subprocess.run(["nm", "-D", "--defined-only", os.path.join(BUILD, libraries[0])],
                         check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in out.splitlines()]
    return [libraries[0]] + sorted("%s %s" % (kind, name) for _, kind, name in lines if kind != "A")


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def members(body):
    """Names of a struct's members; a function pointer's is inside its parentheses."""
    names = []
    for declaration in body.split(";"):
        declaration = " ".join(declaration.split())
        if not declaration:
            continue
        pointer = re.search(r"\(\*(\w+)\)", declaration)
        if pointer:
            names.append(pointer.group(1))
            continue
        for part in declaration.split(","):
            names.append(re.search(r"(\w+)\s*(\[[^]]*\])?$", part).group(1))
    return names


def header_parts():
    text = without_comments(open(HEADER, encoding="utf-8").read())
    structs = [(m.group(1), members(m.group(2))) for m in re.finditer(r"\bstruct (vdpr_\w+) \{(.*?)\n\};", text, re.S)]
    enums = [name for m in re.finditer(r"\benum vdpr_\w+ \{(.*?)\n?\};", text, re.S)
             for name in re.findall(r"\b(VDPR_\w+)", m.group(1))]
    flags = re.findall(r"^#define (VDPR_\w+) (?:\(1u <<|\d|0x|UINT)", text, re.M)
    return structs, sorted(set(enums)), flags


def layout():
    """Asks the compiler: a program that prints what it knows."""
    structs, enums, flags = header_parts()
    code = ["#include <stddef.h>", "#include <stdio.h>", "#include <vdpa-restore.h>", "int main(void)", "{"]
    for name, names in structs:
        code.append('printf("struct %s %%zu\\n", sizeof(struct %s));' % (name, name))
        code += ['printf("  %s %%zu %%zu\\n", offsetof(struct %s, %s), sizeof(((struct %s *)0)->%s));'
                 % (member, name, member, name, member) for member in names]
    for name in enums + flags:
        code.append('printf("%s %%lld\\n", (long long)%s);' % (name, name))
    code.append("return 0;\n}\n")
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "abi.c"), os.path.join(folder, "abi")
        with open(source, "w", encoding="utf-8") as file:
            file.write("\n".join(code))
        subprocess.run([*CC.split(), "-w", "-I", os.path.dirname(HEADER), source, "-o", program], check=True)
        return subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()


def main():
    kept = os.path.join(HERE, platform.machine() + ".txt")
    now = ["# symbols", *symbols(), "# structs: size; members: offset, size; values", *layout()]
    if "--write" in sys.argv[1:]:
        with open(kept, "w", encoding="utf-8") as file:
            file.write("\n".join(now) + "\n")
        return 0
    if not os.path.exists(kept):
        print("abi: nothing is kept for %s" % platform.machine())
        return 77
    with open(kept, encoding="utf-8") as file:
        before = file.read().splitlines()
    for line in difflib.unified_diff(before, now, "kept", "built", lineterm="", n=1):
        print(line)
    if before != now:
        print("abi: changed. Is it meant? Then 'make abi-update', and a new node in the map once there was a release")
    return int(before != now)


if __name__ == "__main__":
    sys.exit(main())
