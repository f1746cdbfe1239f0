#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The crash campaign: power failures at every change, every change failing, and kills at random moments on the real disk.

usage: campaign.py [points | faults | kills]... [--seeds N] [--kills N] [--seed N]
"""
import argparse
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import conftest  # noqa: E402
import recorded  # noqa: E402


def say(text):
    print(text, flush=True)


def points(options, folder):
    """Power failures after each change of a session, four ways, with several seeds for what is torn."""
    trace = recorded.record(folder)
    totals = {"once": [0, 0], "twice": [0, 0]}

    def add(kind, found):
        points_, failed_, output = found
        totals[kind][0] += points_
        totals[kind][1] += failed_
        if failed_:
            say(output)

    for seed in range(options.seed, options.seed + options.seeds):
        add("once", recorded.crash_points(trace, seed, 1))
    n_changes = int(re.search(r"over (\d+) changes", recorded.crash_points(trace, 1, 10**6)[2]).group(1))
    rng = random.Random(options.seed)
    for _ in range(options.twice):
        add("twice", recorded.crash_again(trace, folder / "twice", rng.randrange(1, n_changes), rng.randrange(10**9)))
    say(f"points: {totals['once'][0]} power failures over {n_changes} changes, {options.seeds} seeds from {options.seed}:"
        f" {totals['once'][1]} failed; {totals['twice'][0]} more during {options.twice} recoveries: {totals['twice'][1]} failed")
    return totals["once"][1] + totals["twice"][1]


def faults(options, folder):
    """Each change of each step fails, once and from there on, with EIO and with ENOSPC."""
    base = recorded.prepare(folder / "base")
    total = failed = 0
    for step in recorded.STEPS:
        name, is_fresh, run = step
        count = folder / "count"
        sound = folder / "sound"
        session = (recorded.Session(sound, TM_DISK_COUNT=str(count)) if is_fresh else
                   recorded.copy_of(base, sound, TM_DISK_COUNT=str(count)))
        assert run(session)
        shutil.rmtree(sound)
        n = int(count.read_text(encoding="utf-8"))
        start = time.monotonic()
        for at in range(1, n + 1, options.every):
            for fail, kind in ((f"{at}", "EIO"), (f"{at}+", "EIO"), (f"{at}+", "ENOSPC")):
                total += 1
                problem = recorded.broken_disk(base, folder / "broken", step, {"TM_DISK_FAIL": fail, "TM_DISK_ERRNO": kind})
                if problem:
                    failed += 1
                    say(f"  {name}: change {fail} of {n} says {kind}: {problem}")
        say(f"  {name}: {n} changes in {time.monotonic() - start:.0f} s")
    say(f"faults: {total} failing changes in {len(recorded.STEPS)} steps: {failed} failed")
    return failed


class Killer:
    """Starts programs, and kills the first one with SIGKILL some seconds after it was started (None: never)."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.first = None
        self.timer = None
        self.was_alive = False

    def __call__(self, *words, **options):
        process = subprocess.Popen(*words, **options)
        if self.first is None:
            self.first, self.began = process, time.monotonic()
            if self.seconds is not None:
                self.timer = threading.Timer(self.seconds, self.kill)
                self.timer.start()
        return process

    def kill(self):
        # Popen reaps under its own lock, so that the number is that of this process.
        self.was_alive = self.first.poll() is None
        self.first.kill()

    def end(self):
        if self.timer:
            self.timer.cancel()
            self.timer.join()


def start_step(step, base, folder, seconds):
    """One step on the real disk with its program killed; (was it acknowledged, the session, the killer, seconds it took)."""
    _, is_fresh, run = step
    session = recorded.Session(folder, conftest.PROGRAM) if is_fresh else recorded.copy_of(base, folder, conftest.PROGRAM)
    killer = Killer(seconds)
    records = session.records()
    session.tm.popen = killer
    done = run(session)
    took = time.monotonic() - killer.began
    killer.end()
    return done, records, session, killer, took


def kills(options, folder):
    """kill -9 at random moments of each step, on the real disk."""
    rng = random.Random(options.seed)
    base = recorded.prepare(folder / "base")
    failed = total = 0
    for step in recorded.STEPS:
        start = time.monotonic()
        done, _, _, _, seconds = start_step(step, base, folder / "sound", None)
        assert done
        shutil.rmtree(folder / "sound")
        n_hit = n_tried = 0
        while n_hit < options.kills and n_tried < 10 * options.kills:
            done, records, session, killer, _ = start_step(step, base, folder / "broken", rng.uniform(0, seconds))
            n_tried += 1
            n_hit += killer.was_alive
            problem = session.problem(conftest.PROGRAM, session.records() if done else records, session.n_labels)
            if problem:
                failed += 1
                say(f"  {step[0]}, killed after {killer.seconds:.4f} s: {problem}")
            shutil.rmtree(folder / "broken")
        total += n_hit
        say(f"  {step[0]}: {n_hit} kills of a program of {seconds * 1000:.0f} ms, in {time.monotonic() - start:.0f} s")
    say(f"kills: {total} kills of {len(recorded.STEPS)} steps, seed {options.seed}: {failed} failed")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["points", "faults", "kills", []], help="only these")
    parser.add_argument("--seeds", type=int, default=10, help="seeds of torn writes")
    parser.add_argument("--twice", type=int, default=50, help="recoveries to fail in")
    parser.add_argument("--kills", type=int, default=200, help="kills of each step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="take each N-th change only")
    options = parser.parse_args()
    failed = 0
    for part in options.parts or ["points", "faults", "kills"]:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tidemill-crash-"))
        try:
            failed += {"points": points, "faults": faults, "kills": kills}[part](options, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


sys.exit(main())
