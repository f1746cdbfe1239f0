# SPDX-License-Identifier: Apache-2.0
"""Columns that change their names and units, come or go: old and new clients get the same answers by one route."""
import json
import random

import pytest
from waits import wait_until

FOREST = ["--learner", "gbdt", "--param", "gbdt.n_trees=40"]
PROJECT = """models:
  m:
    from: rows.csv
    target: y
    learner: gbdt
    param: [gbdt.n_trees=40]
    columns: %s
"""
RENAMED = "{income: {was: [salary, pay], scale: 0.001}}"


def made_rows(n, seed):
    draw = random.Random(seed)
    rows = []
    for _ in range(n):
        salary, age = draw.randrange(10000, 90000), draw.randrange(18, 80)
        rows.append((salary, age, int(draw.random() < (0.9 if salary > 50000 else 0.15))))
    return rows


def csv(names, rows):
    return "\n".join([",".join(names)] + [",".join(str(cell) for cell in row) for row in rows]) + "\n"


@pytest.fixture(name="old")
def fixture_old(tm):
    """A model whose first version learned salaries."""
    tm.write("rows.csv", csv(["salary", "age", "y"], made_rows(2000, 1)))
    tm.ok("train", "rows.csv", "--target", "y", "--name", "m", *FOREST)
    return tm


def apply(tm, columns):
    tm.write("tidemill.yaml", PROJECT % columns)
    tm.ok("apply")


def answers(server, rows):
    status, _, told = server.request("POST", "/v1/routes/m/predict", {"rows": rows})
    assert status == 200, told
    return [p["probability"] for p in told["predictions"]]


def until(ask, wanted):
    wait_until(lambda: ask() == wanted, lambda: (ask(), wanted))


def predicted(tm, model, name):
    return [json.loads(line)["probability"] for line in tm.ok("predict", model, name, "--json").out.splitlines()]


def test_old_and_new_clients_are_served_at_once_and_the_rule_can_be_taken_back(old, serve):
    tm, server = old, serve()
    salaries = [{"salary": s, "age": 40} for s in (20000, 49000, 51000, 80000)]
    incomes = [{"income": row["salary"] / 1000, "age": 40} for row in salaries]
    before = answers(server, salaries)
    assert len(set(before)) > 1

    def status(row):
        return server.request("POST", "/v1/routes/m/predict", {"rows": [row]})[0]

    assert status(incomes[0]) == 400
    apply(tm, RENAMED)
    until(lambda: status(incomes[0]), 200)
    assert answers(server, salaries) == answers(server, incomes) == before
    assert answers(server, [{"pay": row["salary"], "age": 40} for row in salaries]) == before
    mixed = [salaries[0], incomes[1], {"salary": None, "income": 51, "age": 40}, {"income": None, "salary": 80000, "age": 40}]
    assert answers(server, mixed) == before
    code, _, told = server.request("POST", "/v1/routes/m/predict", {"rows": [incomes[0], {"salary": 1, "income": 2, "age": 40}]})
    assert code == 400 and "rows[1] has both 'income' and 'salary'" in json.dumps(told), told
    code, _, told = server.request("POST", "/v1/routes/m/predict", {"rows": [{"income": "much", "age": 40}]})
    assert code == 400 and "'income'" in json.dumps(told) and "much" not in json.dumps(told), told
    # What came under another name is counted, by the column that the version reads.
    until(lambda: any(f["field"] == "salary" and f["state"] == "renamed" for f in tm.ok("monitor", "drift", "m", "--json").json["fields"]), True)
    # A file says the same, whichever name its rows have.
    tm.write("old.csv", csv(["salary", "age"], [(row["salary"], 40) for row in salaries]))
    tm.write("new.csv", csv(["income", "age"], [(row["income"], 40) for row in incomes]))
    tm.write("both.csv", csv(["income", "age", "salary"], [("", 40, 20000), (49, 40, ""), ("", 40, 51000), (80, 40, "")]))
    tm.write("lines.jsonl", "".join(json.dumps(row) + "\n" for row in (salaries[0], incomes[1], salaries[2], incomes[3])))
    for name in ("old.csv", "new.csv", "both.csv", "lines.jsonl"):
        assert predicted(tm, "m", name) == before, name
    tm.write("two.csv", csv(["income", "age", "salary"], [("", 40, 20000), (49, 40, 49000)]))
    refused = tm("predict", "m", "two.csv")
    assert refused.code != 0 and "both 'income' and 'salary'" in refused.err and "two.csv:3" in refused.err, refused.err
    # Taken back: an empty map.
    apply(tm, "{}")
    until(lambda: status(incomes[0]), 400)
    assert answers(server, salaries) == before
    events = [e["event"] for e in tm.ok("model", "history", "m", "--json").json["history"]]
    assert events.count("recipe.set") == 2
    assert server.stop() == 0


