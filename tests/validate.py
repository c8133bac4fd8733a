#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Validates state files against docs/state.schema.json.

usage: validate.py [--bad] FILE...

Exit 0 if every file is valid (with --bad: if every one is refused), 1 if not,
77 where the validator is not installed.
"""

import json
import pathlib
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    print("validate.py: python3-jsonschema is not installed", file=sys.stderr)
    sys.exit(77)

SCHEMA = pathlib.Path(__file__).resolve().parent.parent / "docs/state.schema.json"


def check_keys(pairs):
    """json.load() would let the last of two equal keys win."""
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError("a key is there twice")
    return dict(pairs)


def refuse_fraction(text):
    """1.0 is an integer to a schema, not to the format."""
    raise ValueError(f"{text} has a fraction or an exponent")


def first_error(validator, path):
    """What is wrong with a file, or None."""
    try:
        with open(path, encoding="utf-8") as file:
            state = json.load(
                file, object_pairs_hook=check_keys, parse_float=refuse_fraction
            )
    except (OSError, ValueError) as error:
        return str(error)
    for error in validator.iter_errors(state):
        return f"{error.json_path}: {error.message[:200]}"
    return None


def main(arguments):
    bad = arguments[:1] == ["--bad"]
    files = arguments[1:] if bad else arguments
    if not files:
        print(__doc__, file=sys.stderr)
        return 2
    with open(SCHEMA, encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    failed = 0
    for path in files:
        error = first_error(validator, path)
        if bad and not error:
            print(f"{path}: valid, but should not be")
        elif error and not bad:
            print(f"{path}: {error}")
        else:
            continue
        failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
