#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is expected before labels come, beside NannyML: bench/estimate/bench.py --data FOLDER [--work N] [SET ...]

A model learns from the first part of a stream in order of time; the rest is sent to its server, with labels. `tidemill monitor report --by-row` has
for each window what was expected of its answers and what came true. NannyML 0.13 (bench/estimate/requirements-nannyml.txt, in an environment of its own
under build/bench/estimate) is given the same answers, and a reference that it calibrates on: the rows that the training was tested on, which Tidemill
does not use for it, or with --reference after a fifth of the rows behind the training, which Tidemill never sees labelled. The error of an estimate is
its distance from what came true; what is printed is the mean over the windows, and that of taking the test's score for granted.
"""
import argparse
import csv
import datetime
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e")]
import pypi  # noqa: E402  pylint: disable=wrong-import-position
from conftest import Server, Tidemill  # noqa: E402  pylint: disable=wrong-import-position

WINDOW, WEEK = 336, 7 * 86400  # rows of a window, half an hour apart


def elec2(data):
    """Rows, the target, what is left out."""
    with open(data / "elec2.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)), "class", ("date", "nswprice")


def insects(data):
    with gzip.open(data / "insects_gradual.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return [{**{f"v{i}": v for i, v in enumerate(r[:-1])}, "kind": "k" + r[-1]} for r in csv.reader(file)], "kind", ()


SETS = {"elec2": elec2, "insects": insects}


def at(i):
    return i * (WEEK // WINDOW)


def stamp(seconds):
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(path, rows, without, first):
    names = ["at"] + [n for n in rows[0] if n not in without]
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        out.writeheader()
        for i, row in enumerate(rows):
            out.writerow({"at": stamp(at(first + i)), **row})


def mean(values):
    return sum(values) / len(values)


def run(name, options):
    rows, target, without = SETS[name](options.data)
    start, reference = len(rows) * 2 // 5 // WINDOW * WINDOW, len(rows) // 5 // WINDOW * WINDOW
    with tempfile.TemporaryDirectory() as folder:
        tm = Tidemill(pathlib.Path(folder))
        write(tm.folder / "train.csv", rows[:start], without, 0)
        write(tm.folder / "rest.csv", rows[start:], without, start)
        trained = tm.ok("train", "train.csv", "--target", target, "--time", "at", "--name", "m", "--learner", "gbdt", "--work", str(options.work), "--json",
                        timeout=1200).json
        server = Server(tm)
        try:
            tm.ok("replay", "m", "rest.csv", "--labels", target, "--batch", "1000", "--server", server.address, "-q", timeout=1200)
        finally:
            server.stop()
        report = tm.ok("monitor", "report", "m", "--by-row", "--window", "7d", "--json", timeout=600).json
        n_test = trained["split"]["test_rows"]
        first = start if options.reference == "after" else start - n_test
        write(tm.folder / "asked.csv", rows[first:], without, first)
        answers = [json.loads(line) for line in tm.ok("predict", "m", "asked.csv", "--json", timeout=600).out.splitlines()]
    # Its windows begin behind its reference; those of both are compared that lie behind the fifth.
    task = peer_task(trained, rows[first:], target, answers, reference if options.reference == "after" else n_test)
    done = subprocess.run([pypi.python_of(HERE / "requirements-nannyml.txt", ROOT / "build" / "bench" / "estimate"), HERE / "peer.py"], input=json.dumps(task),
                          stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "NML_DISABLE_USAGE_LOGGING": "1"})
    compare(name, trained, report, json.loads(done.stdout), reference // WINDOW, 0 if options.reference == "after" else reference // WINDOW)


def peer_task(trained, rows, target, answers, reference):
    """What NannyML is asked, of the answers that the server gave."""
    classes, out = trained["classes"], []
    is_binary = trained["task"] == "binary"
    for i, (row, answer) in enumerate(zip(rows, answers)):
        p = answer["probability"] if is_binary else [answer["probability"][c] for c in classes]
        entry = {"at": at(i), "truth": int(row[target] == trained["positive"]) if is_binary else row[target]}
        if is_binary:
            entry |= {"p": p, "call": int(p >= trained["threshold"]["value"])}
        else:
            entry |= {f"p{k}": v for k, v in enumerate(p)} | {"call": classes[max(range(len(p)), key=p.__getitem__)]}
        out.append(entry)
    return {"task": trained["task"], "classes": classes, "rows": out, "reference": reference, "chunk": WINDOW}


def compare(name, trained, report, theirs, skip_ours, skip_theirs):
    for score, values in theirs.items():
        errors = {"tidemill": [], "nannyml": [], "as in the test": []}
        for value, window in zip(values[skip_theirs:], report["estimated"]["windows"][skip_ours:]):
            ours = next((s for s in window["scores"] if s["score"] == score), None)
            if window["answers"] == WINDOW and ours is not None and ours["realised"] is not None and value == value:
                errors["tidemill"].append(abs(ours["value"] - ours["realised"]))
                errors["nannyml"].append(abs(value - ours["realised"]))
                errors["as in the test"].append(abs(trained["test"][score] - ours["realised"]))
        print(f"{name:<10} {score:<10} " + "  ".join(f"{k} {mean(v):.4f}" for k, v in errors.items()) + f"  ({len(errors['tidemill'])} windows)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with elec2.csv and insects_gradual.csv.gz")
    parser.add_argument("--reference", choices=("test", "after"), default="test", help="what NannyML calibrates on")
    parser.add_argument("--work", type=int, default=300000000, help="units of work of a training")
    parser.add_argument("sets", nargs="*", default=["elec2"], metavar="SET")
    options = parser.parse_args()
    for name in options.sets:
        run(name, options)


main()
