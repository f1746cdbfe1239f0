# SPDX-License-Identifier: Apache-2.0
"""Small data sets with known structure, the same at every call."""
import datetime
import math
import random


def churn_rows(n, seed=1, swap=False):
    """Rows as dictionaries: plan, months, spend, joined, city, churned. With swap, plans mean their opposite."""
    rng = random.Random(seed)
    start = datetime.datetime(2024, 1, 1)
    rows = []
    for i in range(n):
        plan = rng.choice(["basic", "plus", "pro"])
        months = rng.randint(0, 60)
        spend = round(rng.uniform(5, 120), 2)
        city = rng.choice(["Oslo", "Lima", "Kyoto", "Cairo", "Quito", "Perth", "Bern, CH"])
        risk = {"basic": 1.2, "plus": 0.0, "pro": -1.5}[plan] * (-1 if swap else 1) - months / 25 + spend / 60
        churned = risk + rng.gauss(0, 0.7) > 0.3
        rows.append({
            "plan": plan, "months": months, "spend": "" if rng.random() < 0.03 else spend,
            "joined": (start + datetime.timedelta(minutes=37 * i)).isoformat(), "city": city,
            "churned": "yes" if churned else "no",
        })
    return rows


def kinds_rows(n, seed=1, shuffled=False):
    """Three kinds: `a` by a line of twelve numbers, which a linear model knows; `b` and `c` by the middle of another, which trees know."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        numbers = [rng.gauss(0, 1) for _ in range(12)]
        u = rng.random()
        is_a = rng.random() < 1 / (1 + math.exp(-sum((0.9 if i % 2 else -0.7) * x for i, x in enumerate(numbers))))
        kind = "a" if is_a else "bc"[rng.random() < (0.05 if abs(u - 0.5) < 0.25 else 0.95)]
        rows.append({**{f"x{i}": f"{x:.3f}" for i, x in enumerate(numbers)}, "u": f"{u:.3f}", "kind": kind})
    if shuffled:
        kinds = [row["kind"] for row in rows]
        rng.shuffle(kinds)
        for row, kind in zip(rows, kinds):
            row["kind"] = kind
    return rows


def quote(value):
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


def csv_text(rows, columns=None):
    columns = columns or list(rows[0])
    return "\n".join([",".join(columns)] + [",".join(quote(row[c]) for c in columns) for row in rows]) + "\n"


def request_row(row, without=("churned",)):
    """A row as a prediction request holds it: an empty field is null."""
    return {k: (None if v == "" else v) for k, v in row.items() if k not in without}
