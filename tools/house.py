# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
"""What the house checks share: which files there are, C without its comments, and how to report."""
import os
import pathlib
import re
import sys

FOLDERS = ("shm", "core", "drivers", "apps", "perf", "tests")
PRODUCT = FOLDERS[:4]


def root():
    """The tree to look at: the argument (fixtures), else the one that this script is in."""
    return pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..")).resolve()


def sources(top, folders=FOLDERS, suffixes=(".c", ".h")):
    """Every source below these folders, without the fixtures that are wrong on purpose."""
    for folder in folders:
        for path in sorted((top / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file() and path.relative_to(top).parts[:2] != ("tests", "style"):
                yield path


def without_comments(text):
    """C with its comments blanked and its lines kept; strings stay."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return token.sub(lambda m: m[0] if m[0][0] in "\"'" else re.sub(r"[^\n]", " ", m[0]), text)


ORDERED = re.compile(r"\btsr_\w+_(?:acq|rel|acq_rel|sc)\s*\(|\bmemory_order_(?:acquire|release|acq_rel|seq_cst)\b")
ORDER_COMMENT = re.compile(r"^\t.*?(/\*.*?\*/)", re.M | re.S)
ORDER_LABEL = re.compile(r"\[(\w+)\] pairs? with (\[\w+\](?:(?:,? and |, ?)\[\w+\])*)")
ORDER_REACH = 6  # lines from a comment to the access that it is about


def orders(text):
    """The ordered accesses of a source as (line, column, callee or order, own labels), and its labels as
    (line, own, partners)."""
    labels, covered = [], {}
    for comment in ORDER_COMMENT.finditer(text):
        said = re.sub(r"\s*\n\s*\*?\s*", " ", comment[1])
        line = text.count("\n", 0, comment.end()) + 1
        found = [(line, own, re.findall(r"\w+", others.replace(" and ", " "))) for own, others in ORDER_LABEL.findall(said)]
        labels += found
        if found:
            covered.update({near: [own for _, own, _ in found] for near in range(line, line + ORDER_REACH + 1)})
    accesses = [(number, match.start(), match[0].rstrip("( "), covered.get(number, []))
                for number, line in enumerate(without_comments(text).split("\n"), 1) if line.startswith("\t")
                for match in ORDERED.finditer(line)]
    return accesses, labels


def finish(errors):
    """Print what is wrong, one line each, and exit."""
    for error in errors:
        print(error)
    sys.exit(1 if errors else 0)
