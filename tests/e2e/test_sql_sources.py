# SPDX-License-Identifier: Apache-2.0
"""Queries that name sources of the home as tables: each is a snapshot, at a time where that is asked, and named in the record."""
import datetime
import time

SQL = "SELECT f.dist, a.lat, f.delay > 25 AS late FROM flights f JOIN 'airports.csv' a ON f.origin = a.iata"
FEW = ("--learner", "gbdt", "--param", "gbdt.n_trees=5")


def rows(first, end):
    return "id,origin,dist,delay\n" + "".join(f"{i},{'ABC'[i % 3]},{i * 37 % 800},{i * 7919 % 41 + i % 3 * 10}\n" for i in range(first, end))


def start(tm):
    tm.write("airports.csv", "iata,lat\nA,1.5\nB,20.5\nC,40.5\n")
    tm.write("one.csv", rows(0, 600))
    tm.write("two.csv", rows(600, 1200))
    tm.ok("data", "add", "flights", "--push", "--key", "id")
    tm.ok("data", "push", "flights", "one.csv")


def source_of(tm, version):
    return tm.ok("model", "show", version, "--json").json["recipe"]["source"]


def test_a_source_joined_with_a_file(tm):
    start(tm)
    tm.ok("train", "--sql", SQL, "--target", "late", "--name", "late", *FEW)
    snapshot = tm.ok("data", "snapshot", "flights", "--json").json["snapshot"]
    assert source_of(tm, "late@1") == {"sql": SQL, "snapshots": {"flights": snapshot}}
    tm.ok("data", "push", "flights", "two.csv")
    repeated = tm.ok("train", "--repeat", "late@1")
    assert "the same bytes as recorded" in repeated.out
    tm("retrain", "late")  # the gate may say no
    later = source_of(tm, "late@2")
    assert later["sql"] == SQL and later["snapshots"] == {"flights": tm.ok("data", "snapshot", "flights", "--json").json["snapshot"]}
    assert later["snapshots"]["flights"] != snapshot


def test_every_query_may_name_sources(tm):
    start(tm)
    tm.write("two.csv", rows(600, 900))
    tm.ok("train", "--sql", SQL, "--target", "late", "--name", "late", "--test-sql", SQL + " WHERE f.id >= 400", *FEW)
    few = SQL + " WHERE f.id < 50"
    assert len(tm.ok("predict", "late", "--sql", few).out.splitlines()) == 51
    assert tm.ok("evaluate", "late", "--sql", few, "--json").json["scores"]["n_rows"] == 50
    assert tm.ok("data", "profile", "--sql", few, "--json").json["rows"] == 50
    assert tm("data", "check", "--sql", few, "--target", "late").code in (0, 1)
    wrong = tm("predict", "late", "--sql", "SELECT dist,\n nothing FROM flights")
    assert wrong.code == 2 and "query:2:2" in wrong.err, wrong.err
    nobody = tm("predict", "late", "--sql", "SELECT * FROM nobody")
    assert nobody.code == 2 and "nobody" in nobody.err
    bare = tm("data", "profile", "--sql", "SELECT 1 AS x", "--json", "--home", "none")
    assert bare.code == 0 and bare.json["rows"] == 1


def test_sources_as_they_were(tm):
    start(tm)
    first = tm.ok("data", "snapshot", "flights", "--json").json["snapshot"]
    time.sleep(1.1)
    moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    time.sleep(1.1)
    tm.ok("data", "push", "flights", "two.csv")
    tm.ok("train", "--sql", "SELECT dist, delay > 25 AS late FROM flights", "--as-of", moment, "--target", "late", "--name", "then", *FEW)
    source = source_of(tm, "then@1")
    assert source["snapshots"] == {"flights": first} and source["as_of"] == moment
    before = tm("train", "--sql", "SELECT dist FROM flights", "--as-of", "2020-01-01", "--target", "dist")
    assert before.code == 7 and "source 'flights' had no rows at" in before.err
    none = tm("train", "--sql", "SELECT * FROM 'one.csv'", "--as-of", moment, "--target", "dist")
    assert none.code == 2 and "--as-of" in none.err


def test_faults_have_their_place_in_the_query_that_was_written(tm):
    start(tm)
    for sql, place in (("SELECT dist,\n nothing FROM flights", "query:2:2"), ("WITH x AS (SELECT * FROM flights)\nSELECT dist, nothing FROM x", "query:2:14")):
        failed = tm("train", "--sql", sql, "--target", "dist")
        assert failed.code in (2, 7) and place in failed.err, failed.err
    missing = tm("train", "--sql", "SELECT * FROM nowhere", "--target", "dist")
    assert missing.code in (2, 7) and "nowhere" in missing.err


def test_a_model_of_the_project_reads_sources(tm):
    start(tm)
    tm.write("tidemill.yaml", "models:\n  late:\n    from: |\n      " + SQL + "\n    target: late\n    learner: gbdt\n    param: [gbdt.n_trees=5]\n")
    tm.ok("train", "--sql", SQL, "--target", "late", "--name", "late", *FEW)
    applied = tm("apply")
    assert applied.code == 0, applied.err
    tm.ok("data", "push", "flights", "two.csv")
    tm("retrain", "late")
    assert "flights" in source_of(tm, "late@2")["snapshots"]
