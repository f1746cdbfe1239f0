# SPDX-License-Identifier: Apache-2.0
"""Made data sets that ask for different things of a training: each has a structure that is known, and a best score that follows from it."""
import datetime
import math
import random

WORDS = "river stone green quiet market paper window summer engine letter garden silver morning copper bridge planet".split()
TELLING = {"spam": "prize winner urgent claim cash".split(), "ham": "lunch meeting tomorrow thanks home".split()}


def smooth(rng, n):
    """Friedman's first function (1991, Multivariate adaptive regression splines, 4.3): five columns matter, five do not; noise of deviation 1."""
    for _ in range(n):
        x = [rng.random() for _ in range(10)]
        y = 10 * math.sin(math.pi * x[0] * x[1]) + 20 * (x[2] - 0.5) ** 2 + 10 * x[3] + 5 * x[4] + rng.gauss(0, 1)
        yield {**{f"x{i}": round(v, 4) for i, v in enumerate(x)}, "y": round(y, 4)}


def levels(rng, n):
    """A category of 400 levels, each with a rate of its own, a second that changes what a number means, and numbers that may be missing."""
    rates = [rng.gauss(0, 1.2) for _ in range(400)]
    for _ in range(n):
        city, plan, months = int(400 * rng.random() ** 2), rng.choice("ABC"), rng.randint(0, 60)
        score = rates[city] + {"A": -1, "B": 0, "C": 1}[plan] * (months - 30) / 20
        yield {"city": f"c{city:03}", "plan": plan, "months": "" if rng.random() < 0.1 else months, "noise": round(rng.random(), 3),
               "gone": "yes" if rng.random() < 1 / (1 + math.exp(-score)) else "no"}


def lines(rng, n):
    """Weak and linear: the answer is a sum of 30 small effects."""
    weights = [rng.gauss(0, 0.25) for _ in range(30)]
    for _ in range(n):
        x = [rng.gauss(0, 1) for _ in range(30)]
        yield {**{f"x{i}": round(v, 3) for i, v in enumerate(x)},
               "bought": int(rng.random() < 1 / (1 + math.exp(1 - sum(w * v for w, v in zip(weights, x)))))}


def texts(rng, n):
    """Short messages; some words lean to a class."""
    for _ in range(n):
        kind = "spam" if rng.random() < 0.3 else "ham"
        words = [rng.choice(TELLING[kind if rng.random() < 0.7 else "ham"]) if rng.random() < 0.25 else rng.choice(WORDS) for _ in range(rng.randint(4, 12))]
        yield {"message": " ".join(words), "kind": kind}


def classes(rng, n):
    """Six classes in the plane, two of them rings, and a third column that tells two apart."""
    for _ in range(n):
        kind = rng.randrange(6)
        angle, radius = rng.uniform(0, 2 * math.pi), (1, 2, 3, 4, 4, 5)[kind] + rng.gauss(0, 0.35)
        yield {"a": round(radius * math.cos(angle), 3), "b": round(radius * math.sin(angle), 3), "c": round((kind == 4) * 1.5 + rng.gauss(0, 1), 3),
               "kind": "alpha beta gamma delta epsilon zeta".split()[kind]}


def seasons(rng, n):
    """Hourly counts that grow, with a day and a week in them."""
    start = datetime.datetime(2023, 1, 2)
    for i in range(n):
        at = start + datetime.timedelta(hours=i)
        warm = 10 + 8 * math.sin(i / 700) + rng.gauss(0, 2)
        mean = (60 + i / 60) * (1 + 0.7 * math.sin((at.hour - 6) / 24 * 2 * math.pi)) * (0.6 if at.weekday() > 4 else 1) * (1 + warm / 40)
        yield {"at": at.isoformat(sep=" "), "warm": round(warm, 1), "count": max(0, round(rng.gauss(mean, math.sqrt(mean))))}


def rare(rng, n):
    """Two in a hundred are positive."""
    for _ in range(n):
        x = [rng.gauss(0, 1) for _ in range(8)]
        score = -5.5 + 1.6 * (x[0] > 0.5) * (x[1] > 0) + x[2] + 0.8 * abs(x[3])
        yield {**{f"x{i}": round(v, 3) for i, v in enumerate(x)}, "fraud": int(rng.random() < 1 / (1 + math.exp(-score)))}


def skewed(rng, n):
    """Costs over five powers of ten."""
    for _ in range(n):
        size, grade = rng.lognormvariate(0, 1), rng.choice(["low", "mid", "high"])
        yield {"size": round(size, 4), "grade": grade, "age": rng.randint(1, 40),
               "cost": round(100 * size ** 1.5 * {"low": 1, "mid": 3, "high": 9}[grade] * rng.lognormvariate(0, 0.3), 2)}


def few(rng, n):
    """A handful of rows."""
    for _ in range(n):
        a, b = rng.gauss(0, 1), rng.gauss(0, 1)
        yield {"a": round(a, 3), "b": round(b, 3), "c": rng.choice("xyz"), "yes": int(a + b + rng.gauss(0, 0.7) > 0)}


# name: (maker, rows, target, options)
SETS = {
    "smooth": (smooth, 2000, "y", []),
    "levels": (levels, 4000, "gone", []),
    "lines": (lines, 1500, "bought", []),
    "texts": (texts, 1500, "kind", []),
    "classes": (classes, 2500, "kind", []),
    "seasons": (seasons, 3000, "count", ["--time", "at"]),
    "rare": (rare, 6000, "fraud", []),
    "skewed": (skewed, 2000, "cost", []),
    "few": (few, 80, "yes", []),
}


def rows_of(name):
    make, n, _, _ = SETS[name]
    return list(make(random.Random(name), n))
