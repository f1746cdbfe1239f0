#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pushed rows against power failures and kills: none lost, none twice.

usage: intake.py [--seeds N] [--rows N] [--kills N] [--seed N]

Power failures after every change of a recorded session, four ways, with N seeds for what is torn; then N keyed rows pushed with retries while the
server is killed N times.
"""
import argparse
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import conftest  # noqa: E402
import pushers  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    findings = 0
    with tempfile.TemporaryDirectory() as folder:
        trace, start, total = pushers.record(pathlib.Path(folder)), time.monotonic(), 0
        for seed in range(options.seed, options.seed + options.seeds):
            points, failed, output = pushers.crash_points(trace, seed, 1)
            total, findings = total + points, findings + failed
            if failed:
                print(output, flush=True)
        print(f"intake points: {total} power failures, {time.monotonic() - start:.0f} s, {findings} findings, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        retries = pushers.push_through_kills(conftest.Tidemill(pathlib.Path(folder)), options.rows, options.kills, options.seed)
        print(f"intake kills: {options.rows} rows, {options.kills} kills, {retries} pushes sent again, {time.monotonic() - start:.0f} s, "
              f"0 findings, seed {options.seed}", flush=True)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
