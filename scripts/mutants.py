"""Shows which small changes of the engine no test sees. Called by `mutants.sh`, which has the usage.

To build the tests anew for each mutant would take days, so they are built once, with all mutants in
them. `cargo mutants --list` says what to change. In a copy of the workspace, each function has its
body once for each of its mutants, and once as it is; a variable of the environment says which runs:

    fn next(&self) -> usize {
        match crate::mutant::which(7) {
            41 => { self.at - 1 }
            42 => { 0 }
            _ => { self.at + 1 }
        }
    }

Mutants that do not compile are taken out and not counted. Every test runs once alone, to learn its time
and which functions it reaches. Then each mutant runs with the fast tests that reach its function, on one
backend; and those that are left run with all tests that do, on all backends, and with the models of the
protocols (`loom`) in the same file. A mutant is caught if a test fails, dies or hangs: all its threads
sleep, and no processor has worked for it in the last seconds; or it works, and comes to no end. So a machine
that is busy with other things makes no hang. Tests that fail without a mutant are left out, and named. Doc
tests are not run, nor those of the other crates.
"""

import hashlib
import json
import os
import random
import re
import selectors
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path.cwd()
WORK = ROOT / "target" / "mutants"
COPY = WORK / "copy"
LISTED = ROOT / "tests" / "mutants.md"
BACKENDS = ("tokio", "tokio_current", "async_std", "smol")
# Seconds: how long a test may sleep without working, how long it may work, how long it may take at all,
# and from when on it is slow.
ASLEEP = 5
BUSY = 20
LONGEST = 120
SLOW = 1
# How many mutants run at once. Those that hang need no processor.
JOBS = int(os.environ.get("MUTANTS_JOBS", os.cpu_count() + 2))
# The models run with optimizations, in a folder of their own; so few preemptions as `.ci/run` has.
LOOM = {"RUSTFLAGS": "--cfg loom --cap-lints=allow", "LOOM_MAX_PREEMPTIONS": "2", "CARGO_TARGET_DIR": str(WORK / "loom")}

SWITCH = """//! Which mutant runs, and which functions were reached.
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

type Reached = (std::fs::File, Vec<AtomicBool>);

pub(crate) fn which(function: usize) -> usize {
    static SET: OnceLock<(usize, Option<Reached>)> = OnceLock::new();
    let (mutant, reached) = SET.get_or_init(|| {
        let mutant = std::env::var("MUTANT").map_or(0, |mutant| mutant.parse().unwrap());
        let reached = std::env::var_os("MUTANT_REACHED").map(|path| {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            (file, (0..FUNCTIONS).map(|_| AtomicBool::new(false)).collect())
        });
        (mutant, reached)
    });
    if let Some((file, reached)) = reached {
        if !reached[function].swap(true, Ordering::Relaxed) {
            let _ = (&*file).write_all(format!("{function}\\n").as_bytes());
        }
    }
    *mutant
}
"""


