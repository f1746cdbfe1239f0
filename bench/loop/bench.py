#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What retraining is worth, beside River: bench/loop/bench.py --data FOLDER [--delay ROWS] [--flights ROWS] [--without-river] [SET ...]

`tidemill replay` and River's adaptive random forest and Hoeffding adaptive tree (bench/loop/requirements-river.txt, in an environment of its own under
build/bench/loop) answer the same rows of a stream in order of time, each label --delay rows late; the first fifth only teaches. Of the flights every nth
row is taken; River gets hour, weekday and month in place of the date. Accuracy, and seconds by the wall and of processors: of training for ours, of all
for River.
"""
import argparse
import csv
import ctypes
import datetime
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e")]
import pypi  # noqa: E402  pylint: disable=wrong-import-position
from conftest import Tidemill  # noqa: E402  pylint: disable=wrong-import-position

FIRST, FLIGHTS = 0.2, 3000000
RIVER = {"arf": "River, adaptive random forest", "hat": "River, Hoeffding adaptive tree"}


def elec2(tm, options):
    """Rows for both, the target, and more words for ours."""
    return elec2_without(tm, options, "date", "nswprice")


def elec2_all(tm, options):
    """All columns, the price among them: as somebody would ask who takes the file as it is."""
    return elec2_without(tm, options)


def elec2_without(tm, options, *names):
    with open(options.data / "elec2.csv", encoding="utf-8", newline="") as file:
        rows = [{k: v for k, v in row.items() if k not in names} for row in csv.DictReader(file)]
    write(tm.folder / "rows.csv", rows)
    return rows, "class", ("rows.csv",)


def insects(tm, options):
    with gzip.open(options.data / "insects_gradual.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [{**{f"v{i}": v for i, v in enumerate(r[:-1])}, "kind": "k" + r[-1]} for r in csv.reader(file)]
    write(tm.folder / "rows.csv", rows)
    return rows, "kind", ("rows.csv",)


def flights(tm, options):
    """Every nth row; the date as parts for River, as it is for ours."""
    every = max(1, FLIGHTS // options.flights)
    order = "date, origin, destination, distance, delay"
    query = (f"SELECT date, distance, origin, destination, CASE WHEN delay > 15 THEN 'late' ELSE 'in time' END AS late FROM "
             f"(SELECT *, row_number() OVER (ORDER BY {order}) AS n FROM '{(options.data / 'flights-3m.parquet').resolve()}') WHERE n % {every} = 0 ORDER BY n")
    export(query, tm.folder / "rows.csv")
    with open(tm.folder / "rows.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        at = datetime.datetime.fromisoformat(row.pop("date"))
        row.update(hour=at.hour, weekday=at.weekday(), month=at.month)
    return rows, "late", ("rows.csv", "--time", "date")


def export(query, path):
    """The result of a query as a CSV file, by the library of third_party/."""
    duckdb = ctypes.CDLL(str(ROOT / "third_party" / "duckdb" / "libduckdb.so"))
    database, connection = ctypes.c_void_p(), ctypes.c_void_p()
    assert duckdb.duckdb_open(None, ctypes.byref(database)) == 0
    assert duckdb.duckdb_connect(database, ctypes.byref(connection)) == 0
    assert duckdb.duckdb_query(connection, f"COPY ({query}) TO '{path}' (HEADER)".encode(), None) == 0, query
    duckdb.duckdb_disconnect(ctypes.byref(connection))
    duckdb.duckdb_close(ctypes.byref(database))


SETS = {"elec2": elec2, "elec2_all": elec2_all, "insects": insects, "flights": flights}


def write(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, rows[0], lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def river_of(rows, target, options, folder):
    write(folder / "river.csv", rows)
    python = pypi.python_of(HERE / "requirements-river.txt", ROOT / "build" / "bench" / "loop")
    for name in RIVER:
        words = [python, HERE / "peer.py", folder / "river.csv", target, str(options.delay), str(int(len(rows) * FIRST)), name]
        yield name, json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)


def print_row(title, score, seconds, cpu="", retrains="", words=""):
    print(f"  {title:<31} {score:>7.4f} {seconds:>9.2f} {cpu:>9} {retrains:>9}  {words}", flush=True)


def run(name, options):
    with tempfile.TemporaryDirectory() as folder:
        tm = Tidemill(pathlib.Path(folder))
        rows, target, words = SETS[name](tm, options)
        found = tm.ok("replay", *words, "--target", target, "--delay", options.delay, "--first", FIRST, "--json", "-q", timeout=7200).json
        print(f"{name}: {found['scored_rows']} rows answered, labels {options.delay} rows late\n  {'':<31} {'score':>7} {'seconds':>9} {'processor':>9} {'retrains':>9}", flush=True)
        for key in ("policy", "schedule", "static", "trivial"):
            one = found[key]
            said = f"every {one['every_rows']} on {one['window_rows'] or 'all'}" if key == "schedule" else one.get("rule", "")
            print_row(f"Tidemill, {key}", one["score"], one["train_seconds"], f"{one.get('train_cpu_seconds', 0):.2f}", one["retrains"], said)
        if not options.without_river:
            for peer, one in river_of(rows, target, options, tm.folder):
                print_row(RIVER[peer], one["score"], one["seconds"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with elec2.csv, insects_gradual.csv.gz and flights-3m.parquet")
    parser.add_argument("--delay", type=int, default=1000, help="rows until a label is known")
    parser.add_argument("--flights", type=int, default=50000, help="rows of the flights")
    parser.add_argument("--without-river", action="store_true")
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    options = parser.parse_args()
    for name in options.sets:
        run(name, options)


if __name__ == "__main__":
    main()
