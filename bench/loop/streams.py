#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The policy of retraining over many streams: bench/loop/streams.py --data FOLDER [--only made_for|judged] [STREAM ...]

Tables in order of time, tables without drift in the order of their file, and streams that are made here by a fixed seed. For each `tidemill replay` says
how the policy, the best schedule in hindsight, a static model and the best rule fared (accuracy or -RMSE), and how many seconds of training the policy
and that schedule took. MADE_FOR are the streams that the policy was made while looking at; JUDGED
were looked at when it was done, but for plane, churn and recurring.
"""
import argparse
import csv
import gzip
import math
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tests" / "e2e"))
from conftest import Tidemill  # noqa: E402  pylint: disable=wrong-import-position

ROWS, LATE = 20000, 1000
# A stream is a function of the data folder and the file to write: target, task, more words for the command, rows until a label is known.


def write(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]), lineterminator="\n", extrasaction="ignore")
        out.writeheader()
        out.writerows(rows)


def read(path):
    opened = gzip.open(path, "rt", encoding="utf-8", newline="") if path.suffix == ".gz" else open(path, encoding="utf-8", newline="")
    with opened as file:
        return list(csv.DictReader(file))


def without(rows, *names):
    return [{k: v for k, v in row.items() if k not in names} for row in rows]


# ---- tables ----


def elec2(data, path):
    write(path, without(read(data / "elec2.csv"), "date", "nswprice"))
    return "class", "auto", (), LATE


def insects(data, path):
    with gzip.open(data / "insects_gradual.csv.gz", "rt", encoding="utf-8", newline="") as file:
        write(path, [{**{f"v{i}": v for i, v in enumerate(r[:-1])}, "kind": "k" + r[-1]} for r in csv.reader(file)])
    return "kind", "auto", (), LATE


def bikes_rows(data, path):
    rows = read(data / "bike_hour.csv")
    for row in rows:
        row["at"] = f"{row['dteday']} {int(row['hr']):02d}:00:00"
    write(path, without(rows, "instant", "dteday", "casual", "registered"))


def bikes(data, path):
    bikes_rows(data, path)
    return "cnt", "regression", ("--time", "at"), LATE


def bikes_next_day(data, path):
    bikes_rows(data, path)
    return "cnt", "regression", ("--time", "at"), 24


def housing(data, path):
    write(path, read(data / "california_housing.csv"))
    return "median_house_value", "regression", (), LATE


def letters(data, path):
    write(path, read(data / "letter.csv"))
    return "lettr", "auto", (), LATE


def adult(data, path):
    with gzip.open(data / "adult-train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        write(path, [{**{f"v{i}": v.strip() for i, v in enumerate(r[:-1])}, "income": r[-1].strip()} for r in csv.reader(file) if len(r) == 15])
    return "income", "auto", (), LATE


def churn(data, path):
    write(path, without(read(data / "telco_churn.csv"), "customerID"))
    return "Churn", "auto", (), LATE


def birds(data, path):
    rows = [row for row in without(read(data / "birdstrikes.csv.gz"), "rownames", "remarks") if row["phase_of_flt"] not in ("", "NA")]
    for row in rows:
        month, day, year = row["date"].split()[0].split("/")
        row["date"] = f"{year}-{int(month):02d}-{int(day):02d}"
    write(path, rows)
    return "phase_of_flt", "auto", ("--time", "date"), LATE


def cats(data, path):
    write(path, without(read(data / "cookie_cats.csv.gz")[:30000], "userid", "retention_1"))
    return "retention_7", "auto", (), LATE


def lagged(data, path, name):
    """The next value of a series by its last eight."""
    series = [(row["timestamp"], float(row["value"])) for row in read(next(data.glob(f"nab/*/{name}.csv")))]
    write(path, [{"at": series[i][0], **{f"last{k}": series[i - k][1] for k in range(1, 9)}, "value": series[i][1]} for i in range(8, len(series))])
    return "value", "regression", ("--time", "at"), LATE


def machine(data, path):
    return lagged(data, path, "machine_temperature_system_failure")


def taxis(data, path):
    return lagged(data, path, "nyc_taxi")


# ---- made here ----


def numbers(rng, n):
    return [rng.random() for _ in range(n)]


def made(path, seed, row_of, rows=ROWS):
    rng, out = random.Random(seed), []
    for t in range(rows):
        x, y = row_of(rng, t / rows, t)
        out.append({**{f"x{i}": f"{v:.6g}" for i, v in enumerate(x)}, "y": y})
    write(path, out)


def noisy(rng, is_true, noise):
    return "yes" if is_true != (rng.random() < noise) else "no"


def sea(_, path):
    """SEA: a threshold of two of three columns, which jumps three times; a tenth of labels is noise."""
    bounds = (8.0, 9.0, 7.0, 9.5)

    def row(rng, at, _):
        x = [10 * v for v in numbers(rng, 3)]
        return x, noisy(rng, x[0] + x[1] <= bounds[min(3, int(at * 4))], 0.1)
    made(path, 1, row)
    return "y", "auto", (), LATE


def flip(_, path):
    """Abrupt: at 55 % of the rows other columns decide."""
    def row(rng, at, _):
        x = numbers(rng, 8)
        return x, noisy(rng, (x[0] + x[1] * x[2] > 0.75) if at < 0.55 else (x[3] - x[1] * x[4] > 0.25), 0.05)
    made(path, 2, row)
    return "y", "auto", (), LATE


def hyperplane(_, path):
    """Gradual: a plane in ten columns turns all the time."""
    turns = [0.5 + 0.05 * i for i in range(10)]

    def row(rng, at, _):
        x = numbers(rng, 10)
        w = [math.cos(3 * at * turns[i] * (i + 1) / 3 + i) for i in range(10)]
        return x, noisy(rng, sum(a * b for a, b in zip(w, x)) > sum(w) / 2, 0.05)
    made(path, 3, row)
    return "y", "auto", (), LATE


def coin(_, path):
    """Noise alone, 60 % of one class."""
    made(path, 4, lambda rng, at, _: (numbers(rng, 8), "yes" if rng.random() < 0.6 else "no"))
    return "y", "auto", (), LATE


def shares(_, path):
    """Label shift: four classes as four clouds, whose shares change in waves."""
    def row(rng, at, _):
        w = [1 + math.sin(6.28 * (2 * at + k / 4)) + 0.1 for k in range(4)]
        kind = rng.choices(range(4), w)[0]
        return [rng.gauss((kind % 2) * 1.5, 1), rng.gauss((kind // 2) * 1.5, 1), rng.gauss(0, 1)], f"k{kind}"
    made(path, 5, row)
    return "y", "auto", (), LATE


def friedman(x):
    return 10 * math.sin(math.pi * x[0] * x[1]) + 20 * (x[2] - 0.5) ** 2 + 10 * x[3] + 5 * x[4]


def friedman_jump(_, path):
    """Values: columns change places twice."""
    def row(rng, at, _):
        x = numbers(rng, 10)
        by = x if at < 0.45 else x[3:] + x[:3] if at < 0.75 else x[5:] + x[:5]
        return x, f"{friedman(by) + rng.gauss(0, 1):.5g}"
    made(path, 6, row)
    return "y", "regression", (), LATE


def friedman_still(_, path):
    """Values that follow one rule throughout."""
    def row(rng, at, _):
        x = numbers(rng, 10)
        return x, f"{friedman(x) + rng.gauss(0, 1):.5g}"
    made(path, 7, row)
    return "y", "regression", (), LATE


def growth(_, path):
    """Values with a trend, a season and noise that grows."""
    def row(rng, at, t):
        x = numbers(rng, 5)
        hour = t % 24
        level = (1 + 2 * at) * (50 + 30 * math.sin(hour / 24 * 6.28) + 40 * x[0] * (1 if hour > 8 else 0.3) + 10 * x[1])
        return [hour, *x], f"{level + rng.gauss(0, 5 + 10 * at):.5g}"
    made(path, 8, row)
    return "y", "regression", (), LATE


def recurring(_, path):
    """STAGGER's kind: three rules on categories that come back in turn, each of 2,500 rows."""
    def row(rng, _, t):
        x = [rng.choice(("small", "medium", "large")), rng.choice(("red", "green", "blue")), rng.choice(("circle", "square", "triangle"))]
        which = t // 2500 % 3
        is_true = (x[0] == "small" and x[1] == "red") if which == 0 else (x[1] == "green" or x[2] == "circle") if which == 1 else x[0] != "small"
        return x, noisy(rng, is_true, 0.05)
    rng, out = random.Random(11), []
    for t in range(ROWS):
        x, y = row(rng, t / ROWS, t)
        out.append({"size": x[0], "colour": x[1], "shape": x[2], "y": y})
    write(path, out)
    return "y", "auto", (), LATE


