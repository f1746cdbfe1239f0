#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Boundaries and intervals of experiments beside those of the package confseq: bench/confseq/bench.py [--golden]

confseq (bench/confseq/requirements-confseq.txt, in an environment of its own under build/bench/confseq; Debian's libboost-dev builds it) makes the figures anew; they are held against
tests/golden/metric/confseq.csv, and the unit tests metric/uniform and metric/ab_compare hold the code against that file and say how far apart the two are.
--golden writes the file.
"""
import argparse
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "metric"
sys.path.insert(0, str(ROOT / "tools"))
import pypi  # noqa: E402  pylint: disable=wrong-import-position


def figures(text):
    return [(line.rsplit(",", 1)[0], float(line.rsplit(",", 1)[1])) for line in text.split()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", action="store_true")
    options = parser.parse_args()
    python = pypi.python_of(HERE / "requirements-build.txt", ROOT / "build" / "bench" / "confseq", HERE / "requirements-confseq.txt")
    made = subprocess.run([python, GOLDEN / "make_confseq.py"], stdout=subprocess.PIPE, text=True, check=True).stdout
    if options.golden:
        (GOLDEN / "confseq.csv").write_text(made, encoding="ascii")
    new, old = figures(made), figures((GOLDEN / "confseq.csv").read_text(encoding="ascii"))
    assert [f[0] for f in new] == [f[0] for f in old], "the file is of other arguments: --golden writes it"
    worst = max(abs(a - b) / max(abs(a), abs(b), 1e-300) for (_, a), (_, b) in zip(new, old))
    print(f"{len(new)} figures of confseq, largest relative distance from the stored ones {worst:.1e}", flush=True)
    for name in ("test_uniform", "test_ab_compare"):
        subprocess.run([ROOT / "build" / "tests" / name], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
