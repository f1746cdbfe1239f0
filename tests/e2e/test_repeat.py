# SPDX-License-Identifier: Apache-2.0
"""`train --repeat` gives a version again from its record and its snapshot, and says so when it does not."""
import json
import sqlite3

import made_data
import pytest


def train(tm, *words):
    return tm.ok("train", "c.csv", "--target", "churned", "--json", *words).json


@pytest.fixture(name="home")
def fixture_home(tm):
    tm.write("c.csv", made_data.csv_text(made_data.churn_rows(3000)))
    tm.write("t.csv", made_data.csv_text(made_data.churn_rows(300, seed=3)))
    return tm


@pytest.mark.parametrize("words", [
    ["--budget", "150ms"],
    ["--budget", "150ms", "--test", "t.csv"],
    ["--budget", "50ms", "--learner", "gbdt", "--param", "gbdt.n_trees=100000", "--param", "gbdt.early_stopping=0"],
], ids=["search", "test rows", "one fit"])
def test_a_run_that_the_clock_cut_gives_the_same_bytes_again(home, words):
    first = train(home, *words, "--threads", "2")
    assert first["clock_cut"] is True and first["stops"] and first["work_used"] > 0
    # Never from the source: that may be gone.
    (home.folder / "c.csv").unlink()
    (home.folder / "t.csv").unlink()
    for threads, simd in (("1", "avx512"), ("2", "plain"), ("3", "avx2"), ("8", "plain")):
        again = home.ok("train", "--repeat", "c@1", "--threads", threads, "--json", env={"TIDEMILL_SIMD": simd}).json
        assert again["same"] is True and again["differs"] == []
        assert again["repeated_hash"] == again["bundle_hash"] == first["bundle_hash"]
        assert again["work_used"] == first["work_used"]
    # Nothing was registered, and nothing written.
    assert len(home.ok("model", "show", "c", "--json").json["versions"]) == 1
    assert len(list((home.folder / ".tidemill" / "bundles").iterdir())) == 1


def test_a_run_by_work_is_repeated_and_said_in_words(home):
    first = train(home, "--work", "1000000", "--drop", "city", "--split", "last:0.3", "--seed", "9")
    assert "stops" not in first
    result = home.ok("train", "--repeat", "c@champion")
    assert result.out.startswith("c version 1: the same bytes as recorded\n")
    assert result.out.count(first["bundle_hash"]) == 2


def test_another_result_is_an_integrity_error(home):
    train(home, "--work", "1000000")
    database = sqlite3.connect(home.folder / ".tidemill" / "meta.db")
    database.execute("DROP TRIGGER versions_update")
    info = json.loads(database.execute("SELECT info FROM versions").fetchone()[0])
    info["recipe"]["seed"] = 77
    database.execute("UPDATE versions SET info = ?", (json.dumps(info),))
    database.commit()
    database.close()
    result = home("train", "--repeat", "c@1")
    assert result.code == 8 and "not the same bytes as recorded" in result.out
    assert "'c@1' trained again is not the same" in result.err and "seed" in result.err and "hint: " in result.err
    result = home("train", "--repeat", "c@1", "--json")
    assert result.code == 8 and result.json["same"] is False and "seed" in result.json["differs"]
    assert result.json["repeated_hash"] != result.json["bundle_hash"]


def test_a_snapshot_that_is_gone_or_damaged_is_said(home):
    train(home, "--work", "1000000")
    snapshot = next((home.folder / ".tidemill" / "snapshots").iterdir())
    whole = snapshot.read_bytes()
    snapshot.unlink()
    result = home("train", "--repeat", "c@1")
    assert result.code == 3 and snapshot.name in result.err and "hint: " in result.err
    snapshot.write_bytes(whole[: len(whole) // 2])
    assert home("train", "--repeat", "c@1").code == 8


def test_what_the_record_decides_cannot_be_given(home):
    train(home, "--work", "1000000")
    for words in (["--seed", "3"], ["--target", "churned"], ["--work", "5"], ["c.csv"], ["--sql", "SELECT 1"]):
        result = home("train", "--repeat", "c@1", *words)
        assert result.code == 2 and words[0] in result.err and "hint: " in result.err
    assert home("train", "--repeat", "c@2").code == 3
    result = home("train", "c.csv")
    assert result.code == 2 and "'--target COL' is missing" in result.err