def clouds(_, path):
    """Five classes, each of three clouds that move along lines."""
    place = random.Random(12)
    centres = [([place.random() for _ in range(6)], [place.uniform(-0.5, 0.5) for _ in range(6)], i % 5) for i in range(15)]

    def row(rng, at, _):
        start, way, kind = rng.choice(centres)
        return [a + at * b + rng.gauss(0, 0.12) for a, b in zip(start, way)], f"k{kind}"
    made(path, 13, row)
    return "y", "auto", (), LATE


def plane(_, path):
    """Values of a plane that turns, which lines fit best."""
    def row(rng, at, _):
        x = [rng.gauss(0, 1) for _ in range(6)]
        return x, f"{sum(math.cos(2.5 * at * (i + 1) / 2 + i) * v for i, v in enumerate(x)) + rng.gauss(0, 0.3):.5g}"
    made(path, 14, row)
    return "y", "regression", (), LATE


def steps(_, path):
    """Values of steps and products that jump at a third and at two thirds, with heavy tails."""
    def row(rng, at, _):
        x = numbers(rng, 7)
        part = int(at * 3)
        level = 10 * (x[part] > 0.5) + 6 * x[part + 1] * x[part + 2] + (4 if x[6] > 0.8 else 0)
        return x, f"{level + rng.gauss(0, 1) * (5 if rng.random() < 0.05 else 1):.5g}"
    made(path, 15, row)
    return "y", "regression", (), LATE


