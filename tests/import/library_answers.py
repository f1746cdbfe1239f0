#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Import models that the real libraries train now, and compare answers on many rows.

usage: library_answers.py [--rows N] [--rounds N]

Libraries are those of tests/golden/import/requirements.txt, from PyPI by hash, in build/import/venv. A line a model: rows, largest
difference, decisions that are other ones, seconds; exit 1 when a certificate does not hold.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import pypi  # noqa: E402  pylint: disable=wrong-import-position

GOLDEN = ROOT / "tests" / "golden" / "import"
WORK = ROOT / "build" / "import"
# LightGBM adds in double precision, as we do; the others in single.
TOLERANCE = {"lightgbm": "1e-14", "xgboost": "1e-5", "onnx": "2e-6"}


def import_one(folder, home):
    words = (folder / "words").read_text(encoding="utf-8").split("\n")[:-1]
    model = next(p for p in folder.iterdir() if p.name.startswith("model."))
    exact = "0" if folder.name == "xgboost_leaves" else TOLERANCE[folder.name.split("_", maxsplit=1)[0]]
    command = [ROOT / "build" / "tidemill", "model", "import", model, "--name", folder.name, "--home", home, "--data", folder / "rows.csv",
               "--expect", folder / "answers.csv", "--tolerance", exact, "--force", *words, "--json"]
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        print(f"import {folder.name}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return False
    told = json.loads(done.stdout)["import"]
    parity = told["parity"]
    print(f"import {folder.name}: {told['trees']} trees, {parity['rows']} rows, largest difference {parity['largest_difference']:.3g}, "
          f"{parity['flipped']} flipped, {time.monotonic() - start:.1f} s, {0 if parity['holds'] else 1} findings")
    return parity["holds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    interpreter = pypi.python_of(GOLDEN / "requirements.txt", WORK / "venv")
    for name in ("models", "home"):
        shutil.rmtree(WORK / name, ignore_errors=True)
    subprocess.run([interpreter, "-W", "ignore", GOLDEN / "make_models.py", WORK / "models", "--rows", str(options.rows), "--rounds",
                    str(options.rounds)], check=True, stderr=subprocess.DEVNULL)
    held = [import_one(folder, WORK / "home") for folder in sorted((WORK / "models").iterdir())]
    print(f"import: {len(held)} models, {held.count(False)} findings")
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