def test_a_version_trained_by_the_rule_serves_both_alone(old, serve):
    tm = old
    apply(tm, RENAMED)
    # The source has rows of before and after, and a column that is new.
    rows = [("", s, age, "", y) for s, age, y in made_rows(2000, 1)]
    draw = random.Random(9)
    for s, age, y in made_rows(1500, 2):
        city = draw.choice("abc")
        rows.append((s / 1000, "", age, city, y if city != "c" else 1))
    tm.write("rows.csv", csv(["income", "salary", "age", "city", "y"], rows))
    tm.ok("retrain", "m")
    info = tm.ok("model", "show", "m@2", "--json").json
    read = {entry["input"] for entry in info["program"]}
    assert {"income", "city"} <= read and "salary" not in read, read
    assert info["recipe"]["columns"] == {"income": {"was": ["salary", "pay"], "scale": 0.001}}
    tm.write("old.csv", csv(["salary", "age", "city"], [(s, 40, "a") for s in (20000, 49000, 51000, 80000)]))
    tm.write("new.csv", csv(["income", "age", "city"], [(s, 40, "a") for s in (20, 49, 51, 80)]))
    told = predicted(tm, "m@2", "new.csv")
    assert len(set(told)) > 1 and predicted(tm, "m@2", "old.csv") == told
    server = serve()
    rows = [{"salary": 20000, "age": 40, "city": "a"}, {"income": 49, "age": 40, "city": "a"}]
    assert answers(server, rows) == told[:2]
    # Cities that training never had, of any form, do not stop it.
    odd = ["", "Z", "a" * 500, "é\u0000"[:1], "123", None]
    assert len(answers(server, [{"income": 49, "age": 40, "city": city} for city in odd])) == len(odd)
    assert tm.ok("train", "--repeat", "m@2", "--json").json["same"] is True
    assert server.stop() == 0


def test_a_missing_column_degrades_as_declared_and_is_priced(old, serve):
    tm, server = old, serve()

    def status():
        return server.request("POST", "/v1/routes/m/predict", {"rows": [{"age": 40}]})[0]

    assert status() == 400  # it had a value in every row of training
    apply(tm, "{salary: {missing: accept}}")
    until(status, 200)
    tm.write("few.csv", csv(["age"], [(40,), (50,)]))
    assert len(predicted(tm, "m", "few.csv")) == 2

    def absent():
        fields = tm.ok("monitor", "drift", "m", "--json").json["fields"]
        return [f for f in fields if f["state"] == "absent" and f["field"] == "salary"]

    wait_until(lambda: absent() and "worth" in absent()[0], absent)
    worth = absent()[0]["worth"]
    assert worth["loss"] == "logloss" and 0.01 < worth["value"] < 1
    assert "logloss" in tm.ok("monitor", "drift", "m").out
    apply(tm, "{salary: {missing: refuse}}")
    until(status, 400)
    assert tm("predict", "m", "few.csv").code != 0
    assert server.stop() == 0


def test_a_column_that_is_new_is_not_asked_of_clients_of_before(old, serve):
    """All rows to learn from have it; a request without it is answered, counted, and its price told."""
    tm = old
    draw = random.Random(9)
    rows = [(s, age, city, int(city == "c" or y)) for s, age, y in made_rows(1500, 2) for city in draw.choice("abc")]
    tm.write("rows.csv", csv(["salary", "age", "city", "y"], rows))
    tm.ok("retrain", "m")
    assert tm.ok("model", "show", "m@2", "--json").json["optional"] == ["city"]
    assert tm.ok("train", "--repeat", "m@2", "--json").json["same"] is True
    server = serve()
    both = answers(server, [{"salary": 20000, "age": 40, "city": "c"}, {"salary": 20000, "age": 40}])
    assert both[0] > 0.9, both
    assert server.request("POST", "/v1/routes/m/predict", {"rows": [{"age": 40, "city": "c"}]})[0] == 400  # of which all know

    def told():
        return [r["text"] for r in tm.ok("status", "--json").json["models"][0]["reasons"] if r["word"] == "columns"]

    until(lambda: len(told()), 1)
    assert "come without 'city', new in version 2, each answer" in told()[0] and "logloss worse" in told()[0], told()
    # What is declared holds, either way.
    apply(tm, "{city: {missing: refuse}}")
    until(lambda: server.request("POST", "/v1/routes/m/predict", {"rows": [{"salary": 20000, "age": 40}]})[0], 400)
    assert server.stop() == 0
    # The next version asks for nothing more.
    tm.write("rows.csv", csv(["salary", "age", "city", "y"], rows[100:] + rows[:50]))
    apply(tm, "{}")
    tm.ok("train", "rows.csv", "--target", "y", "--name", "m", *FOREST)
    assert tm.ok("model", "show", "m@3", "--json").json["optional"] == ["city"]