def slow(_, path):
    """One rule fades into another between 30 % and 80 % of the rows."""
    def row(rng, at, _):
        x = numbers(rng, 6)
        is_new = rng.random() < min(1.0, max(0.0, (at - 0.3) / 0.5))
        return x, noisy(rng, (x[2] > 0.5) != (x[3] > 0.6) if is_new else (x[0] > 0.5) != (x[1] > 0.4), 0.05)
    made(path, 16, row)
    return "y", "auto", (), LATE


def white(_, path):
    """Values of noise alone."""
    made(path, 17, lambda rng, at, _: (numbers(rng, 6), f"{rng.gauss(0, 1):.5g}"))
    return "y", "regression", (), LATE


def still(_, path):
    """Ten classes by a rule that stays."""
    def row(rng, at, _):
        x = numbers(rng, 6)
        return x, f"k{int((x[0] * 5 + (x[1] > 0.5) * 5 + rng.gauss(0, 0.2)) % 10)}"
    made(path, 18, row)
    return "y", "auto", (), LATE


MADE_FOR = (elec2, insects, bikes, bikes_next_day, housing, letters, adult, sea, flip, hyperplane, coin, shares, friedman_jump, friedman_still, growth)
JUDGED = (churn, birds, cats, machine, taxis, recurring, clouds, plane, steps, slow, white, still)
STREAMS = {one.__name__: one for one in MADE_FOR + JUDGED}


def run(name, data):
    """How the policy and the rest fared on a stream."""
    with tempfile.TemporaryDirectory() as folder:
        tm = Tidemill(pathlib.Path(folder))
        target, task, words, late = STREAMS[name](data, tm.folder / "rows.csv")
        return tm.ok("replay", "rows.csv", "--target", target, "--task", task, *words, "--delay", late, "--json", "-q", timeout=7200).json


def print_row(name, found):
    policy, best = found["policy"], found["schedule"]
    took = policy["train_seconds"] / max(best["train_seconds"], 1e-9)
    told = [f"{found[key]['score']:.5g}" for key in ("policy", "schedule", "static", "trivial")]
    every = f"{best['every_rows']:,} on {best['window_rows'] or 'all'}"
    reached = ("score " if policy["score"] >= best["score"] else "") + ("time" if took <= 0.5 else "")
    print(f"| {name} | {' | '.join(told)} | {every} | {policy['train_seconds']:.2f} of {best['train_seconds']:.2f} | {took:.2f} | {reached} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with the tables")
    parser.add_argument("--only", choices=["made_for", "judged"], help="one part of the streams")
    parser.add_argument("streams", nargs="*", metavar="STREAM")
    options = parser.parse_args()
    some = {"made_for": MADE_FOR, "judged": JUDGED}.get(options.only, MADE_FOR + JUDGED)
    print("| stream | policy | best schedule | static | best rule | that schedule | seconds | share | reached |\n" + "|---" * 9 + "|")
    for name in options.streams or [one.__name__ for one in some]:
        print_row(name, run(name, options.data))


if __name__ == "__main__":
    main()
