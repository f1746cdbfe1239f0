#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a retraining learns from and how, by what its versions answer next: bench/loop/turns.py --data FOLDER [--parts 10] [--learner linear|search] [--shuffled] [--variant WORDS]... [SET ...]

A stream in order of time is cut into parts. The first fifth teaches; then each part is answered by the champion before it is appended to the source and
`tidemill retrain` runs with the words of a variant ("--window auto"); seconds are of that command, and of training in it without a choice's trials. A version that its gate refuses answers nothing. One fit of boosting (or of
lines) without a search, so that seconds compare, or a search of boosting; accuracy and log-loss, or the root of the mean square of errors, over all parts but the first fifth. Shuffled rows are a world that stays as it is. A SET is one of bench.py or
a stream of streams.py, whose labels are known here when a part is appended.
"""
import argparse
import csv
import pathlib
import random
import resource
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]
import bench  # noqa: E402  pylint: disable=wrong-import-position
import streams  # noqa: E402  pylint: disable=wrong-import-position
from conftest import Tidemill  # noqa: E402  pylint: disable=wrong-import-position

VARIANTS = ["--window all", "--window auto", "--window sliding:5000"]
FITS = {"gbdt": ["--learner", "gbdt", "--param", "gbdt.n_trees=100", "--param", "gbdt.early_stopping=20"], "linear": ["--learner", "linear", "--param", "linear.max_iter=200"],
        "search": ["--learner", "gbdt"]}


def append(path, rows):
    with open(path, "a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, rows[0], lineterminator="\n").writerows(rows)


def chosen(told):
    return "/".join(str(told.get(name, {}).get("kind", "")) for name in ("how", "window") if told.get(name)) or "-"


def processors():
    """Seconds of processors that ended children took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def threshold_of(two_classes, options):
    """Lines are called from 0.5 on, as they were measured first."""
    rule = options.threshold or ("0.5" if options.learner == "linear" else None)
    return ["--threshold", rule] if rule and two_classes else []


def stream(name, tm, options):
    """Its rows, its target, and words of a training: its task and its time."""
    if name in bench.SETS:
        _, target, words = bench.SETS[name](tm, options)
        task, words = "auto", words[1:]
    else:
        target, task, words, _ = streams.STREAMS[name](options.data, tm.folder / "rows.csv")
    with open(tm.folder / "rows.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, target, task, list(words) if "--time" in words else []


def told_of(sums, n):
    if "mse" in sums:
        return f"rmse {(sums['mse'] / n) ** 0.5:.5g}"
    return f"{sums['accuracy'] / n:.4f} logloss {sums['logloss'] / n:.4f}"


def run_variant(tm, rows, target, words, variant, parts):
    first = len(rows) // 5
    bench.write(tm.folder / "source.csv", rows[:first])
    tm.ok("train", "source.csv", "--target", target, "--name", "m", *words, "-q")
    sums, wall, cpu, fits, kinds, promoted = {}, 0.0, 0.0, 0.0, [], 0
    for k in range(parts):
        part = rows[first + (len(rows) - first) * k // parts:first + (len(rows) - first) * (k + 1) // parts]
        bench.write(tm.folder / "part.csv", part)
        scores = tm.ok("evaluate", "m", "part.csv", "--json").json["scores"]
        found = {"mse": scores["rmse"] ** 2} if "rmse" in scores else {key: scores[key] for key in ("accuracy", "logloss")}
        sums = {key: sums.get(key, 0) + value * len(part) for key, value in found.items()}
        if k == parts - 1:
            break
        append(tm.folder / "source.csv", part)
        began, used = time.monotonic(), processors()
        result = tm("retrain", "m", *variant.split(), "--json", timeout=3600)
        wall, cpu = wall + time.monotonic() - began, cpu + processors() - used
        assert result.code in (0, 1), result.err
        fits += ((result.json or {}).get("seconds") or {}).get("total", 0)
        kinds.append(chosen(result.json or {}))
        promoted += bool((result.json or {}).get("promoted"))
    return told_of(sums, len(rows) - first), (wall, cpu, fits), promoted, kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with the tables")
    parser.add_argument("--flights", type=int, default=50000, help="rows of the flights")
    parser.add_argument("--parts", type=int, default=10)
    parser.add_argument("--variant", action="append", help="words for retrain, such as '--window auto'; several are compared")
    parser.add_argument("--threshold", help="from which probability a row of two classes is called, such as 0.5, as a replay does; or a rule")
    parser.add_argument("--learner", choices=FITS, default="gbdt")
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("sets", nargs="*", default=list(bench.SETS), metavar="SET")
    options = parser.parse_args()
    for name in options.sets:
        for variant in options.variant or VARIANTS:
            with tempfile.TemporaryDirectory() as folder:
                tm = Tidemill(pathlib.Path(folder))
                rows, target, task, order = stream(name, tm, options)
                if options.shuffled:
                    random.Random(1).shuffle(rows)
                    order = []
                two = task != "regression" and len({row[target] for row in rows}) == 2
                words = ["--task", task, *order, *FITS[options.learner], *threshold_of(two, options)]
                score, seconds, promoted, kinds = run_variant(tm, rows, target, words, variant, options.parts)
                print(f"{name:<8} {variant:<28} {score} {seconds[0]:7.1f} s, {seconds[1]:7.1f} s of processors, {seconds[2]:7.1f} s training, {promoted} promoted  {' '.join(kinds)}", flush=True)


if __name__ == "__main__":
    main()
