#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Imported models beside the libraries that made them: one row, and a batch of 10,000, on one thread, all through C interfaces.

The libraries are those of PyPI that tests/golden/import/requirements.txt pins. Models of 100 trees of 31 leaves and 500 of 255 are trained on
the same made rows (100,000 of 30 columns) once and kept in --work. A round runs each program once, in an order that is rotated; a program
times every row --repeats times. Each time is the least of all, each ratio one of two such times; the answers are compared, too.
"""
import argparse
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import pypi  # noqa: E402  pylint: disable=wrong-import-position

PROGRAM, RUN = ROOT / "build" / "tidemill", ROOT / "build" / "bench" / "imports" / "imports_run"
REQUIREMENTS = ROOT / "tests" / "golden" / "import" / "requirements.txt"
COLUMNS = 30
SHAPES = [(100, 31), (500, 255)]
# Library: its file, its model, how far answers may be apart (ours add in double precision, those of the last two in single).
LIBRARIES = {"lightgbm": ("lightgbm/lib/lib_lightgbm.so", "model.txt", 1e-15), "xgboost": ("xgboost/lib/libxgboost.so", "model.ubj", 1e-5),
             "onnxruntime": ("onnxruntime/capi/libonnxruntime.so.*", "model.onnx", 1e-4)}


def models(python, work, trees, leaves):
    """The folder of a shape, with what Tidemill made of each model."""
    made_by = hashlib.sha256(b"".join(p.read_bytes() for p in (HERE / "models.py", ROOT / "bench" / "gbdt" / "peers.py", REQUIREMENTS)))
    folder = work / f"models-{COLUMNS}-{trees}x{leaves}-{made_by.hexdigest()[:8]}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        print(f"bench: training {trees} x {leaves}", file=sys.stderr, flush=True)
        subprocess.run([python, "-W", "ignore", HERE / "models.py", part, str(COLUMNS), str(trees), str(leaves)], check=True, stdout=subprocess.DEVNULL)
        part.rename(folder)
    shutil.rmtree(folder / "home", ignore_errors=True)
    for library, (_, model, _) in LIBRARIES.items():
        words = [PROGRAM, "model", "import", folder / model, "--name", library, "--home", folder / "home", "--json"]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        bundle = folder / "home" / "bundles" / f"{json.loads(done.stdout)['bundle_hash']}.tmb"
        shutil.copy(bundle, folder / f"{library}.tmb")
    return folder


def run(name, library, model, folder, repeats):
    """Times of a program and its answers: rows alone, the batch."""
    cpu = max(os.sched_getaffinity(0))
    out = folder / f"{name}.answers"
    words = ["taskset", "-c", cpu, RUN, name, library, model, folder / "rows.f32", COLUMNS, repeats, out]
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    data = out.read_bytes()
    values = struct.unpack(f"<{len(data) // 8}d", data)
    half = len(values) // 2
    assert values[:half] == values[half:] or name == "onnxruntime", f"{name}: rows alone and in a batch differ"
    return json.loads(done.stdout), values[:half]


def compare(shape, python, options):
    """Lines for one shape."""
    trees, leaves = shape
    folder = models(python, options.work, trees, leaves)
    packages = next(python.parent.parent.glob("lib/python*/site-packages"))
    runs = []
    for library, (path, model, apart) in LIBRARIES.items():
        if library in options.libraries:
            runs.append((library, apart, [("tidemill", "-", folder / f"{library}.tmb"), (library, next(packages.glob(path)), folder / model)]))
    times = {}
    for at in range(options.rounds):
        for library, apart, pair in runs:
            answers = []
            for name, path, model in pair if at % 2 == 0 else pair[::-1]:
                told, values = run(name, path, model, folder, options.repeats)
                answers.append(values)
                for what, unit in told.items():
                    times.setdefault((library, name, what), []).extend(unit)
            most = max(abs(a - b) for a, b in zip(*answers))
            assert most <= apart, f"{library}: answers are {most:.3g} apart"
    for (library, _, _), what in itertools.product(runs, ("row_us", "batch_ms")):
        title = "one row, us" if what == "row_us" else "10,000 rows, ms"
        own, theirs = min(times[library, "tidemill", what]), min(times[library, library, what])
        bar = "" if library == "onnxruntime" else "  met" if theirs >= 3 * own else "  NOT MET"
        print(f"{f'{trees} x {leaves}':<10} {library:<12} {title:<16} {own:10.3f} {theirs:10.3f} {theirs / own:8.2f}{bar}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./run bench imports", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="in which each program runs once (7)")
    parser.add_argument("--repeats", type=int, default=7, help="of all rows in a run (7)")
    parser.add_argument("--libraries", type=lambda text: text.split(","), default=list(LIBRARIES), help=f"of {','.join(LIBRARIES)}")
    parser.add_argument("--quick", action="store_true", help="the small shape, one round of one: does it work at all")
    parser.add_argument("--work", metavar="DIR", type=pathlib.Path, default=ROOT / "build" / "bench" / "imports", help="models")
    options = parser.parse_args()
    if options.quick:
        options.rounds = options.repeats = 1
    python = pypi.python_of(REQUIREMENTS, ROOT / "build" / "import" / "venv")
    print(f"# the least of {options.rounds} x {options.repeats}; one thread; the bar is 3 times")
    print(f"{'model':<10} {'library':<12} {'what':<16} {'tidemill':>10} {'library':>10} {'times':>8}")
    for shape in SHAPES[:1] if options.quick else SHAPES:
        compare(shape, python, options)


if __name__ == "__main__":
    main()
