#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Delay and false alarms of changes in errors, beside River's ADWIN: bench/delays/bench.py --data FOLDER [--work N] [--runs N] [SET ...]

A model learns from the first fifth of a stream in order of time and answers the rest; its errors (half the squared distance of the probabilities from what
came true) are the stream that is watched. All detectors get the same numbers: River's ADWIN (bench/delays/requirements-river.txt, in an environment of its
own under build/bench/delays), Tidemill's as published, and Tidemill's under a budget of one false alarm a month, as a server looks.

  real     changes found in the errors as they came, and the row of the first
  quiet    months of 20,000 errors drawn from those of the tenth right behind the training: a change found there is a false alarm
  planted  5,000 such errors, then as many drawn from the tenth in which the errors are largest: rows until it is found, median and 95 of 100
"""
import argparse
import csv
import gzip
import json
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e")]
import pypi  # noqa: E402  pylint: disable=wrong-import-position
from conftest import Tidemill  # noqa: E402  pylint: disable=wrong-import-position

MONTH_ROWS, PLANTED = 20000, 5000
SECONDS = 30 * 86400 / MONTH_ROWS
NAMES = {"river": "River, delta 0.002", "published": "Tidemill, as published", "budget": "Tidemill, one a month"}


def elec2(data):
    """Rows, the target, what is left out."""
    with open(data / "elec2.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)), "class", ("date", "nswprice")


def insects(data):
    with gzip.open(data / "insects_gradual.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return [{**{f"v{i}": v for i, v in enumerate(r[:-1])}, "kind": "k" + r[-1]} for r in csv.reader(file)], "kind", ()


SETS = {"elec2": elec2, "insects": insects}


def write(path, rows, without):
    names = [n for n in rows[0] if n not in without]
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def errors_of(name, options):
    """Errors of the rows behind the first fifth, in their order."""
    rows, target, without = SETS[name](options.data)
    start = len(rows) // 5
    with tempfile.TemporaryDirectory() as folder:
        tm = Tidemill(pathlib.Path(folder))
        write(tm.folder / "train.csv", rows[:start], without)
        write(tm.folder / "rest.csv", rows[start:], without)
        trained = tm.ok("train", "train.csv", "--target", target, "--name", "m", "--learner", "gbdt", "--work", str(options.work), "--json", timeout=1200).json
        answers = [json.loads(line)["probability"] for line in tm.ok("predict", "m", "rest.csv", "--json", timeout=600).out.splitlines()]
    if trained["task"] == "binary":
        return [(p - (r[target] == trained["positive"])) ** 2 for p, r in zip(answers, rows[start:])]
    return [sum((p - (r[target] == c)) ** 2 for c, p in a.items()) / 2 + (r[target] not in a) / 2 for a, r in zip(answers, rows[start:])]


def streams_of(errors, runs):
    tenth = len(errors) // 10
    calm = errors[:tenth]
    moved = max((errors[i:i + tenth] for i in range(0, len(errors) - tenth + 1, tenth)), key=sum)
    rng = random.Random(1)
    quiet = [rng.choices(calm, k=MONTH_ROWS) for _ in range(runs)]
    planted = [rng.choices(calm, k=PLANTED) + rng.choices(moved, k=PLANTED) for _ in range(runs)]
    return [errors, *quiet, *planted], sum(calm) / tenth, sum(moved) / tenth


def found(streams):
    """For each stream where each detector found a change."""
    text = "".join(" ".join(f"{e:.6f}" for e in s) + "\n" for s in streams)
    ours = subprocess.run([ROOT / "build" / "bench" / "monitor_errors", str(SECONDS)], input=text, stdout=subprocess.PIPE, text=True, check=True)
    theirs = subprocess.run([pypi.python_of(HERE / "requirements-river.txt", ROOT / "build" / "bench" / "delays"), HERE / "peer.py"], input=text,
                            stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(a) | json.loads(b) for a, b in zip(ours.stdout.splitlines(), theirs.stdout.splitlines())]


def delay_of(changes):
    return next((c - PLANTED + 1 for c in changes if c >= PLANTED), None)


def run(name, options):
    streams, calm, moved = streams_of(errors_of(name, options), options.runs)
    results = found(streams)
    real, quiet, planted = results[0], results[1:options.runs + 1], results[options.runs + 1:]
    print(f"{name}: {len(streams[0])} errors; right behind the training {calm:.3f}, where they are largest {moved:.3f}")
    print(f"  {'':<24} {'changes':>8} {'first at':>9} {'false alarms a month':>21} {'delay, median':>14} {'95 %':>6} {'missed':>7}")
    for key, title in NAMES.items():
        delays = sorted(delay_of(p[key]) or sys.maxsize for p in planted)
        last = delays[-1 - options.runs // 20]
        print(f"  {title:<24} {len(real[key]):>8} {real[key][0] if real[key] else '-':>9} {sum(len(q[key]) for q in quiet) / options.runs:>21.2f} "
              f"{delays[options.runs // 2]:>14} {last if last < sys.maxsize else '-':>6} {sum(d == sys.maxsize for d in delays):>7}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with elec2.csv and insects_gradual.csv.gz")
    parser.add_argument("--work", type=int, default=300000000, help="units of work of a training")
    parser.add_argument("--runs", type=int, default=100, help="quiet months, and planted changes")
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    options = parser.parse_args()
    for name in options.sets:
        run(name, options)


main()
