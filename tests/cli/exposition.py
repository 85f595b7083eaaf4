#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
"""exposition.py <METRICS: the text format of Prometheus, more strictly than promtool takes it.

Every family has one HELP and one TYPE before its samples, which stand together; a series occurs once and has the
labels of its family; counters end in _total; histograms are cumulative, end with +Inf and agree with their count.
"""
import re
import sys

SAMPLE = re.compile(r'([a-z][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (-?[0-9]+(?:\.[0-9]+)?)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')

families, series, buckets, counts, errors = {}, set(), {}, {}, []
name = None
for number, line in enumerate(sys.stdin.read().split("\n")[:-1], 1):
    if line.startswith("# HELP "):
        name = line.split(" ")[2]
        if name in families or len(line.split(" ", 3)) < 4:
            errors.append(f"{number}: a second HELP, or one that says nothing: {line}")
        families[name] = {"type": None, "labels": None}
        continue
    if line.startswith("# TYPE "):
        _, _, typed, kind = line.split(" ")
        if typed != name or families[name]["type"] is not None:
            errors.append(f"{number}: TYPE does not follow HELP: {line}")
        families[name]["type"] = kind
        if (kind == "counter") != typed.endswith("_total"):
            errors.append(f"{number}: counters, and nothing else, end in _total: {line}")
        continue
    match = SAMPLE.fullmatch(line)
    if not match:
        errors.append(f"{number}: no sample: {line}")
        continue
    labels = dict(LABEL.findall(match[2] or ""))
    base = re.sub("_(bucket|sum|count)$", "", match[1]) if families.get(name, {}).get("type") == "histogram" else match[1]
    if base != name:
        errors.append(f"{number}: not of the family {name}: {line}")
        continue
    if (match[1], match[2]) in series:
        errors.append(f"{number}: again: {line}")
    series.add((match[1], match[2]))
    bound = labels.pop("le", None)
    if families[name]["labels"] not in (None, set(labels)):
        errors.append(f"{number}: other labels than the line before: {line}")
    families[name]["labels"] = set(labels)
    key = (name, tuple(sorted(labels.items())))
    if bound is not None:
        buckets.setdefault(key, []).append((float(bound), int(match[3])))
    elif match[1].endswith("_count") and families[name]["type"] == "histogram":
        counts[key] = int(match[3])
for key, pairs in buckets.items():
    if pairs != sorted(pairs) or [n for _, n in pairs] != sorted(n for _, n in pairs):
        errors.append(f"{key}: buckets don't grow")
    if pairs[-1] != (float("inf"), counts.get(key)):
        errors.append(f"{key}: the last bucket is not +Inf with the count")
if not series:
    errors.append("no sample at all")
print(*errors, sep="\n")
sys.exit(1 if errors else 0)
