#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The policy of retraining over many streams: bench/loop/streams.py --data FOLDER [--only PART] [STREAM ...]

Tables in order of time, tables without drift in the order of their file, and streams that are made here by a fixed seed. For each `tidemill replay` says
how the policy, the best schedule in hindsight, a static model and the best rule fared (accuracy or -RMSE), and how many seconds of training the policy
and that schedule took. MADE_FOR are the streams that the policy was made while looking at; JUDGED
were looked at when it was done, but for plane, churn and recurring. CHOSEN_BY, of the literature, and both of these were looked at when it got its memory of past worlds and its
rules; HELD_OUT were run once, when that was done. Streams of many classes that do not change (signs, usual_kinds) and of values that are learned slowly came later, and three of their kind to the held-out ones; room, tweets and part_jumps, of values, were run once, when the large arms of values were cheap and often fresh (decision 0174). Seconds are of processors (`--threads 1`).
"""
import argparse
import csv
import gzip
import math
import pathlib
import random
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import bench  # noqa: E402  pylint: disable=wrong-import-position
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


# ---- of the literature; the second ones of each pair were looked at when all was done ----


def agrawal_class(which, age, level, loan, salary, commission):
    """Functions 1, 2 and 7 of Agrawal, Imielinski and Swami, "Database mining: a performance perspective" (1993), doi:10.1109/69.250074."""
    if which == 0:
        return age < 40 or age >= 60
    if which == 1:
        low, high = ((50, 100) if age < 40 else (75, 125) if age < 60 else (25, 75))
        return low <= salary <= high
    return 0.67 * (salary + commission) - 0.2 * loan - 5 * level > 15


def agrawal(_, path):
    """Abrupt: three functions of a credit's columns, one after the other."""
    def row(rng, at, _):
        age, level, loan, salary = rng.uniform(20, 80), rng.randrange(5), rng.uniform(0, 500), rng.uniform(20, 150)
        commission = 0 if salary >= 75 else rng.uniform(10, 75)
        return (age, level, loan, salary, commission, rng.uniform(0, 400)), noisy(rng, agrawal_class(int(at * 3), age, level, loan, salary, commission), 0.05)
    made(path, 31, row, 30000)
    return "y", "auto", (), LATE


