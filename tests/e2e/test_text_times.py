# SPDX-License-Identifier: Apache-2.0
"""Texts of a Parquet file that are ISO times are read as times, unless a person says otherwise."""
import json

import duck
import pytest

ROWS = """SELECT i AS at, strftime(TIMESTAMP '2024-01-01 00:00:00' + INTERVAL (i * 37) HOUR, '%Y-%m-%dT%H:%M:%SZ') AS signed,
    CASE WHEN i % 50 = 7 THEN 'unknown' ELSE strftime(DATE '2020-01-01' + CAST(i % 900 AS INTEGER), '%Y-%m-%d') END AS born,
    CASE WHEN i % 200 = 7 THEN 'n/a' WHEN i % 90 = 1 THEN NULL ELSE strftime(DATE '2021-01-01' + CAST(i % 800 AS INTEGER), '%Y-%m-%d') END AS moved,
    hash(i) % 100 AS noise, CASE WHEN (i * 37) % 24 < 8 THEN 'yes' ELSE 'no' END AS early FROM range(3000) t(i)"""


@pytest.fixture(name="rows")
def fixture_rows(tm):
    with duck.Duck() as made:
        made.query(f"COPY ({ROWS}) TO '{tm.folder / 'rows.parquet'}' (FORMAT parquet)")
    return "rows.parquet"


def train(tm, rows, *words):
    return tm.ok("train", rows, "--target", "early", "--name", "m", "--learner", "gbdt", "--select", "off", "--work", 30000000, "--json", *words).json


def features(told):
    return {f["feature"].split(".")[0] + "." + f["feature"].split(".")[-1] for f in told["program"] if "." in f["feature"]}


def test_texts_that_are_times_are_read_as_such(tm, rows, serve):
    told = train(tm, rows)
    made = features(told)
    assert "signed.hour" in made and "moved.days" in made  # half a percent that is none is missing
    assert not any(name.startswith("born.") and name.endswith(".month") for name in made)  # two percent is too much
    assert next(f["reason"] for f in told["program"] if f["feature"] == "signed.time.hour").startswith("time, as its values are: ")
    assert told["test"]["auc"] > 0.999 and told["recipe"]["times"] == "auto"
    # The row path reads the same.
    tm.ok("predict", "m", rows, "-o", "out.csv")
    batch = float((tm.folder / "out.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[-1])
    row = {"at": 0, "signed": "2024-01-01T00:00:00Z", "born": "2020-01-01", "moved": "2021-01-01", "noise": 3}
    with duck.Duck() as made_rows:
        row["noise"] = int(made_rows.query(f"SELECT noise FROM '{tm.folder / rows}' LIMIT 1"))
    status, _, body = serve().request("POST", "/v1/routes/m/predict", {"rows": [row]})
    assert status == 200 and body["predictions"][0]["probability"] == batch, json.dumps(body)


def test_a_person_says_otherwise(tm, rows):
    told = train(tm, rows, "--as", "signed=category,moved=drop")
    assert not any(name.startswith(("signed.hour", "moved")) for name in features(told))
