# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
"""What tests/mutants/* and tests/tsan/weaken share: mutants, a copy of the tree to work on, verdicts.

A mutant is a file NAME.mutant: sentences that say what is wrong, then fields, then edits.

    A cell is ready before its entries are written.
    suites: tsan/depot shm/depot
    harmless: (only if nothing can catch it) why

    @@ shm/depot.c
     context
    -what stands there
    +what the mutant has instead

The lines of an edit (context and what stands there) must stand in the file exactly once, so that a
mutant whose source has moved on says so. 'suites' are tried in this order, by their names in meson;
what follows a colon goes to the suite's command instead of its arguments: model/quick:one-one.
"""
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent

ACCESS = "shm/access.h"
WEAK = ("#endif /* TSR_SHM_ACCESS_H */", '#include "tests/tsan/weak.h"\n\n#endif')

Edit = collections.namedtuple("Edit", "file old new")
Verdict = collections.namedtuple("Verdict", "mutant result by seconds")  # result: killed, survived, error


class Broken(Exception):
    """A mutant, or the tree, is not what it should be; the text says how."""


class Mutant:
    """A name, what is wrong, who should notice, and the edits that make it so."""

    def __init__(self, name, says, suites, edits, harmless=""):
        self.name, self.says, self.suites, self.edits, self.harmless = name, says, suites, edits, harmless

    @property
    def files(self):
        return sorted({edit.file for edit in self.edits})

    def mutate(self, read):
        """The edited files as {file: text}; read(file) is the text before; Broken if an edit does not fit."""
        texts = {file: read(file) for file in self.files}
        for edit in self.edits:
            found = texts[edit.file].count(edit.old)
            if found != 1:
                raise Broken(f"{self.name}: {edit.file} has moved on: these lines stand there {found} times, "
                             f"expected once:\n{edit.old}")
            texts[edit.file] = texts[edit.file].replace(edit.old, edit.new)
        return texts


def parse(path):
    """Read one .mutant file."""
    says, fields, edits, field = [], {"suites": "", "harmless": ""}, [], None
    lines = path.read_text().split("\n")
    while lines and not lines[0].startswith("@@ "):
        line = lines.pop(0)
        if match := re.match(r"(\w+): (.*)$", line):
            field = match[1]
            if field not in fields:
                raise Broken(f"{path.name}: field '{field}', expected one of {', '.join(fields)}")
            fields[field] = match[2]
        elif field and line.startswith(" "):
            fields[field] += line.rstrip()
        elif line:
            says.append(line)
    for line in lines:
        if line.startswith("@@ "):
            edits.append([line[3:].strip(), [], []])
        elif line[:1] in ("-", " "):
            edits[-1][1].append(line[1:])
        if line[:1] in ("+", " "):
            edits[-1][2].append(line[1:])
    made = [Edit(file, "".join(f"{l}\n" for l in old), "".join(f"{l}\n" for l in new)) for file, old, new in edits]
    if not says or not fields["suites"] or not made or any(not e.old or e.old == e.new for e in made):
        raise Broken(f"{path.name}: expected a sentence, 'suites: ...' and edits that change something")
    return Mutant(path.stem, " ".join(says), fields["suites"].split(), made, fields["harmless"])


def find(name):
    """The mutant of that name, or in the file of that name."""
    path = pathlib.Path(name) if name.endswith(".mutant") else HERE / f"{name}.mutant"
    if not path.is_file():
        raise Broken(f"no mutant '{name}': tests/mutants/run --list names them all")
    return parse(path)


def every():
    """All mutants of this folder."""
    return [parse(path) for path in sorted(HERE.glob("*.mutant"))]


def changed_files(base):
    """Files that differ from @base, or from where this branch left main; None: it can't be known."""
    def git(*words):
        done = subprocess.run(["git", "-C", str(TOP), *words], capture_output=True, text=True, check=False)
        return done.stdout.split("\n")[:-1] if done.returncode == 0 else None

    if git("rev-parse", "--show-toplevel") != [str(TOP)]:
        return None
    head = git("rev-parse", "HEAD")
    for candidate in [base] if base else ["origin/main", "main", "HEAD~1"]:
        point = git("merge-base", candidate, "HEAD")
        # On main itself the last commit is what changed.
        if point and (base or point != head):
            return sorted(set(git("diff", "--name-only", point[0]) + git("ls-files", "--others", "--exclude-standard")))
    return None


def touches(mutant, changed):
    """Has anything changed that the mutant edits or that should catch it, or the mutant itself?"""
    about = {f"tests/mutants/{mutant.name}.mutant", *mutant.files}
    suites = [suite.split(":")[0].partition("/") for suite in mutant.suites]
    return bool(about.intersection(changed)) or any(
        re.match(rf"tests/{re.escape(folder)}/\w*{re.escape(leaf)}\.c$", path)
        for folder, _, leaf in suites for path in changed)


def read(file):
    """A file of the tree; nothing if it is not there."""
    return (TOP / file).read_text() if (TOP / file).is_file() else ""


def write_if_other(path, data):
    """Write, unless it says so already: what is not touched is not built again."""
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def copy_tree(to, texts):
    """Make @to the same as the tree but for these {file: text}, whatever it was before."""
    def listed(*words):
        return subprocess.run(words, capture_output=True, check=False).stdout.decode().split("\0")[:-1]

    names = {*listed(TOP / "tools/files"),
             *listed("git", "-C", TOP, "ls-files", "-z", "--others", "--exclude-standard")}
    for path in to.rglob("*") if to.is_dir() else []:
        if path.is_file() and str(path.relative_to(to)) not in names:
            path.unlink()
    for name in names:
        write_if_other(to / name, texts[name].encode() if name in texts else (TOP / name).read_bytes())
        shutil.copymode(TOP / name, to / name)