@pytest.mark.parametrize("columns, part", [
    ("{income: {scale: 2}}", "no former name"), ("{income: {was: salary, scale: 0}}", "not 0"), ("{income: {was: salary, scale: x}}", "a number"),
    ("{income: {was: [salary]}, pay: {was: [salary]}}", "named twice"), ("{income: {was: []}}", "names that it had"), ("{income: {wos: a}}", "Did you mean 'was'"),
    ("{income: {missing: perhaps}}", "accept or refuse"), ("{y: {was: [z]}}", "cannot be renamed"), ("{z: {was: [y]}}", "cannot be renamed"), ("[a]", "hold keys")])
def test_what_is_no_rule_is_refused_with_its_line(tm, columns, part):
    tm.write("rows.csv", csv(["salary", "age", "y"], made_rows(50, 1)))
    tm.write("tidemill.yaml", PROJECT % columns)
    result = tm("check")
    assert result.code != 0 and part in result.err and "tidemill.yaml:" in result.err, result.err


def test_another_target_is_a_model_beside_the_old_one(tm, serve):
    """Backfilled from the same segments; the old one goes on answering."""
    rows = [(i, s, age, y, s // 1000 + age) for i, (s, age, y) in enumerate(made_rows(600, 1))]
    tm.write("rows.csv", csv(["id", "salary", "age", "y", "z"], rows))
    project = "sources:\n  people: {files: rows.csv, key: id}\nmodels:\n  m: {from: people, target: y, drop: [z, id], learner: gbdt, param: [gbdt.n_trees=20]}\n"
    tm.write("tidemill.yaml", project)
    assert tm("apply").code != 0  # the source is there now, the model has no version yet
    tm.ok("train", "--source", "people", "--target", "y", "--name", "m", "--drop", "z,id", "--learner", "gbdt", "--param", "gbdt.n_trees=20")
    tm.ok("apply")
    tm.write("tidemill.yaml", project.replace("target: y", "target: z"))
    refused = tm("apply")
    assert refused.code != 0 and "predicts 'y', not 'z'" in refused.err and "beside" in refused.err and "at tidemill.yaml:" in refused.err, refused.err
    tm.write("tidemill.yaml", project + "  z: {from: people, target: z, drop: [y, id], learner: gbdt, param: [gbdt.n_trees=20]}\n")
    first = tm("apply")
    assert first.code != 0 and "tidemill train --source people --target z --name z" in first.err, first.err
    report = tm.ok("train", "--source", "people", "--target", "z", "--name", "z", "--drop", "y,id", "--learner", "gbdt", "--param", "gbdt.n_trees=20", "--json").json
    assert 400 < report["rows"] < 600  # those to learn from
    tm.ok("apply")
    tm.ok("check")
    server = serve()
    row = {"rows": [{"salary": 51000, "age": 40}]}
    assert server.request("POST", "/v1/routes/m/predict", row)[2]["predictions"][0]["probability"] > 0.5
    assert abs(server.request("POST", "/v1/routes/z/predict", row)[2]["predictions"][0]["prediction"] - 91) < 20
    assert server.stop() == 0


def test_what_is_declared_acts_on_arms_of_a_split_as_on_the_champion(old, serve):
    """A rule, its unit mended, and a threshold, while a canary runs: all of the route's versions answer by it at once."""
    old.ok("train", "rows.csv", "--target", "y", "--name", "m", "--learner", "linear")
    server = serve()
    old.ok("route", "split", "m", "1=50", "2=50")

    def told(row):
        """The answer of each version: {version: (probability, prediction)}."""
        found = {}
        for unit in range(40):
            status, _, body = server.request("POST", "/v1/routes/m/predict", {"rows": [row]}, {"X-Tidemill-Unit": f"u{unit}"})
            assert status == 200, body
            p = body["predictions"][0]
            found[body["version"]] = (p["probability"], p["prediction"])
        return found

    before = told({"salary": 42000, "age": 40})
    assert set(before) == {1, 2}

    def by(columns, income):
        apply(old, columns)
        wait_until(lambda: server.request("POST", "/v1/routes/m/predict", {"rows": [{"income": income, "age": 40}]})[0] == 200)
        until(lambda: told({"income": income, "age": 40}), before)

    by("{income: {was: salary, scale: 1000}}", 42000000)  # the wrong way round
    by(RENAMED, 42)
    for threshold, called in ((0.001, 1), (0.999, 0)):
        old.write("tidemill.yaml", PROJECT % RENAMED + f"    threshold: {threshold}\n")
        old.ok("apply")
        until(lambda: told({"income": 42, "age": 40}), {v: (p, called) for v, (p, _) in before.items()})
