# SPDX-License-Identifier: Apache-2.0
"""`data check --target`: what ruins a model is found by name and place, and the exit code is by its rule."""
import random

from rows import churn, to_csv


def findings(result):
    return {(f["kind"], f.get("column")): f for f in result.json["findings"]}


def made(n=400, seed=3):
    """Rows with one of each: names, then lists."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        x = rng.random()
        y = "yes" if rng.random() < 0.2 + 0.6 * x else "no"
        rows.append([f"{x:.6f}", y, f"id-{seed}-{i:05}", "same", f"{rng.random() + (2 if y == 'yes' else 0):.6f}",
                     str(round(rng.random(), 4)) if y == "yes" else "", "B" if y == "yes" else "A"])
    return "x,y,code,one,tells,later,twin".split(","), rows


def csv(names, rows):
    return "\n".join(",".join(row) for row in [names, *rows]) + "\n"


def test_each_finding_has_its_name_its_place_and_what_to_do(tm):
    names, rows = made()
    tm.write("a.csv", csv(names, rows + [rows[7]] * 9))
    result = tm("data", "check", "a.csv", "--target", "y", "--json")
    assert result.code == 1 and result.json["ok"] is False
    found = findings(result)
    severity = {key: f["severity"] for key, f in found.items()}
    assert severity == {("copy", "twin"): "error", ("leak", "tells"): "error", ("after_the_fact", "later"): "error",
                        ("leak", "later"): "error", ("constant", "one"): "warning", ("repeated", None): "warning"}
    assert found["constant", "one"]["place"] == {"column": 4}
    assert found["repeated", None]["place"] == {"row": 401, "equals_row": 8}
    assert all(f["hint"] and f["evidence"] for f in found.values())
    words = tm("data", "check", "a.csv", "--target", "y")
    assert words.code == 1
    assert "error  copy: twin is the target under another name" in words.out
    assert "(the first is row 401, as row 8)" in words.out
    assert words.err.startswith("error: 4 findings would ruin a model of 'y'")


def test_warnings_fail_only_when_they_shall(tm):
    names, rows = made()
    tm.write("a.csv", csv(names[:4], [row[:4] for row in rows]))
    result = tm.ok("data", "check", "a.csv", "--target", "y", "--json")
    assert result.json["ok"] is True
    assert set(findings(result)) == {("identifier", "code"), ("constant", "one")}
    assert tm("data", "check", "a.csv", "--target", "y", "--strict").code == 1
    tm.write("b.csv", csv(names[:2], [row[:2] for row in rows]))
    assert tm.ok("data", "check", "b.csv", "--target", "y", "--strict").out == "nothing found in 400 rows and 2 columns\n"


def test_one_class_is_nothing_to_learn(tm):
    names, rows = made()
    tm.write("a.csv", csv(names[:2], [[row[0], "no"] for row in rows]))
    result = tm("data", "check", "a.csv", "--target", "y", "--json")
    assert result.code == 1 and set(findings(result)) == {("one_class", "y")}


def test_test_rows_that_stand_in_the_data_are_counted(tm):
    names, rows = made()
    _, others = made(300, seed=4)
    cut = [0, 1, 2]
    tm.write("a.csv", csv(names[:3], [[row[i] for i in cut] for row in rows]))
    tm.write("new.csv", csv(names[:3], [[row[i] for i in cut] for row in others]))
    tm.write("old.csv", csv(names[:3], [[row[i] for i in cut] for row in others + rows[20:50]]))
    check = ["data", "check", "a.csv", "--target", "y", "--json", "--against"]
    assert set(findings(tm.ok(*check, "new.csv"))) == {("identifier", "code")}
    result = tm(*check, "old.csv")
    overlap = findings(result)["overlap", None]
    assert result.code == 1
    assert overlap["evidence"] == {"equal": 30, "test_rows": 330, "sampled": False}
    assert overlap["place"] == {"row": 301, "equals_row": 21}


def test_a_source_and_a_query_are_checked_too(tm):
    names, rows = made()
    tm.write("a.csv", csv(names, rows))
    tm.ok("data", "add", "a", "--files", "a.csv")
    want = findings(tm("data", "check", "a.csv", "--target", "y", "--json"))
    assert findings(tm("data", "check", "--source", "a", "--target", "y", "--json")) == want
    assert findings(tm("data", "check", "--sql", "SELECT * FROM 'a.csv'", "--target", "y", "--json")) == want


def test_a_target_that_is_a_sum_is_named_with_its_parts(tm):
    lines = ["x,casual,registered,cnt"] + [f"{i * 37 % 101},{i * 7 % 40},{i * 13 % 90},{i * 7 % 40 + i * 13 % 90}" for i in range(300)]
    tm.write("a.csv", "\n".join(lines) + "\n")
    run = tm("data", "check", "a.csv", "--target", "cnt", "--json")
    found = [f for f in run.json["findings"] if f["kind"] == "sum"]
    assert run.code == 1 and len(found) == 1 and found[0]["text"] == "is 'casual' + 'registered' in all 300 rows"
    assert [p["column"] for p in found[0]["evidence"]["parts"]] == ["casual", "registered"]
    assert "casual" in tm.ok("train", "a.csv", "--target", "cnt", "--learner", "linear").out
    dropped = tm.ok("train", "a.csv", "--target", "cnt", "--learner", "linear", "--drop", "casual", "--json").json
    assert [f for f in dropped["findings"] if f["kind"] == "sum"] == []


def test_wrong_use_is_named(tm):
    tm.write("a.csv", to_csv(churn(200)))
    assert tm("data", "check").code == 2
    assert tm("data", "check", "a.csv", "b.csv", "--target", "churned").code == 2
    assert tm("data", "check", "m", "a.csv", "--strict").code == 2
    assert tm("data", "check", "a.csv", "--source", "b", "--target", "churned").code == 2
    missing = tm("data", "check", "a.csv", "--target", "nothing")
    assert missing.code == 2 and "there is no target column 'nothing'" in missing.err


def test_a_model_says_what_it_lacks_by_name(tm):
    names, rows = made()
    tm.write("a.csv", csv(names[:2], [row[:2] for row in rows]))
    tm.ok("train", "a.csv", "--target", "y", "--name", "m", "--learner", "linear")
    tm.write("b.csv", "x\n0.5\n7000\n\n")
    tm.write("c.csv", "z\n1\n")
    kinds = [tm("data", "check", "m", name, "--json").json["findings"][0]["kind"] for name in ("b.csv", "c.csv")]
    assert kinds == ["out_of_range", "missing_column"]