def mixed(_, path):
    """MIXED of Gama, Medas, Castillo and Rodrigues, "Learning with drift detection" (2004), doi:10.1007/978-3-540-28645-5_29: the classes change places every 5,000 rows."""
    def row(rng, _, t):
        v, w, x, y = rng.random() < 0.5, rng.random() < 0.5, rng.random(), rng.random()
        is_true = v + w + (y < 0.5 + 0.3 * math.sin(3 * math.pi * x)) >= 2
        return (int(v), int(w), x, y), noisy(rng, is_true != (t // 5000 % 2 == 1), 0.05)
    made(path, 32, row, 30000)
    return "y", "auto", (), LATE


def random_tree(rng, depth):
    """Domingos and Hulten, "Mining high-speed data streams" (2000), doi:10.1145/347090.347107: cuts and classes by chance."""
    if depth == 0 or (depth < 4 and rng.random() < 0.15):
        return rng.randrange(3)
    return rng.randrange(6), rng.uniform(0.2, 0.8), random_tree(rng, depth - 1), random_tree(rng, depth - 1)


def leaf_of(tree, x):
    while isinstance(tree, tuple):
        tree = tree[2] if x[tree[0]] < tree[1] else tree[3]
    return tree


def trees_return(_, path):
    """Two random trees of three classes take turns every 6,000 rows."""
    place = random.Random(33)
    trees = [random_tree(place, 6) for _ in range(2)]

    def row(rng, _, t):
        x = numbers(rng, 6)
        return x, f"k{leaf_of(trees[t // 6000 % 2], x) if rng.random() > 0.05 else rng.randrange(3)}"
    made(path, 34, row, 30000)
    return "y", "auto", (), LATE


def led(_, path):
    """LED of Breiman and others, "Classification and regression trees" (1984): seven segments of a digit, a tenth of them wrong, among 17 that say nothing; seven columns
    change places at half of the rows."""
    lit = ("1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111", "1111011")

    def row(rng, at, _):
        digit = rng.randrange(10)
        x = [int(v) != (rng.random() < 0.1) for v in lit[digit]] + [rng.random() < 0.5 for _ in range(17)]
        return [int(v) for v in (x if at < 0.5 else x[7:14] + x[:7] + x[14:])], f"d{digit}"
    made(path, 35, row)
    return "y", "auto", (), LATE


def waves(_, path):
    """Waveforms of Breiman and others (1984), with no drift: three classes, each a mix of two of three waves, under noise."""
    base = [[max(6 - abs(i - c), 0) for i in range(1, 22)] for c in (7, 15, 11)]

    def row(rng, _, __):
        kind, u = rng.randrange(3), rng.random()
        one, two = base[(0, 0, 1)[kind]], base[(1, 2, 2)[kind]]
        return [u * a + (1 - u) * b + rng.gauss(0, 1) for a, b in zip(one, two)], f"w{kind}"
    made(path, 36, row)
    return "y", "auto", (), LATE


def returning(_, path):
    """Friedman's function with the columns of two worlds in turn, as "global recurring abrupt" drift of Ikonomovska, Gama and Dzeroski, "Learning model trees from evolving
    data streams" (2011), doi:10.1007/s10618-010-0201-y."""
    def row(rng, at, _):
        x = numbers(rng, 10)
        return x, f"{friedman(x if int(at * 4) % 2 == 0 else (x[3], x[0], x[4], x[2], x[1])) + rng.gauss(0, 1):.5g}"
    made(path, 37, row)
    return "y", "regression", (), LATE


def sliding(_, path):
    """The same, "global and slow gradual": from 40 % to 70 % of the rows the new world comes more and more often."""
    def row(rng, at, _):
        x = numbers(rng, 10)
        is_new = rng.random() < min(1.0, max(0.0, (at - 0.4) / 0.3))
        return x, f"{friedman((x[3], x[0], x[4], x[2], x[1]) if is_new else x) + rng.gauss(0, 1):.5g}"
    made(path, 38, row)
    return "y", "regression", (), LATE


def lasting(path, seed, late):
    """A label that stays for a thousand rows on average; columns say little of it."""
    state = [0]

    def row(rng, _, __):
        state[0] = 1 - state[0] if rng.random() < 0.001 else state[0]
        return [rng.gauss(0.2 * state[0], 1), *numbers(rng, 3)], "on" if state[0] else "off"
    made(path, seed, row)
    return "y", "auto", (), late


def stays(_, path):
    return lasting(path, 39, 100)


def stays_late(_, path):
    return lasting(path, 40, LATE)


def walk(_, path):
    """Values that go up and down by chance; columns say nothing: the last one is the best."""
    level = [0.0]

    def row(rng, _, __):
        level[0] += rng.gauss(0, 1)
        return numbers(rng, 4), f"{level[0]:.5g}"
    made(path, 41, row)
    return "y", "regression", (), 100


def rare(path, seed, rows, late):
    """Two in a hundred are of the class that is asked for; which ones changes at half of the rows."""
    def row(rng, at, _):
        x = numbers(rng, 8)
        score = x[0] * x[1] if at < 0.5 else x[2] * x[3]
        return x, "yes" if rng.random() < (0.6 if score > 0.86 else 0.008) else "no"
    made(path, seed, row, rows)
    return "y", "auto", ("--first", 0.2 if late <= LATE else 0.5), late


def seldom(_, path):
    return rare(path, 42, ROWS, LATE)


def seldom_late(_, path):
    return rare(path, 43, 30000, 10000)


def seasons(path, seed, late):
    """Values by hour, day of the week and weather, whose level grows: like hires of bikes, without them."""
    def row(rng, at, t):
        hour, day = t % 24, t // 24 % 7
        warm = 0.5 + 0.4 * math.sin(6.28 * (2 * at - 0.2)) + rng.gauss(0, 0.1)
        rain = max(0.0, rng.gauss(-0.5, 0.6))
        work = day < 5
        rush = math.exp(-((hour - 8) / 1.5) ** 2) + math.exp(-((hour - 17.5) / 2) ** 2) if work else math.exp(-((hour - 14) / 4) ** 2)
        mean = 300 * (1 + at) * (0.1 + rush) * (0.3 + warm) * math.exp(-rain)
        return (hour, day, warm, rain), f"{max(0.0, mean + rng.gauss(0, 10 + 0.1 * mean)):.5g}"
    made(path, seed, row)
    return "y", "regression", (), late


def hires(_, path):
    return seasons(path, 44, LATE)


def hires_soon(_, path):
    return seasons(path, 45, 100)


def turning(path, seed, late):
    """A plane of ten columns whose weights move by steps, each now and then turning back: Hulten, Spencer and Domingos, "Mining time-changing data streams" (2001),
    doi:10.1145/502512.502529."""
    weights, ways = [i / 10 for i in range(1, 11)], [1] * 10

    def row(rng, _, __):
        for i in range(10):
            ways[i] = -ways[i] if rng.random() < 0.0005 else ways[i]
            weights[i] += 0.0003 * ways[i] * (i % 2)
        x = numbers(rng, 10)
        return x, noisy(rng, sum(w * v for w, v in zip(weights, x)) > sum(weights) / 2, 0.05)
    made(path, seed, row, 30000)
    return "y", "auto", ("--first", 0.2 if late <= LATE else 0.5), late


def turning_soon(_, path):
    return turning(path, 46, 100)


def turning_late(_, path):
    return turning(path, 47, 10000)


# ---- many classes, and values whose learning is slow ----


def prototypes(place, n_classes, n_each, n_columns):
    return [[[place.uniform(0, 15) for _ in range(n_columns)] for _ in range(n_each)] for _ in range(n_classes)]


def drawn(path, seed, moves):
    """24 classes as letters are drawn: four hands each, in sixteen columns of whole numbers; where it moves, half of the classes are drawn by other hands from half of the rows on."""
    place = random.Random(seed)
    now, then = prototypes(place, 24, 4, 16), prototypes(place, 24, 4, 16)

    def row(rng, at, _):
        kind = rng.randrange(24)
        hand = (then if moves and at >= 0.5 and kind % 2 == 0 else now)[kind][rng.randrange(4)]
        return [round(min(15, max(0, v + rng.gauss(0, 3.5)))) for v in hand], f"c{kind}"
    made(path, seed, row)
    return "y", "auto", (), LATE


def signs(_, path):
    return drawn(path, 51, False)


def signs_moved(_, path):
    return drawn(path, 52, True)


def usual_kinds(_, path):
    """Thirty classes, the n-th one 1/n as often, each where its own three of ten columns add up to most; nothing changes."""
    place = random.Random(53)
    of = [place.sample(range(10), 3) for _ in range(30)]

    def row(rng, _, __):
        kind = rng.choices(range(30), [1 / (n + 1) for n in range(30)])[0]
        return [rng.gauss(1.6 if i in of[kind] else 0, 1) for i in range(10)], f"c{kind}"
    made(path, 54, row)
    return "y", "auto", (), LATE


def fields(_, path):
    """Twelve classes in eight columns by cuts of a random tree; nothing changes, a tenth of labels is noise."""
    place = random.Random(55)

    def grown(depth):
        return place.randrange(12) if depth == 0 else (place.randrange(8), place.uniform(0.2, 0.8), grown(depth - 1), grown(depth - 1))
    tree = grown(7)

    def row(rng, _, __):
        x = numbers(rng, 8)
        return x, f"c{leaf_of(tree, x) if rng.random() > 0.1 else rng.randrange(12)}"
    made(path, 56, row)
    return "y", "auto", (), LATE


def loads(path, seed, late):
    """Values by hour, weekday and how cold it is, in a yearly wave, with errors that last some hours."""
    lasting_error = [0.0]

    def row(rng, at, t):
        hour, day = t % 24, t // 24 % 7
        cold = math.cos(6.28 * at * 2.3) + 0.3 * math.cos(6.28 * hour / 24) + rng.gauss(0, 0.15)
        lasting_error[0] = 0.95 * lasting_error[0] + rng.gauss(0, 6)
        mean = 400 + 60 * math.sin(6.28 * (hour - 7) / 24) * (1 if day < 5 else 0.5) + 80 * max(0.0, cold) ** 2 + 30 * max(0.0, -cold) * (10 < hour < 20) - 40 * (day >= 5)
        return (hour, day, cold), f"{mean + lasting_error[0]:.5g}"
    made(path, seed, row)
    return "y", "regression", (), late


def power(_, path):
    return loads(path, 57, 24)


def power_late(_, path):
    return loads(path, 58, LATE)


def room(data, path):
    return lagged(data, path, "ambient_temperature_system_failure")


def tweets(data, path):
    return lagged(data, path, "Twitter_volume_AAPL")


def part_jumps(_, path):
    """Friedman's function; at a fourth, half and three fourths of the rows another one comes in a part of the space that grows: "local and abrupt" drift of Ikonomovska, Gama and
    Dzeroski (2011), its parts made wider."""
    def row(rng, at, _):
        x = numbers(rng, 10)
        inside = sum(v < bound for v, bound in zip(x[1:4], (0.6, 0.6, 0.6))) >= 4 - int(at * 4)
        level = 10 * x[0] * x[1] - 20 * (x[2] - 0.5) - 10 * x[3] + 5 * x[4] if inside and at >= 0.25 else friedman(x)
        return x, f"{level + rng.gauss(0, 1):.5g}"
    made(path, 61, row)
    return "y", "regression", (), LATE


def prices(_, path):
    """Values of houses: where, how large and how old, with steps by place; nothing changes, and the more rows are learned the better."""
    place = random.Random(59)
    spots = [(place.random(), place.random(), place.uniform(-1, 1), place.uniform(0.03, 0.2)) for _ in range(40)]

    def row(rng, _, __):
        east, north, size, age = rng.random(), rng.random(), rng.lognormvariate(0, 0.4), rng.uniform(0, 50)
        level = sum(h * math.exp(-((east - a) ** 2 + (north - b) ** 2) / (2 * w * w)) for a, b, h, w in spots)
        return (east, north, size, age, rng.random()), f"{100 * size * math.exp(0.4 * level - 0.005 * age) * math.exp(rng.gauss(0, 0.15)):.5g}"
    made(path, 60, row)
    return "y", "regression", (), LATE


# ---- classes that came last: poker was looked at, the others run once ----


def hand_kind(cards):
    """What a hand of five cards (suit, rank) is worth: 0, nothing, to 9, a royal flush."""
    ranks = sorted(rank for _, rank in cards)
    most = sorted((ranks.count(rank) for rank in set(ranks)), reverse=True)
    is_royal, is_flush = ranks == [1, 10, 11, 12, 13], len({suit for suit, _ in cards}) == 1
    if most[0] == 1:
        is_run = is_royal or ranks[4] - ranks[0] == 4
        return (9 if is_royal else 8) if is_run and is_flush else 5 if is_flush else 4 if is_run else 0
    return {(2, 1): 1, (2, 2): 2, (3, 1): 3, (3, 2): 6, (4, 1): 7}[tuple(most[:2])]


def poker(_, path):
    """Hands of poker, as Cattral and Oppacher define them, "Poker hand" (UCI, 2002), doi:10.24432/C5KW38: suits and ranks of five cards; nothing changes."""
    deck = [(suit, rank) for suit in range(1, 5) for rank in range(1, 14)]

    def row(rng, _, __):
        hand = rng.sample(deck, 5)
        return [v for card in hand for v in card], f"h{hand_kind(hand)}"
    made(path, 61, row)
    return "y", "auto", (), LATE


def rbf(_, path):
    """Fifty clouds of five classes in ten columns, each with a way of its own: Bifet, Holmes, Pfahringer, Kirkby and Gavalda, "New ensemble methods for evolving data streams" (2009),
    doi:10.1145/1557019.1557041."""
    place = random.Random(62)
    clouds_of = [([place.random() for _ in range(10)], [place.gauss(0, 1) for _ in range(10)], place.random(), 0.02 + place.random() * 0.05, i % 5) for i in range(50)]

    def row(rng, _, t):
        start, way, _, wide, kind = rng.choices(clouds_of, [cloud[2] for cloud in clouds_of])[0]
        fast = 0.00005 / math.sqrt(sum(v * v for v in way))
        return [abs((a + fast * t * b) % 2 - (2 if (a + fast * t * b) % 2 > 1 else 0)) + rng.gauss(0, wide) for a, b in zip(start, way)], f"k{kind}"
    made(path, 63, row)
    return "y", "auto", (), LATE


def squares(_, path):
    """Four squares, a class each, that wander along a line and back: Losing, Hammer and Wersing, "KNN classifier with self adjusting memory" (2016), doi:10.1109/ICDM.2016.0040."""
    def row(rng, _, t):
        kind = rng.randrange(4)
        at = abs((0.001 * t + kind * 0.5) % 4 - 2)
        return (at + rng.random() * 0.6, rng.random() + kind * 0.15), f"k{kind}"
    made(path, 64, row)
    return "y", "auto", (), 100


def claims(data, path):
    """Whether a policy of a car had a claim (7 of 100): hardly to be told."""
    bench.export(f"SELECT * EXCLUDE (rownames, numclaims, claimcst0, X_OBSTAT_) FROM '{(data / 'car_claims.parquet').resolve()}'", path)
    return "clm", "auto", (), LATE


MADE_FOR = (elec2, insects, bikes, bikes_next_day, housing, letters, adult, sea, flip, hyperplane, coin, shares, friedman_jump, friedman_still, growth)
JUDGED = (churn, birds, cats, machine, taxis, recurring, clouds, plane, steps, slow, white, still)
CHOSEN_BY = (agrawal, trees_return, waves, returning, stays, seldom, hires, turning_late, signs, usual_kinds, power, prices, poker)
HELD_OUT = (mixed, led, sliding, stays_late, walk, seldom_late, hires_soon, turning_soon, signs_moved, fields, power_late, room, tweets, part_jumps, rbf, squares, claims)
STREAMS = {one.__name__: one for one in MADE_FOR + JUDGED + CHOSEN_BY + HELD_OUT}


def run(stream, data):
    """How the policy and the rest fared on a stream."""
    with tempfile.TemporaryDirectory() as folder:
        tm = Tidemill(pathlib.Path(folder))
        target, task, words, late = stream(data, tm.folder / "rows.csv")
        return tm.ok("replay", "rows.csv", "--target", target, "--task", task, *words, "--delay", late, "--threads", 1, "--json", "-q", timeout=7200).json


def print_head():
    print("| stream | policy | best schedule | static | best rule | that schedule | seconds | share | reached |\n" + "|---" * 9 + "|")


def print_row(name, found):
    policy, best = found["policy"], found["schedule"]
    took = policy["train_cpu_seconds"] / max(best["train_cpu_seconds"], 1e-9)
    told = [f"{found[key]['score']:.5g}" for key in ("policy", "schedule", "static", "trivial")]
    every = f"{best['every_rows']:,} on {best['window_rows'] or 'all'}"
    reached = " ".join([*(["score"] if policy["score"] >= best["score"] else []), *(["rule"] if policy["score"] >= found["trivial"]["score"] else []), *(["time"] if took <= 0.5 else [])])
    print(f"| {name} | {' | '.join(told)} | {every} | {policy['train_cpu_seconds']:.2f} of {best['train_cpu_seconds']:.2f} | {took:.2f} | {reached} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with the tables")
    parser.add_argument("--only", choices=["made_for", "judged", "chosen_by", "held_out"], help="one part of the streams")
    parser.add_argument("streams", nargs="*", metavar="STREAM")
    options = parser.parse_args()
    some = {"made_for": MADE_FOR, "judged": JUDGED, "chosen_by": CHOSEN_BY, "held_out": HELD_OUT}.get(options.only, tuple(STREAMS.values()))
    print_head()
    for name in options.streams or [one.__name__ for one in some]:
        print_row(name, run(STREAMS[name], options.data))


if __name__ == "__main__":
    main()
