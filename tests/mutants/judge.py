# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
"""The command line of tests/mutants/run and tests/tsan/weaken: which mutants, in what order, and what came of them."""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import queue
import sys
import tempfile
import threading
import time

import mutants


def add_options(parser):
    """What both commands take."""
    parser.add_argument("--list", action="store_true", help="name them and what is wrong with each, and do nothing")
    parser.add_argument("--only", metavar="NAME", action="append", help="this one (may be given again); a part will do")
    parser.add_argument("--changed", metavar="BASE", nargs="?", const="", help="those that touch files changed since "
                        "BASE (or since this branch left main, or in the last commit); a sample if that is not known")
    parser.add_argument("--seconds", type=float, metavar="N", help="begin none after so many seconds, and say so")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="judge so many at once, each in its own copy")
    parser.add_argument("--scratch", metavar="DIR", type=pathlib.Path, help="where to work; kept, so that the next run "
                        "builds less (default: a temporary folder)")
    parser.add_argument("--proven", action="store_true", help="the suites pass on this tree, as whoever calls has seen "
                        "or is about to see: do not run them without mutants first")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def chosen(every, args, note):
    """The mutants to judge, those that edit the same file together: they share what is built."""
    every = sorted(every, key=lambda m: (m.files, m.name))
    if args.only:
        return [m for m in every if any(part in m.name for part in args.only)]
    if args.changed is None:
        return every
    changed = mutants.changed_files(args.changed)
    if changed is None:
        day = time.strftime("%Y-%m-%d", time.gmtime())
        note(f"nothing is known about what changed: a sample, by the day ({day})")
        return sorted(every, key=lambda m: hashlib.sha256((day + m.name).encode()).digest())
    few = [m for m in every if mutants.touches(m, changed)]
    note(f"{len(few)} of {len(every)} touch one of {len(changed)} changed files")
    return few


def work(todo, verdicts, args, begun, shop, lock, show):
    """Judge until nothing is left to do or the time is over."""
    with contextlib.suppress(queue.Empty):
        while args.seconds is None or time.monotonic() - begun < args.seconds:
            verdict = shop.judge(todo.get_nowait())
            with lock:
                verdicts.append(verdict)
                show(verdict)


def judge_all(few, args, begun, scratch, show):
    """A workshop for each job; return the verdicts."""
    todo, verdicts, lock, failures = queue.Queue(), [], threading.Lock(), []
    for mutant in few:
        todo.put(mutant)
    jobs = max(1, min(args.jobs, len(few)))

    def worker(number):
        try:
            shop = mutants.Workshop(scratch / str(number), max(1, len(os.sched_getaffinity(0)) // jobs))
            suites = sorted({suite for mutant in few for suite in mutant.suites if shop.has(suite)})
            shop.build(suites)
            if not args.proven:
                shop.prove_clean(suites)
            work(todo, verdicts, args, begun, shop, lock, show)
        except mutants.Broken as broken:
            failures.append(str(broken))

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise mutants.Broken(failures[0])
    return verdicts


@contextlib.contextmanager
def locked(scratch):
    """One at a time works there."""
    scratch.mkdir(parents=True, exist_ok=True)
    with open(scratch / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield scratch


def is_bad(verdict):
    """Not what was expected: an error, a gap in the tests, or a reason that does not hold."""
    return verdict.result != ("survived" if verdict.mutant.harmless else "killed")


def line(verdict):
    """A verdict in one line."""
    why = verdict.by
    if verdict.result == "survived":
        why = f"harmless: {verdict.mutant.harmless}" if verdict.mutant.harmless else "NO TEST NOTICES IT"
    elif verdict.result == "killed" and verdict.mutant.harmless:
        why = f"NOT HARMLESS AFTER ALL: {why}"
    return f"{verdict.result:8} {verdict.mutant.name:44} {verdict.seconds:5.1f} s  {why}"


def report(what, few, verdicts, args, seconds):
    """The last lines, or all of it as JSON."""
    killed = sum(v.result == "killed" for v in verdicts)
    bad = [v for v in verdicts if is_bad(v)]
    left = len(few) - len(verdicts)
    if args.json:
        rows = [{"name": v.mutant.name, "says": v.mutant.says, "files": v.mutant.files, "result": v.result, "by": v.by,
                 "harmless": v.mutant.harmless, "seconds": round(v.seconds, 1), "ok": not is_bad(v)} for v in verdicts]
        print(json.dumps({"what": what, "killed": killed, "of": len(verdicts), "left": left, "bad": len(bad),
                          "seconds": round(seconds, 1), what: rows}, indent=1))
        return
    for verdict in bad:
        print(f"\n{verdict.mutant.name}: {verdict.mutant.says}\n  {line(verdict)}")
    if left > 0:
        print(f"{left} were not begun within {args.seconds:g} s")
    print(f"killed {killed} of {len(verdicts)} {what}, {sum(v.result == 'survived' and not is_bad(v) for v in verdicts)}"
          f" harmless, {len(bad)} wrong, in {seconds:.0f} s")


def main(what, every, args):
    """Do what the command line says; return the exit status."""
    def note(text):
        print(text, file=sys.stderr if args.json else sys.stdout, flush=True)

    begun = time.monotonic()
    if os.environ.get("TESSERA_NIGHTLY"):
        args.changed, args.seconds = None, None
    try:
        few = chosen(every(), args, note)
        if args.list:
            for mutant in few:
                note(f"{mutant.name:44} {mutant.says}" + (f" (harmless: {mutant.harmless})" if mutant.harmless else ""))
            return 0
        if args.only and not few:
            raise mutants.Broken(f"none is called {' or '.join(args.only)}")
        with tempfile.TemporaryDirectory(prefix="tessera-mutants-") as temporary, \
                locked(args.scratch or pathlib.Path(temporary)) as scratch:
            pathlib.Path(temporary).chmod(0o755)  # tests that become another user run what lies there
            verdicts = judge_all(few, args, begun, scratch,
                                 lambda verdict: args.json or note(line(verdict))) if few else []
    except mutants.Broken as broken:
        note(f"{what}: {broken}")
        return 1
    report(what, few, verdicts, args, time.monotonic() - begun)
    return 1 if any(map(is_bad, verdicts)) else 0
