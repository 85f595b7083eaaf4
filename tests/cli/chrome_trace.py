# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
"""chrome_trace.py FILE: what Google's "Trace Event Format" asks of each event, and that what begins ends.

Prints how many there are of each phase, as JSON.
"""
import collections
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    trace = json.load(file)
assert set(trace) == {"displayTimeUnit", "traceEvents"} and trace["displayTimeUnit"] in ("ms", "ns")
phases, flows, stacks = collections.Counter(), collections.defaultdict(list), collections.defaultdict(list)
slices = collections.defaultdict(set)
for event in trace["traceEvents"]:
    phase = event["ph"]
    phases[phase] += 1
    assert phase in "MXibesf", event
    assert isinstance(event["name"], str) and event["name"] and isinstance(event["pid"], int), event
    assert isinstance(event.get("args", {}), dict), event
    if phase == "M":
        assert event["name"] == "process_name" and isinstance(event["args"]["name"], str), event
        continue
    assert isinstance(event["cat"], str) and isinstance(event["tid"], int), event
    assert isinstance(event["ts"], (int, float)) and event["ts"] >= 0, event
    thread = event["pid"], event["tid"]
    if phase == "X":
        assert event["dur"] >= 0, event
        slices[thread].add(event["ts"])
    elif phase == "i":
        assert event["s"] in ("g", "p", "t"), event
    elif phase in "sf":
        assert event["bp"] == "e", event
        # An arrow is fastened to the slice that encloses it.
        assert event["ts"] in slices[thread], event
        flows[event["cat"], event["name"], event["id"]].append((phase, event["ts"]))
    else:
        stack = stacks[event["cat"], event["id"]]
        if phase == "b":
            assert not stack, event  # the stages of a life follow each other
            stack.append((event["name"], event["ts"]))
        else:
            name, began = stack.pop()
            assert name == event["name"] and event["ts"] >= began, event
assert not any(stacks.values()), "a stage that never ends"
for key, (begin, *ends) in flows.items():
    assert begin[0] == "s" and all(end[0] == "f" and end[1] >= begin[1] for end in ends), key
json.dump(phases, sys.stdout)
