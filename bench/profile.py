#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A large CSV profiled, and read into a source as segments, in bounded memory: seconds and the peak of resident memory.

usage: bench/profile.py [--gigabytes N] [--folder DIR]

Made rows of 30 columns: an id, numbers of several kinds, categories, dates, an address, a target. The file (1 GB unless said) is written into
a fresh folder and removed. Fails when a peak is over 1 GiB or a count is wrong: the number of rows and of distinct ids is known.
"""
import argparse
import json
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import time

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "build" / "tidemill"
LIMIT_MIB = 1024
VARIANTS = 50000


def make_file(path, n_bytes):
    """Rows are a fresh id before one of many made endings: as fast as the disk, and no two rows are the same."""
    rng = random.Random(1)
    names = ["id"] + [f"n{i}" for i in range(12)] + [f"k{i}" for i in range(6)] + [f"c{i}" for i in range(6)] + ["day", "at", "mail", "note", "y"]
    endings = []
    for _ in range(VARIANTS):
        row = [f"{rng.gauss(0, 10 ** (i % 4)):.4f}" if rng.random() > 0.03 else "" for i in range(12)]
        row += [str(rng.randrange(10 ** (i + 1))) for i in range(6)]
        row += [f"level {rng.randrange(4 ** (i + 1))}" for i in range(6)]
        row += [f"20{rng.randrange(10, 25)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}",
                f"2024-01-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:{rng.randrange(60):02}:00Z",
                f"u{rng.randrange(10 ** 6)}@example.org", f'"some words, {rng.randrange(1000)}"', str(rng.randrange(2))]
        endings.append("," + ",".join(row) + "\n")
    n_rows = written = 0
    with open(path, "w", encoding="ascii", buffering=1 << 20) as out:
        written += out.write(",".join(names) + "\n")
        while written < n_bytes:
            written += out.write("".join(f"{10 ** 9 + n_rows + i}{endings[(n_rows + i) * 7919 % VARIANTS]}" for i in range(10000)))
            n_rows += 10000
    return n_rows


def run(name, folder, *words):
    """Seconds and MiB at the peak; the output."""
    start = time.monotonic()
    done = subprocess.run([PROGRAM, *words], cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.monotonic() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{name}: {seconds:.1f} s, at most {peak:.0f} MiB in the programs so far", flush=True)
    if peak > LIMIT_MIB:
        sys.exit(f"error: over {LIMIT_MIB} MiB")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = pathlib.Path(name)
        n_rows = make_file(folder / "rows.csv", options.gigabytes * 1e9)
        print(f"{options.gigabytes:g} GB, {n_rows} rows of 30 columns", flush=True)
        profile = json.loads(run("profile of the file", folder, "data", "profile", "rows.csv", "--target", "y", "--html", "page.html", "--json", "-q"))
        ids = profile["columns"][0]
        if profile["rows"] != n_rows or abs(ids["distinct"] / n_rows - 1) > 0.08:
            sys.exit(f"error: {profile['rows']} rows, {ids['distinct']} ids, made were {n_rows}")
        run("into segments", folder, "data", "add", "rows", "--files", "rows.csv", "-q")
        merged = json.loads(run("profile of the source", folder, "data", "profile", "rows", "--json", "-q"))
        if merged["rows"] != n_rows:
            sys.exit(f"error: the source has {merged['rows']} rows, made were {n_rows}")
        for a, b in zip(profile["columns"], merged["columns"]):
            for key in ("name", "type", "missing", "min", "max", "mean"):
                if a.get(key) != b.get(key):
                    sys.exit(f"error: column {a['name']}: {key} is {a.get(key)} in the file and {b.get(key)} in the source")
        print("counts, ranges and means of the file and of the source agree")


if __name__ == "__main__":
    main()
