#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Automatic training beside FLAML, H2O AutoML and AutoGluon (its medium preset): the same rows, the same two cores, the same budget.

The programs are those of PyPI that bench/automl/requirements-*.txt pins, each in an environment of its own under build/bench/automl. A data set is
cut once into rows to learn from and rows to test on; each program is told the score to compare by and its budget, and its answers to the test
rows are scored here. One program runs at a time. `seconds` is that of the fit; for Tidemill of the whole command, from reading the file to a
registered version. `row` is one row alone: a frame of one row in Python, a call of the library for Tidemill. Ranks are 1 for the best of a data
set; equal scores share the mean of theirs, and a program that failed is last.

Results are kept in --work, so that a run that was cut goes on; --again forgets those of the programs and sets named.
"""
import argparse
import csv
import ctypes
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e")]
import pypi  # noqa: E402  pylint: disable=wrong-import-position

PROGRAM, SYSTEMS = ROOT / "build" / "tidemill", ("tidemill", "flaml", "h2o", "autogluon")
LOWER = {"rmse", "logloss"}
FAILED = float("nan")


def python_of(system):
    return pypi.python_of(HERE / f"requirements-{system}.txt", ROOT / "build" / "bench" / "automl" / system)


def prepare(name, options):
    """The folder of a data set, made by pandas of one of the environments."""
    folder = options.work / "sets" / name
    if not (folder / "set.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        code = "import pathlib, sys; sys.path.insert(0, sys.argv[1]); import sets; sets.write(sys.argv[2], pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4]))"
        subprocess.run([python_of("flaml"), "-W", "ignore", "-c", code, HERE, name, options.data, folder], check=True)
    return folder


def limited(words, seconds, cwd):
    """What a process printed, or None when it failed; ended with all its children long after its budget."""
    with open(cwd / "log", "w", encoding="utf-8") as log, subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE, stderr=log, cwd=cwd,
                                                                             text=True, start_new_session=True) as process:
        try:
            out, _ = process.communicate(timeout=10 * seconds + 600)
        except subprocess.TimeoutExpired:
            out = ""
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what it may have left running
        except ProcessLookupError:
            pass
    return out if process.returncode == 0 else None


def row_us(bundle, rows):
    """Median microseconds of a row alone, by the library."""
    import library  # pylint: disable=import-outside-toplevel
    lib = library.open_library()
    made, row = ctypes.c_void_p(), ctypes.c_void_p()
    assert lib.tm_bundle_open(str(bundle).encode(), ctypes.byref(made), None) == 0
    assert lib.tm_row_create(made, ctypes.byref(row), None) == 0
    out, times = (ctypes.c_double * lib.tm_bundle_outputs(made))(), []
    names = {}
    for col in range(lib.tm_bundle_columns(made)):
        name, kind = ctypes.c_char_p(), ctypes.c_char_p()
        assert lib.tm_bundle_column(made, col, ctypes.byref(name), ctypes.byref(kind), None) == 0
        names[name.value.decode()] = col
    for cells in rows:
        lib.tm_row_reset(row)
        for name, col in names.items():
            text = cells.get(name, "").encode()
            if text:
                lib.tm_row_set_text(row, col, text, len(text), None)
        start = time.perf_counter_ns()
        lib.tm_bundle_predict_row(made, row, out)
        times.append((time.perf_counter_ns() - start) / 1e3)
    lib.tm_row_free(row)
    lib.tm_bundle_close(made)
    return statistics.median(times)


def own(folder, about, seconds, cwd):
    """Train, answer the test rows, and read the answers: {"seconds", "row_ms", "answers", "test"}."""
    import duck  # pylint: disable=import-outside-toplevel
    home = cwd / "home"
    words = [PROGRAM, "train", folder / "train.parquet", "--target", about["target"], "--task", about["task"], "--metric", about["score"], "--test",
             folder / "labelled.parquet", "--name", "m", "--budget", f"{seconds:g}s", "--home", home, "--json"]
    words += ["--time", about["time"]] if about["time"] else []
    words += ["--positive", about["classes"][1]] if about["task"] == "binary" else []
    start = time.monotonic()
    out = limited(words, seconds, cwd)
    took = time.monotonic() - start
    if out is None:
        return None
    told = json.loads(out)
    if limited([PROGRAM, "predict", "m", folder / "test.parquet", "-o", cwd / "answers.csv", "--home", home], seconds, cwd) is None:
        return None
    with open(cwd / "answers.csv", encoding="utf-8", newline="") as lines:
        read = list(csv.DictReader(lines))
    answers = [[float(r["prediction"])] for r in read] if about["task"] == "regression" else [[float(r["probability"])] for r in read] \
        if about["task"] == "binary" else [[float(r[f"probability_{c}"]) for c in about["classes"]] for r in read]
    with duck.Duck() as made:
        made.query(f"COPY (SELECT * FROM '{folder}/test.parquet' LIMIT 500) TO '{cwd}/rows.csv' (HEADER)")
    with open(cwd / "rows.csv", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    bundle = home / "bundles" / f"{told['bundle_hash']}.tmb"
    return {"seconds": took, "row_ms": row_us(bundle, rows) / 1e3, "answers": answers, "learner": told["learner"]}


def measure(name, system, options):
    folder = prepare(name, options)
    about = json.loads((folder / "set.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(dir=options.work) as made:
        cwd = pathlib.Path(made)
        if system == "tidemill":
            got = own(folder, about, options.seconds, cwd)
            if got is not None:
                (cwd / "out.json").write_text(json.dumps(got.pop("answers")), encoding="utf-8")
        else:
            out = limited([python_of(system), "-W", "ignore", HERE / "peer.py", system, folder, options.seconds, cwd / "out"], options.seconds, cwd)
            got = json.loads((cwd / "out.json").read_text(encoding="utf-8")) if out is not None else None
        if got is None:
            log = (cwd / "log").read_text(encoding="utf-8", errors="replace").strip().split("\n")
            return {"failed": log[-1][:200]}
        answers = cwd / ("out.json" if system == "tidemill" else "out.npy")
        code = "import sys; sys.path.insert(0, sys.argv[1]); import judge; judge.main(*sys.argv[2:])"
        scored = subprocess.run([python_of("flaml"), "-c", code, HERE, folder, answers], stdout=subprocess.PIPE, text=True, check=True)
        return {**got, **json.loads(scored.stdout)}


def ranks(scores, lower):
    """Rank of each, from 1; equal ones share; NaN is last."""
    keyed = [float("inf") if s != s else s if lower else -s for s in scores]
    return [1 + sum(o < k for o in keyed) + (sum(o == k for o in keyed) - 1) / 2 for k in keyed]


def table(results, options):
    score_of = {n: r["score"] for n in options.sets for s, r in results.get(n, {}).items() if "score" in r}
    print(f"# {options.seconds:g} s each, {os.cpu_count()} cores; score (rank), seconds, milliseconds of one row")
    print(f"{'data set':<19} {'score':<8}" + "".join(f"{s:>34}" for s in options.systems))
    total = {s: [] for s in options.systems}
    for name in options.sets:
        have = results.get(name, {})
        scores = [have.get(s, {}).get("value", FAILED) for s in options.systems]
        placed = ranks(scores, score_of.get(name, "") in LOWER)
        cells = []
        for system, value, rank in zip(options.systems, scores, placed):
            total[system].append(rank)
            got = have.get(system, {})
            cells.append(f"{value:.6g} ({rank:g}) {got['seconds']:.0f} s {got['row_ms']:.3g} ms" if value == value else f"failed ({rank:g})")
        print(f"{name:<19} {score_of.get(name, '?'):<8}" + "".join(f"{c:>34}" for c in cells), flush=True)
    print(f"{'mean rank':<28}" + "".join(f"{statistics.mean(total[s]):>34.2f}" for s in options.systems))


def main():
    parser = argparse.ArgumentParser(prog="./run bench automl", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", type=pathlib.Path, required=True, help="folder of the data sets")
    parser.add_argument("--seconds", type=float, default=60, help="budget of each (60)")
    parser.add_argument("--sets", type=lambda text: text.split(","), help="of bench/automl/sets.py, commas between (all)")
    parser.add_argument("--systems", type=lambda text: text.split(","), default=list(SYSTEMS), help=f"of {','.join(SYSTEMS)}")
    parser.add_argument("--again", type=lambda text: text.split(","), default=[], help="programs to measure again")
    parser.add_argument("--work", metavar="DIR", type=pathlib.Path, default=ROOT / "build" / "bench" / "automl" / "work", help="sets and results")
    options = parser.parse_args()
    options.data, options.work = options.data.resolve(), options.work.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run([python_of("flaml"), "-c", f"import sys; sys.path.insert(0, {str(HERE)!r}); import sets; print(*sets.SETS)"],
                            stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    options.sets = options.sets or listed
    kept = options.work / f"results-{options.seconds:g}.json"
    results = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name in options.sets:
        for system in options.systems:
            have = results.setdefault(name, {})
            if system in have and system not in options.again:
                continue
            print(f"bench: {name}, {system}", file=sys.stderr, flush=True)
            have[system] = measure(name, system, options)
            kept.write_text(json.dumps(results, indent=1), encoding="utf-8")
            if "failed" in have[system]:
                print(f"bench: {name}, {system}: {have[system]['failed']}", file=sys.stderr, flush=True)
    table(results, options)


if __name__ == "__main__":
    main()
