#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pushed rows against power failures and kills: none lost, none twice.

usage: ./run campaign intake [points | kills] [--seed N] [--seeds N] [--pushes N] [--rows N] [--kills N]
       ./run campaign intake points --trace FOLDER [--seed N] [--seeds N] [--at CHANGE]

points: power failures after every change of a recorded session of three clients, with N seeds for what is torn. Only disks that differ count,
        each is looked at, and fewer than 2,000 of them are a finding. A session with findings is kept, and --trace takes it again.
kills:  N keyed rows pushed with retries while the server is killed N times.
"""
import argparse
import pathlib
import re
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import conftest  # noqa: E402
import pushers  # noqa: E402

DISKS_MIN = 2000


def say(text):
    """A line, at once."""
    print(text, flush=True)


def points(options):
    """Power failures; the number of findings."""
    folder = pathlib.Path(options.trace or tempfile.mkdtemp(prefix="tidemill-intake-points-"))
    begin = time.monotonic()
    if not options.trace:
        pushers.record(folder, options.pushes)
    first, every = (options.at, 10**9) if options.at else (1, 1)
    found = pushers.crash_points(folder / "trace", options.seed, options.seeds, first, every)
    for line in found.output.splitlines():
        place = re.match(r"FINDING at change (\d+), .*, seed (\d+): ", line)
        if place:
            say(f"{line}\n    ./run campaign intake points --trace {folder} --at {place[1]} --seed {place[2]} --seeds 1")
    say(found.output.splitlines()[-1])
    findings = found.failed
    if not options.at and found.disks < DISKS_MIN:
        findings += 1
        say(f"FINDING only {found.disks} different disks were looked at, {DISKS_MIN} are wanted: more --pushes, or more --seeds")
    say(f"intake points: {found.disks} different disks after power failures, {found.checked} checks, {time.monotonic() - begin:.0f} s, "
        f"{findings} findings, seed {options.seed}")
    if not options.trace and findings == 0:
        shutil.rmtree(folder)
    return findings


def kills(options):
    """Kills; the number of findings."""
    folder, begin = pathlib.Path(tempfile.mkdtemp(prefix="tidemill-intake-kills-")), time.monotonic()
    try:
        killed = pushers.push_through_kills(conftest.Tidemill(folder), options.rows, options.kills, options.seed)
    except AssertionError as error:
        say(f"FINDING {error}\n    its home is kept: {folder}\n"
            f"    ./run campaign intake kills --rows {options.rows} --kills {options.kills} --seed {options.seed}")
        say(f"intake kills: {time.monotonic() - begin:.0f} s, 1 finding, seed {options.seed}")
        return 1
    shutil.rmtree(folder)
    say(f"intake kills: {options.rows} rows, {killed.server} kills of the server and {killed.compactions} of a compaction, "
        f"{killed.retries} pushes sent again, {killed.runs} files of keys in the end, {time.monotonic() - begin:.0f} s, 0 findings, "
        f"seed {options.seed}")
    return 0


def main():
    """Run the parts; a finding ends with an error."""
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("parts", nargs="*", choices=["points", "kills", []])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--pushes", type=int, default=14, help="of each recorded client")
    parser.add_argument("--trace", help="a session that was recorded before")
    parser.add_argument("--at", type=int, help="only after this change")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=200)
    options = parser.parse_args()
    findings = 0
    for part in options.parts or ["points", "kills"]:
        findings += {"points": points, "kills": kills}[part](options)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
