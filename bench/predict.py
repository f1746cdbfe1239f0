#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`tidemill predict` on a large CSV file, beside DuckDB that only reads it: seconds as ratios of the best rounds, and peak memory.

usage: bench/predict.py [--mib N] [--rounds N] [--folder DIR] [--formats csv,jsonl,parquet]

The file is made here, the same for the same size: 30 columns of numbers. The model has 100 trees of 31 leaves. DuckDB counts the rows and sums
every column, so that it must parse all of them; it runs in a process of its own, on as many threads. Rounds alternate. Other formats are written
by DuckDB from the CSV file and measured in the same way.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import duck  # noqa: E402  pylint: disable=wrong-import-position

from common import PROGRAM, report

NAMES = [f"c{i}" for i in range(30)]
BAR = 2.0  # times the seconds of reading


def reader_of(path):
    kind = path.suffix[1:]
    return f"read_{ {'csv': 'csv', 'jsonl': 'json', 'parquet': 'parquet'}[kind]}('{path}')"


def measured(words, folder):
    """(seconds, peak MiB, what it printed) of a process."""
    start = time.monotonic()
    with subprocess.Popen([str(w) for w in words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out = process.stdout.read()
        error = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    assert process.returncode == 0, f"{words}: {error.decode()}"
    return seconds, usage.ru_maxrss / 1024, out


def make_rows(rng, n):
    for _ in range(n):
        yield [rng.gauss(0, 1) * 10 ** (i % 4) for i in range(30)]


def write_data(path, mib):
    """A pool of rows, again and again in another order: distinct enough, and made at the speed of a disk."""
    rng = random.Random(1)
    pool = [",".join(f"{v:.{3 + i % 4}f}" for i, v in enumerate(row)) for row in make_rows(rng, 40000)]
    size = mib << 20
    with open(path, "w", encoding="ascii") as out:
        written = out.write(",".join(NAMES) + "\n")
        while written < size:
            rng.shuffle(pool)
            written += out.write("\n".join(pool) + "\n")
    return path


def make_model(folder):
    rng = random.Random(2)
    with open(folder / "train.csv", "w", encoding="ascii") as out:
        out.write(",".join(NAMES) + ",y\n")
        for row in make_rows(rng, 20000):
            y = row[0] * row[4] + row[8] + 0.5 * rng.gauss(0, 1) > 0
            out.write(",".join(f"{v:.5f}" for v in row) + f",{int(y)}\n")
    measured([PROGRAM, "train", "train.csv", "--target", "y", "--name", "m", "--learner", "gbdt", "--param", "gbdt.n_trees=100", "--param",
              "gbdt.max_leaves=31", "--param", "gbdt.early_stopping=0", "-q"], folder)


def make(path, mib):
    """What the first child does: data and model, or data of another kind from the CSV file."""
    if path.suffix == ".csv":
        make_model(path.parent)
        write_data(path, mib)
    else:
        form = {"jsonl": "JSON", "parquet": "PARQUET"}[path.suffix[1:]]
        duck.Duck(2).query(f"COPY (SELECT * FROM {reader_of(path.with_suffix('.csv'))}) TO '{path}' (FORMAT {form})")


def read_only(path, threads):
    """What the children do that are measured."""
    sums = ", ".join(f"sum({name})" for name in NAMES)
    rows = duck.Duck(threads).query(f"SELECT count(*), {sums} FROM {reader_of(path)}")
    print(json.dumps({"rows": rows}))


def compare(path, threads, rounds, folder):
    ours, theirs, memory = [], [], {"tidemill": 0, "DuckDB": 0}
    out = folder / "out.csv"
    for _ in range(rounds):
        seconds, mib, printed = measured([sys.executable, __file__, "--read", path, "--threads", threads], folder)
        rows = json.loads(printed)["rows"]
        theirs.append(seconds)
        memory["DuckDB"] = max(memory["DuckDB"], mib)
        seconds, mib, printed = measured([PROGRAM, "predict", "m", path, "--out", out, "--threads", threads, "--json", "-q"], folder)
        assert json.loads(printed)["rows"] == rows, printed
        ours.append(seconds)
        memory["tidemill"] = max(memory["tidemill"], mib)
        out.unlink()
    name = f"{path.suffix[1:]}, {path.stat().st_size >> 20} MiB, {threads} thread{'s' if threads > 1 else ''}"
    report(f"{name}: tidemill predict", "s", ours, 3)
    report(f"{name}: DuckDB reads it", "s", theirs, 3)
    report(f"{name}: predict", "MB/s", [path.stat().st_size / s / 1e6 for s in ours], 3)
    for what, mib in memory.items():
        report(f"{name}: peak memory of {what}", "MiB", [mib], 3)
    ratio = min(ours) / min(theirs)
    bar = "" if path.suffix != ".csv" else f"   (bar {BAR}: {'met' if ratio <= BAR else 'missed'})"
    print(f"{name + ': predict over reading':<64} {'ratio':<6} {ratio:10.3f}{bar}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path, help="where files are made (default: a temporary folder)")
    parser.add_argument("--formats", default="csv")
    parser.add_argument("--threads", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--read", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--make", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(options.make, options.mib)
        return
    if options.read:
        read_only(options.read, options.threads)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = pathlib.Path(name)
        # A child's peak is never below what its parent had: this process stays small.
        for kind in ["csv", *(k for k in options.formats.split(",") if k != "csv")]:
            measured([sys.executable, __file__, "--make", folder / f"data.{kind}", "--mib", options.mib], folder)
        for kind in options.formats.split(","):
            data = folder / f"data.{kind}"
            for threads in sorted({1, os.cpu_count() or 1}):
                compare(data, threads, options.rounds, folder)


if __name__ == "__main__":
    main()
