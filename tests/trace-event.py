#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks files against the trace event format, as Chrome's tracing and Perfetto read it.

usage: trace-event.py FILE...       exit 0 if every file is good, else 1 and a line for each fault
       trace-event.py --selftest FILE     is each rule of this file worth something?

The rules are those of the "Trace Event Format" document for the JSON object form, restricted to the phases that a
writer of whole slices needs: M (metadata), X (complete), B and E (begin, end), i (instant).
"""

import copy
import json
import math
import sys

PHASES = {"M": (), "X": ("ts", "dur"), "B": ("ts",), "E": ("ts",), "i": ("ts", "s")}
METADATA = {"process_name": ("name", str), "thread_name": ("name", str), "process_labels": ("labels", str),
            "process_sort_index": ("sort_index", int), "thread_sort_index": ("sort_index", int)}


def is_time(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def faults_of_event(event):
    """What is wrong with one event by itself."""
    if not isinstance(event, dict):
        return ["is no object"]
    phase = event.get("ph")
    if phase not in PHASES:
        return ["ph is %r" % (phase,)]
    wrong = ["%s is missing" % key for key in PHASES[phase] if key not in event]
    wrong += ["%s is %r" % (key, event[key]) for key in ("ts", "dur") if key in event and not is_time(event[key])]
    if phase != "E" and not (isinstance(event.get("name"), str) and event["name"]):
        wrong.append("has no name")
    for key in ("pid", "tid"):
        needed = key == "pid" or phase != "M" or str(event.get("name", "")).startswith("thread_")
        if (needed or key in event) and not (isinstance(event.get(key), int) and event[key] >= 0):
            wrong.append("%s is %r" % (key, event.get(key)))
    if "args" in event and not isinstance(event["args"], dict):
        wrong.append("args is no object")
    if phase == "i" and event.get("s") not in ("g", "p", "t"):
        wrong.append("scope is %r" % (event.get("s"),))
    if phase == "M" and not wrong:
        key, kind = METADATA.get(event["name"], (None, None))
        if key is None or not isinstance(event.get("args", {}).get(key), kind):
            wrong.append("metadata %s without its argument" % event["name"])
    return wrong


def faults_of_track(events):
    """Slices of one track: in order of time, one inside the other or beside it, each begun is ended."""
    wrong, open_until, begun, last = [], [], 0, 0
    for event in events:
        if event["ts"] < last:
            wrong.append("%s: goes back in time" % event.get("name"))
        last = event["ts"]
        begun += {"B": 1, "E": -1}.get(event["ph"], 0)
        if begun < 0:
            wrong.append("an end without a beginning")
        if event["ph"] != "X":
            continue
        # A nanosecond for the rounding of two decimal fractions.
        while open_until and open_until[-1] <= event["ts"] + 0.001:
            open_until.pop()
        end = event["ts"] + event["dur"]
        if open_until and end > open_until[-1] + 0.001:
            wrong.append("%s: overlaps the slice before it" % event["name"])
        open_until.append(end)
    if begun > 0:
        wrong.append("a beginning without an end")
    return wrong


def faults(trace):
    if not isinstance(trace, dict) or not isinstance(trace.get("traceEvents"), list):
        return ["no list traceEvents"]
    events = trace["traceEvents"]
    wrong = ["event %d: %s" % (at, fault) for at, event in enumerate(events) for fault in faults_of_event(event)]
    if trace.get("displayTimeUnit", "ms") not in ("ms", "ns"):
        wrong.append("displayTimeUnit is %r" % trace["displayTimeUnit"])
    if "otherData" in trace and not isinstance(trace["otherData"], dict):
        wrong.append("otherData is no object")
    if wrong:
        return wrong
    tracks = {}
    for event in events:
        if event["ph"] in "XBE":
            tracks.setdefault((event["pid"], event["tid"]), []).append(event)
    named = {(event["pid"], event["tid"]) for event in events if event["ph"] == "M" and event["name"] == "thread_name"}
    wrong += ["track %d/%d has no name" % track for track in tracks if track not in named]
    if not tracks:
        wrong.append("no slice")
    return wrong + [fault for track in tracks.values() for fault in faults_of_track(track)]


def spoilt(good):
    """Copies of a good trace, each with one fault."""
    def change(which, **fields):
        bad = copy.deepcopy(good)
        event = next(one for one in bad["traceEvents"] if one["ph"] == which)
        for key, value in fields.items():
            if value is None:
                del event[key]
            else:
                event[key] = value
        return bad
    first, second = [one for one in good["traceEvents"] if one["ph"] == "X" and one["tid"] == 1][:2]
    yield change("X", dur=second["ts"] - first["ts"] + second["dur"] / 2)
    yield {"events": []}
    yield dict(good, displayTimeUnit="us")
    for fields in ({"ts": None}, {"dur": None}, {"ts": -1}, {"ts": "0"}, {"dur": math.nan}, {"ph": "Q"},
                   {"name": None}, {"pid": "x"}, {"tid": None}, {"args": []}, {"tid": 99999}, {"ts": 1e9}):
        yield change("X", **fields)
    yield change("i", s="x")
    yield change("M", args={})


def main():
    selftest = sys.argv[1:2] == ["--selftest"]
    failed = 0
    for path in sys.argv[1 + selftest:]:
        with open(path, encoding="utf-8") as file:
            trace = json.load(file)
        wrong = faults(trace)
        if selftest and not wrong:
            wrong = ["not seen: fault %d" % at for at, bad in enumerate(spoilt(trace)) if not faults(bad)]
        for line in wrong[:10]:
            print("%s: %s" % (path, line))
        failed += bool(wrong)
    return 1 if failed or len(sys.argv) < 2 + selftest else 0


if __name__ == "__main__":
    sys.exit(main())
