# SPDX-License-Identifier: Apache-2.0
"""Made-up tables for end-to-end tests: the same rows each time."""
import csv
import io
import json
import random


def churn(n, seed=1):
    """Rows of customers with numbers, a category, a date, words and missing cells; `churned` is yes or no."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        months, tickets = rng.randrange(60), rng.randrange(6)
        plan = rng.choice(["basic", "plus", "pro"])
        spend = round(rng.expovariate(1 / 40), 2)
        words = " ".join(rng.sample(["slow", "thanks", "refund", "great", "broken", "cancel", "hello", "invoice"], 3))
        score = tickets / 2 - months / 20 + (plan == "basic") + ("cancel" in words) * 1.5 - 1
        rows.append({
            "id": f"c{i:05d}",
            "plan": plan,
            "months": months,
            "tickets": None if rng.random() < 0.05 else tickets,
            "spend": None if rng.random() < 0.1 else spend,
            "since": f"2023-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
            "note": words,
            "churned": "yes" if rng.random() < 1 / (1 + 2.718281828 ** -score) else "no",
        })
    return rows


def to_csv(rows, without=()):
    """CSV text; None is an empty field."""
    names = [n for n in rows[0] if n not in without]
    out = io.StringIO()
    writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def to_jsonl(rows, without=()):
    """JSON lines."""
    return "".join(json.dumps({k: v for k, v in r.items() if k not in without}) + "\n" for r in rows)
