#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a retraining learns from and how, by what its versions answer next: bench/loop/turns.py --data FOLDER [--parts 10] [--variant WORDS]... [SET ...]

A stream in order of time is cut into parts. The first fifth teaches; then each part is answered by the champion before it is appended to the source and
`tidemill retrain` runs with the words of a variant ("--window auto"). A version that its gate refuses answers nothing. One fit of boosting without a
search, so that seconds compare; accuracy over all parts but the first fifth.
"""
import argparse
import csv
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]
import bench  # noqa: E402  pylint: disable=wrong-import-position
from conftest import Tidemill  # noqa: E402  pylint: disable=wrong-import-position

VARIANTS = ["--window all", "--window auto", "--window sliding:5000"]
FIT = ["--learner", "gbdt", "--param", "gbdt.n_trees=100", "--param", "gbdt.early_stopping=20"]


def append(path, rows):
    with open(path, "a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, rows[0], lineterminator="\n").writerows(rows)


def chosen(told):
    return "/".join(str(told.get(name, {}).get("kind", "")) for name in ("how", "window") if told.get(name)) or "-"


def run_variant(tm, rows, target, time_column, variant, parts):
    first = len(rows) // 5
    bench.write(tm.folder / "source.csv", rows[:first])
    words = ["--time", time_column] if time_column else []
    tm.ok("train", "source.csv", "--target", target, "--name", "m", *words, *FIT, "-q")
    right, seconds, kinds, promoted = 0, 0.0, [], 0
    for k in range(parts):
        part = rows[first + (len(rows) - first) * k // parts:first + (len(rows) - first) * (k + 1) // parts]
        bench.write(tm.folder / "part.csv", part)
        scores = tm.ok("evaluate", "m", "part.csv", "--json").json
        right += scores["scores"]["accuracy"] * len(part)
        if k == parts - 1:
            break
        append(tm.folder / "source.csv", part)
        began = time.monotonic()
        result = tm("retrain", "m", *variant.split(), "--json", timeout=3600)
        seconds += time.monotonic() - began
        assert result.code in (0, 1), result.err
        kinds.append(chosen(result.json or {}))
        promoted += bool((result.json or {}).get("promoted"))
    return right / (len(rows) - first), seconds, promoted, kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with elec2.csv, insects_gradual.csv.gz and flights-3m.parquet")
    parser.add_argument("--flights", type=int, default=50000, help="rows of the flights")
    parser.add_argument("--parts", type=int, default=10)
    parser.add_argument("--variant", action="append", help="words for retrain, such as '--window auto'; several are compared")
    parser.add_argument("sets", nargs="*", default=list(bench.SETS), metavar="SET")
    options = parser.parse_args()
    for name in options.sets:
        for variant in options.variant or VARIANTS:
            with tempfile.TemporaryDirectory() as folder:
                tm = Tidemill(pathlib.Path(folder))
                _, target, words = bench.SETS[name](tm, options)
                with open(tm.folder / "rows.csv", encoding="utf-8", newline="") as file:
                    rows = list(csv.DictReader(file))
                score, seconds, promoted, kinds = run_variant(tm, rows, target, words[2] if len(words) > 1 else None, variant, options.parts)
                print(f"{name:<8} {variant:<32} {score:.4f} {seconds:7.1f} s {promoted} promoted  {' '.join(kinds)}", flush=True)


if __name__ == "__main__":
    main()