def cargo(*arguments, env=None):
    """The messages of a cargo command, and whether it succeeded."""
    # What a lint says of a mutant keeps nobody from having it.
    own = {"CARGO_TARGET_DIR": str(WORK / "build"), "CARGO_INCREMENTAL": "0", "RUSTFLAGS": "--cap-lints=allow"}
    env = {**own, **os.environ, **(env or {})}
    run = subprocess.run(
        ["cargo", *arguments, "--locked", "--message-format=json"],
        cwd=COPY, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    messages = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    return messages, run.returncode == 0, run.stderr


def name_all(mutants):
    """Names without lines, so that they stay true: `file: what (2 of 3)`."""
    key = lambda mutant: (mutant["file"], re.sub(r"^[^ ]*:\d+:\d+: ", "", mutant["name"]))
    total, seen = Counter(map(key, mutants)), Counter()
    for mutant in mutants:
        file, what = key(mutant)
        seen[file, what] += 1
        of = f" ({seen[file, what]} of {total[file, what]})" if total[file, what] > 1 else ""
        mutant["name"] = f"{file}: {what}{of}"


def in_tests(mutant):
    """Whether it is in the tests of its file, which are at the end. `cargo mutants` knows no `all(test, ..)`."""
    before = (ROOT / mutant["file"]).read_text().splitlines()[: mutant["function"]["span"]["start"]["line"]]
    return any(line.startswith("#[cfg(all(test,") for line in before)


def all_mutants():
    listed = subprocess.run(
        ["cargo", "mutants", "--list", "--json", "-p", "asyncflow-core"],
        stdout=subprocess.PIPE, text=True, check=True,
    )
    mutants = [mutant for mutant in json.loads(listed.stdout) if mutant["function"] and not in_tests(mutant)]
    name_all(mutants)
    for number, mutant in enumerate(mutants, 1):
        mutant["number"] = number
    return mutants


def body_of(text, start, end):
    """Where the body of the function begins that is at `text[start:end]`: its first brace that is not
    in parentheses, a comment or a string."""
    token = re.compile(r'//[^\n]*|"(?:[^"\\]|\\.)*"|[(\[{)\]]', re.S)
    depth = 0
    for found in token.finditer(text, start, end):
        mark = found.group()
        if mark == "{" and depth == 0:
            return found.start()
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(mark, 0)
    raise ValueError(text[start:end])


def write_if_changed(path, text):
    """Cargo builds anew what was written anew."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class File:
    """A file of the copy, in which functions have their mutants."""

    def __init__(self, path, mutants):
        self.path = path
        self.text = (ROOT / path).read_text()
        self.line_starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.line_starts.append(self.line_starts[-1] + len(line))
        spans = sorted({self.span(mutant["function"]["span"]) for mutant in mutants}, key=lambda s: (s[0], -s[1]))
        # The outermost: a function in a function is a part of it.
        self.functions = []
        for span in spans:
            if not self.functions or span[0] >= self.functions[-1][1]:
                self.functions.append(span)
        self.mutants = {span: [] for span in self.functions}
        for mutant in mutants:
            at = self.span(mutant["function"]["span"])
            outer = next(s for s in self.functions if s[0] <= at[0] and at[1] <= s[1])
            self.mutants[outer].append(mutant)

    def span(self, span):
        at = lambda place: self.line_starts[place["line"] - 1] + place["column"] - 1
        return at(span["start"]), at(span["end"])

    def write(self, number_of, dropped):
        """Writes it without the mutants in `dropped`; gives the lines of each mutant."""
        out, lines, at = "", [], 0
        for span in self.functions:
            mutants = [m for m in self.mutants[span] if m["number"] not in dropped]
            if not mutants:
                continue
            body = body_of(self.text, *span)
            out += self.text[at:body] + f"{{ match crate::mutant::which({number_of(self, span)}) {{\n"
            # Arms of one type, where the signature says no more than a trait.
            boxed = re.match(r"-> impl (Iterator<.*>)$", mutants[0]["function"]["return_type"])
            arm = "Box::new({}) as Box<dyn " + boxed.group(1) + " + '_>," if boxed else "{}"
            for mutant in mutants:
                first, last = self.span(mutant["span"])
                changed = self.text[body:first] + mutant["replacement"] + self.text[last : span[1]]
                begin = out.count("\n") + 1
                out += f"{mutant['number']} => {arm.replace('{}', changed)}\n"
                lines.append((begin, out.count("\n"), mutant["number"]))
            out += "_ => " + arm.replace("{}", self.text[body : span[1]]) + "\n} }"
            at = span[1]
        out += self.text[at:]
        write_if_changed(COPY / self.path, out)
        return lines


def blamed(messages, lines):
    """The mutants in which the errors are."""
    found = set()

    def spans(span):
        yield span["file_name"], span["line_start"]
        if span.get("expansion"):
            yield from spans(span["expansion"]["span"])

    for message in messages:
        if message.get("reason") != "compiler-message" or message["message"]["level"] != "error":
            continue
        every = sorted(message["message"]["spans"], key=lambda span: not span["is_primary"])
        for span in every:
            of = {n for file, line in spans(span) for a, b, n in lines.get(file, []) if a <= line <= b}
            if of:
                found |= of
                break
        else:
            if every:
                sys.exit(message["message"]["rendered"])
    return found


def build(mutants):
    """Builds the tests with the mutants; gives the programs, and what does not compile."""
    by_file = defaultdict(list)
    for mutant in mutants:
        by_file[mutant["file"]].append(mutant)
    core = Path("asyncflow-core/src")
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], stdout=subprocess.PIPE, check=True
    ).stdout.decode().split("\0")[:-1]
    for file in {*files} - {*by_file, str(core / "lib.rs")}:
        source, target = ROOT / file, COPY / file
        if source.exists() and not (target.exists() and target.read_bytes() == source.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    changed = [File(path, of) for path, of in by_file.items()]
    numbers = {}
    for file in changed:
        for span in file.functions:
            numbers[file.path, span] = len(numbers)
            for mutant in file.mutants[span]:
                mutant["reached_as"] = numbers[file.path, span]
    write_if_changed(COPY / core / "mutant.rs", SWITCH + f"const FUNCTIONS: usize = {len(numbers)};\n")
    lib = (ROOT / core / "lib.rs").read_text()
    write_if_changed(COPY / core / "lib.rs", lib + "\n#[allow(missing_docs)]\nmod mutant;\n")

    # Written without them from the start if that is known, so that cargo finds what it has built.
    sources = sorted((ROOT / core).rglob("*.rs"))
    state = hashlib.sha256("".join(source.read_text() for source in sources).encode()).hexdigest()
    known = WORK / f"unviable-{state[:16]}"
    dropped = set(json.loads(known.read_text())) if known.exists() else set()
    while True:
        lines = {file.path: file.write(lambda f, s: numbers[f.path, s], dropped) for file in changed}
        messages, succeeded, stderr = cargo("check", "-p", "asyncflow-core", "--lib", "--all-features")
        if succeeded:
            break
        wrong = blamed(messages, lines)
        if not wrong:
            sys.exit(stderr)
        dropped |= wrong
        known.write_text(json.dumps(sorted(dropped)))

    programs = {}
    for name, arguments, env in (
        ("promises", ["test", "--no-run", "-p", "asyncflow-tests", "--test", "promises"], {}),
        ("core", ["test", "--no-run", "-p", "asyncflow-core", "--lib", "--all-features"], {}),
        ("loom", ["test", "--no-run", "-p", "asyncflow-core", "--lib", "--release"], LOOM),
    ):
        messages, succeeded, stderr = cargo(*arguments, env=env)
        if not succeeded:
            sys.exit("\n".join(m["message"]["rendered"] for m in messages if m.get("message")) + stderr)
        programs[name] = next(
            m["executable"] for m in messages if m.get("executable") and m["profile"]["test"]
        )
    return programs, dropped & {mutant["number"] for mutant in mutants}


class Watchdog:
    """Says whether a process hangs, from what its threads did since its last sign of life."""

    def __init__(self, process):
        self.threads = Path(f"/proc/{process.pid}/task")
        self.alive()

    def alive(self):
        self.since, self.work = time.monotonic(), self.look()[0]
        self.asleep_since, self.asleep_work = self.since, self.work

    def look(self):
        """Seconds of work of all its threads, and whether all of them sleep."""
        ticks, asleep = 0, True
        for thread in self.threads.glob("*/stat"):
            try:
                state, *fields = thread.read_text().rpartition(") ")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            ticks += int(fields[10]) + int(fields[11])
            asleep &= state == "S"
        return ticks / os.sysconf("SC_CLK_TCK"), asleep

    def hangs(self):
        now, (work, asleep) = time.monotonic(), self.look()
        if not asleep or work != self.asleep_work:
            self.asleep_since, self.asleep_work = now, work
        return now - self.asleep_since > ASLEEP or work - self.work > BUSY or now - self.since > LONGEST


def run(program, tests, mutant=None, reached=None, threads=1):
    """Runs tests until the first that fails. Says what failed, or `None`."""
    if not tests:
        return None
    number = mutant["number"] if mutant else 0
    env = {**os.environ, "MUTANT": str(number), "RUST_BACKTRACE": "0", "LOOM_MAX_PREEMPTIONS": "2"}
    if reached:
        env["MUTANT_REACHED"] = str(reached)
    process = subprocess.Popen(
        [program, "--exact", *tests, f"--test-threads={threads}"],
        cwd=COPY / "tests", env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    output = b""
    watchdog = Watchdog(process)
    try:
        while True:
            if not selector.select(1):
                if watchdog.hangs():
                    return "a hang"
                continue
            watchdog.alive()
            piece = os.read(process.stdout.fileno(), 1 << 16)
            output += piece
            failed = re.search(rb"test ([^ \n]*) \.\.\. FAILED", output)
            if failed:
                return failed.group(1).decode()
            if not piece:
                return None if process.wait() == 0 else f"its end with {process.returncode}"
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        process.stdout.close()


def tests_of(program):
    listed = subprocess.run([program, "--list", "--format=terse"], stdout=subprocess.PIPE, text=True, check=True)
    return [line.removesuffix(": test") for line in listed.stdout.splitlines() if line.endswith(": test")]


def others(test):
    """The same test on the other backends."""
    head, _, last = test.rpartition("::")
    return [f"{head}::{backend}" for backend in BACKENDS if backend != last] if last in BACKENDS else []


def is_newer(file, program):
    return file.exists() and file.stat().st_mtime > Path(program).stat().st_mtime


def learn(program, tests):
    """Time and reached functions of each test; without those that fail."""
    known = Path(f"{program}.learned")
    if is_newer(known, program):
        return json.loads(known.read_text())
    learned = {}
    reached = WORK / "reached"
    for test in tests:
        reached.unlink(missing_ok=True)
        begin = time.monotonic()
        failed = run(program, [test], reached=reached)
        if failed:
            print(f"left out: {test} ({failed})", flush=True)
            continue
        functions = [int(line) for line in reached.read_text().split()] if reached.exists() else []
        learned[test] = (time.monotonic() - begin, functions)
    known.write_text(json.dumps(learned))
    return learned


def chosen(arguments, mutants):
    if not arguments or arguments == ["all"]:
        return mutants
    if arguments[0].isdigit():
        seed = arguments[1] if len(arguments) > 1 else str(int(time.time()))
        print(f"{arguments[0]} of {len(mutants)} mutants, from seed {seed}")
        return random.Random(seed).sample(mutants, min(int(arguments[0]), len(mutants)))
    return [mutant for mutant in mutants if any(text in mutant["name"] for text in arguments)]


def main():
    mutants = chosen(sys.argv[1:], all_mutants())
    programs, unviable = build(mutants)
    viable = [mutant for mutant in mutants if mutant["number"] not in unviable]
    print(f"{len(viable)} mutants compile, {len(unviable)} do not", flush=True)

    core = learn(programs["core"], tests_of(programs["core"]))
    every = tests_of(programs["promises"])
    names = set(every)
    first = [test for test in every if test.endswith("::tokio_current") or not others(test)]
    promises = learn(programs["promises"], first)
    models = tests_of(programs["loom"])
    listed = LISTED.read_text().replace("\\|", "|") if LISTED.exists() else ""

    def reach(learned, mutant):
        """The tests that reach its function, the fast ones first."""
        tests = [test for test in learned if mutant["reached_as"] in learned[test][1]]
        return sorted(tests, key=lambda test: learned[test][0])

    def on_one_backend(mutant):
        fast = [test for test in reach(promises, mutant) if promises[test][0] < SLOW]
        return (
            run(programs["core"], reach(core, mutant), mutant)
            or run(programs["promises"], fast[:50], mutant)
            or run(programs["promises"], fast[50:], mutant)
        )

    def on_all(mutant):
        tests = reach(promises, mutant)
        more = [test.removesuffix("_current") for test in tests if test.endswith("::tokio_current")]
        more = [test for test in more if test in names]
        rest = [test for test in tests if promises[test][0] >= SLOW]
        rest += [other for test in tests for other in others(test) if other in names and other not in more]
        module = mutant["file"].removeprefix("asyncflow-core/src/").removesuffix(".rs").replace("/", "::")
        of_file = [test for test in models if test.startswith(f"{module}::loom_tests")]
        return (
            run(programs["loom"], of_file, mutant)
            or run(programs["promises"], more, mutant, threads=2)
            or run(programs["promises"], rest, mutant, threads=2)
        )

    # What is known of each from before, if the run was interrupted.
    notes = Path(f"{programs['promises']}.results")
    results = json.loads(notes.read_text()) if is_newer(notes, programs["promises"]) else {}
    left = viable
    for step in (on_one_backend, on_all):
        key = lambda mutant: f"{step.__name__}: {mutant['name']}"
        known = lambda mutant: results[key(mutant)] if key(mutant) in results else step(mutant)
        with ThreadPoolExecutor(JOBS) as pool:
            for done, (mutant, result) in enumerate(zip(left, pool.map(known, left)), 1):
                results[key(mutant)] = result
                notes.write_text(json.dumps(results))
                caught = f"caught by {result}" if result else "missed"
                print(f"{done}/{len(left)} {mutant['name']}: {caught}", flush=True)
        left = [mutant for mutant in left if not results[key(mutant)]]
    caught = len(viable) - len(left)

    print("\nmissed:")
    left = sorted(mutant["name"] for mutant in left)
    for name in left:
        print("in the list:" if f"`{name}`" in listed else "NEW:", name)
    print(f"\n{caught} of {len(viable)} are caught: {100 * caught / max(1, len(viable)):.1f} %")
    sys.exit(any(f"`{name}`" not in listed for name in left))


main()
