# SPDX-License-Identifier: Apache-2.0
"""Columns by expression and meanings of columns, from the command line to a file that another program reads."""
import csv
import random

import pytest
from bundle_reader import Bundle
from conftest import Tidemill

WORDS = [
    "ratio = debt / income",
    "strain = if(ratio > 1 and not is_missing(city), log(ratio) + 1, -1)",
    "place = concat(lower(city), '/', hour(opened), '/', left(code, 2))",
    "late = opened + 1.5",
    "wait = days(opened) - 20000 + minute(opened) % 7",
    "house = number(after(code, '-')) ^ 0.5 * 2",
    "kind = if(city in ('Delft', 'Gouda'), upper(before(code, '-')), missing)",
    "least = round(min(income, debt, 1000) / 3) + sign(debt - 500) * abs(-2)",
    "week = coalesce(day_of_week(opened), 9) + month(opened) / 100",
    "old = opened < date('2024-06-01') or city = 'Leiden'",
]
LEARNED = [
    "even = yeo_johnson(debt) + scale(income) * robust_scale(debt)",
    "rank = quantile(income + debt)",
    "bins = text(bin(debt, 5))",
    "cuts = cut(ratio, 8) + impute(ratio, 'mean')",
    "often = frequency(code) + frequency(impute(city))",
    "pool = pool_rare(city, 0.21)",
    "apart = income - mean_by(income, city)",
    "spread = std_by(debt, concat(city, pool)) - median_by(income, code)",
    "clock = cycle_sin(hour(opened), 24) + cycle_cos(day_of_year(opened), 365.25)",
    "order = ordinal(city, 'Delft', 'Gouda', 'Leiden') + hash(code, 16)",
]


@pytest.fixture(scope="module", name="rows")
def make_rows():
    draw, rows = random.Random(4), []
    for _ in range(2500):
        income, debt, hour = draw.randrange(0, 4000), draw.randrange(1, 6000) / 2, draw.randrange(24)
        chance = 0.8 if income and debt / income > 1 else 0.3 if hour < 7 else 0.1
        rows.append({"income": str(income), "debt": str(debt), "opened": f"2024-{draw.randrange(1, 13):02}-{draw.randrange(1, 28):02}T{hour:02}:{draw.randrange(60):02}:00Z",
                     "city": draw.choice(["Delft", "Leiden", "Gouda", "Den Haag", ""]), "code": draw.choice("abc") + f"x-{draw.randrange(90)}",
                     "zip": str(1000 + draw.randrange(40)), "left": "yes" if draw.random() < chance else "no"})
    return rows


def write(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("listed", [WORDS, [WORDS[0], *LEARNED]], ids=["plain", "learned"])
def test_another_reader_gives_the_same_answers(rows, listed, tmp_path):
    tm = Tidemill(tmp_path)
    write(tmp_path / "people.csv", rows)
    words = [part for w in listed for part in ("--feature", w)]
    report = tm.ok("train", "people.csv", "--target", "left", "--learner", "gbdt", "--param", "gbdt.n_trees=40", "--drop", "income", "--as", "zip=category", *words, "--json").json
    tm.ok("predict", "people", "people.csv", "-o", "scored.csv")
    with open(tmp_path / "scored.csv", encoding="utf-8") as file:
        scored = [float(r["probability"]) for r in csv.DictReader(file)]
    bundle = Bundle((tmp_path / ".tidemill" / "bundles" / f"{report['bundle_hash']}.tmb").read_bytes())
    assert len(bundle.program.made) == len(listed) + 1
    for row, probability in zip(rows[:400], scored):
        assert bundle.predict(row)[0] == pytest.approx(probability, abs=1e-12)
    assert "the same bytes" in tm.ok("train", "--repeat", "people@1").out


def test_the_project_file_has_the_same_words(rows, tmp_path):
    tm = Tidemill(tmp_path)
    write(tmp_path / "people.csv", rows)
    (tmp_path / "tidemill.yaml").write_text(
        "models:\n  people:\n    from: people.csv\n    target: left\n    learner: baseline\n    as: [zip=category]\n    crosses: none\n"
        "    features:\n      - ratio = debt / income\n      - broken = debt /\n", encoding="utf-8")
    done = tm("check")
    assert done.code == 7
    assert "tidemill.yaml:10" in done.err and "feature 'broken': a value is wanted at character" in done.err