class Workshop:
    """A copy of the tree with a build folder of its own, where mutants are made and judged."""

    def __init__(self, scratch, jobs):
        self.source, self.build_dir, self.jobs = scratch / "source", scratch / "build", jobs
        self.edited, self.clean_seconds, self.texts = set(), {}, {}
        # With weak orders in the access layer, which the product has no use for: see tests/tsan/weaken.
        copy_tree(self.source, {ACCESS: read(ACCESS).replace(*WEAK)})
        self.configure()

    def clean(self, file):
        """The file as it was copied, whatever becomes of the tree meanwhile."""
        if file not in self.texts:
            self.texts[file] = (self.source / file).read_text() if (self.source / file).is_file() else ""
        return self.texts[file]

    def configure(self):
        options = ["-Dtests=enabled", "-Dman=disabled", "-Dperf=false", "-Dwerror=false", "-Doptimization=0",
                   "-Ddebug=false"]
        again = ["--reconfigure"] if (self.build_dir / "build.ninja").exists() else []
        self.command(["meson", "setup", *again, *options, str(self.build_dir), str(self.source)])
        listed = json.loads(self.command(["meson", "introspect", "--targets", str(self.build_dir)]))
        files = {target["id"]: os.path.relpath(target["filename"][0], self.build_dir) for target in listed}
        tests = json.loads(self.command(["meson", "introspect", "--tests", str(self.build_dir)]))
        self.tests = {re.sub(" under .*", "", test["name"]).replace(" for Linux ", "-"): test for test in tests}
        for test in self.tests.values():
            test["targets"] = [files[target] for target in test["depends"]]

    def command(self, words):
        done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Broken(f"{' '.join(words)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
        return done.stdout

    def has(self, suite):
        return suite.split(":")[0] in self.tests

    def test(self, suite):
        name = suite.split(":")[0]
        if name not in self.tests:
            raise Broken(f"suite '{name}' is not in this build, expected one of: {' '.join(sorted(self.tests))}")
        return self.tests[name]

    def become(self, mutant):
        """Make the copy this mutant, or with None the tree as it is."""
        texts = mutant.mutate(self.clean) if mutant else {}
        for file in self.edited - set(texts):
            write_if_other(self.source / file, self.clean(file).encode())
        for file, text in texts.items():
            write_if_other(self.source / file, text.encode())
        self.edited = set(texts)

    def build(self, suites):
        targets = sorted({target for suite in suites for target in self.test(suite)["targets"]})
        done = subprocess.run(["ninja", "-C", str(self.build_dir), f"-j{self.jobs}", *targets], text=True, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            said = [l for l in done.stdout.split("\n") if re.search(r"error|FAILED|undefined", l)]
            raise Broken("does not build: " + "\n".join(said[:5]))

    def run(self, suite):
        """Return: what failed first, or '' if the suite passes."""
        test = self.test(suite)
        limit = 30 + 5 * self.clean_seconds.get(suite, 10)
        words = [str(word) for word in test["cmd"]]
        at = 3 if words[1] == "--timeout" else 1
        if ":" in suite:
            words = [*words[:at + 2], *suite.split(":")[1:]]
        words = [words[0], "--timeout", f"{limit:.0f}", *words[at:]]
        if "criterion" in words[:4]:
            words.append("--fail-fast")
        env = {key: value for key, value in os.environ.items() if not key.startswith("TESSERA")}
        env |= test["env"]
        env["TSAN_OPTIONS"] = "halt_on_error=1"
        done = subprocess.run(words, cwd=self.build_dir, env=env, text=True, check=False, errors="replace",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if not re.search(r"^(not )?ok (?!.*# SKIP)", done.stdout, re.M):
            raise Broken(f"{suite} is skipped on this machine: it can judge nothing")
        failed = re.findall(r"^not ok (?:- )?(.*)", done.stdout, re.M)
        if not failed and done.returncode == 0:
            return ""
        if race := re.search(r"^SUMMARY: ThreadSanitizer: (.*)", done.stdout, re.M):
            return re.sub(r"\(\S+\+0x\w+\)|\S*/", "", race[1]).strip()
        if "plain" in words[:4]:
            said = [l for l in done.stdout.split("\n") if re.match(r"\S+:\d+: |violation|.*\bFAIL", l)]
            return said[0][:100] if said else failed[0]
        return re.sub(r"\s+", " ", failed[0].split("::", 1)[-1].split(" (")[0])

    def prove_clean(self, suites):
        """Every suite passes on the tree as it is, or its verdict is worth nothing."""
        for suite in suites:
            begun = time.monotonic()
            if failed := self.run(suite):
                raise Broken(f"{suite} fails without any mutant: {failed}")
            self.clean_seconds[suite] = time.monotonic() - begun

    def judge(self, mutant):
        """Try the mutant's suites in turn."""
        begun = time.monotonic()
        result, by = "survived", ""
        try:
            self.become(mutant)
            for suite in mutant.suites:
                self.build([suite])
                failed = self.run(suite)
                if failed:
                    result, by = "killed", f"{suite}: {failed}"
                    break
        except Broken as broken:
            result, by = "error", str(broken)
        return Verdict(mutant, result, by, time.monotonic() - begun)

