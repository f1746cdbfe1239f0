#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What `tidemill tune` proposes on streams: bench/loop/tune.py --data FOLDER [--delay ROWS] [--rows N] [--flights ROWS] [SET ...]

Each stream is a model that declares `retrain: {new_rows: 5000}`; printed are the declared setting, the best one, its gain on the half that it was not chosen on, and seconds of the command.
"""
import argparse
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import bench  # noqa: E402  pylint: disable=wrong-import-position

SETS = {"elec2": bench.elec2, "insects": bench.insects, "flights": bench.flights}


def trigger(setting):
    words = ([f"{setting['new_rows']:,} rows"] if setting["new_rows"] else []) + (["errors"] if setting["on_errors"] else [])
    return " or ".join(words) or "never"


def gain(found):
    return f"{found['value']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})"


def tune(name, options):
    with tempfile.TemporaryDirectory() as folder:
        tm = bench.Tidemill(pathlib.Path(folder))
        _, target, words = SETS[name](tm, options)
        by_time = list(words[1:])
        tm.ok("train", "rows.csv", "--target", target, "--name", "m", "--learner", "gbdt", "--param", "gbdt.n_trees=20", *by_time, timeout=600)
        line = f"    time: {by_time[1]}\n" if by_time else ""
        tm.write("tidemill.yaml", f"models:\n  m:\n    from: rows.csv\n    target: {target}\n{line}    retrain: {{new_rows: 5000}}\n")
        tm.ok("apply")
        started = time.monotonic()
        told = tm.ok("tune", "m", "--delay", str(options.delay), "--rows", str(options.rows), "--json", timeout=3600).json
        seconds = time.monotonic() - started
    declared, best = told["declared"], told["best"]
    print(f"| {name} | {told['rows']:,} | {declared['score']:.4f} ({declared['retrains']}) | {trigger(best)} | {best['score']:.4f} ({best['retrains']}) | {gain(told['gain'])} | "
          f"{gain(told['window']['gain'])} | {'yes' if told['difference'] else 'no'} | {seconds:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--delay", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--flights", type=int, default=50000)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    options = parser.parse_args()
    print("| stream | rows | declared (retrains) | best trigger | its score (retrains) | gain, 95 % | the last 5,000 rows beside it | proposed | seconds |\n|---|---|---|---|---|---|---|---|---|")
    for name in options.sets:
        tune(name, options)


if __name__ == "__main__":
    main()
