# SPDX-License-Identifier: Apache-2.0
"""`model import`: files that other libraries wrote answer as those libraries did, and are models like any other."""
import csv
import json
import shutil

import pytest
from conftest import ROOT

GOLDEN = ROOT / "tests" / "golden" / "import"
CASES = sorted(p for p in GOLDEN.iterdir() if p.is_dir())
# Single precision adds up differently in any order of its own: margins within 1e-6, here of few trees.
TOLERANCE = {"lightgbm": "1e-14", "xgboost_leaves": "0"}


def words_of(case):
    return (case / "words").read_text(encoding="utf-8").split("\n")[:-1]


def model_of(case):
    return next(p for p in case.iterdir() if p.name.startswith("model."))


def import_case(tm, case, *words):
    library = case.name if case.name in TOLERANCE else case.name.split("_", maxsplit=1)[0]
    return tm.ok("model", "import", model_of(case), "--name", "m", "--data", case / "rows.csv", "--expect", case / "answers.csv",
                 "--tolerance", TOLERANCE.get(library, "2e-6"), *words_of(case), *words, "--json").json


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_answers_are_those_of_the_library(tm, case):
    told = import_case(tm, case)
    parity = told["import"]["parity"]
    assert parity["rows"] == 60 and parity["flipped"] == 0 and parity["holds"] and not parity["forced"]
    # One row alone, over HTTP's decoder or the command, has the bits of the batch: what `predict` writes is what was compared.
    tm.ok("predict", "m", case / "rows.csv", "-o", "out.csv")
    assert len((tm.folder / "out.csv").read_text(encoding="utf-8").split("\n")) == 62


def test_other_answers_are_refused_and_nothing_is_registered(tm):
    case = GOLDEN / "lightgbm_binary"
    answers = (case / "answers.csv").read_text(encoding="utf-8").split("\n")
    answers[7] = "0.75" if float(answers[7]) < 0.5 else "0.25"
    tm.write("wrong.csv", "\n".join(answers))
    words = ["model", "import", case / "model.txt", "--name", "m", "--data", case / "rows.csv", "--expect", "wrong.csv"]
    refused = tm(*words)
    assert refused.code == 1 and "row 7" in refused.err and "1 of 60 decisions" in refused.err
    assert tm("model", "show", "m").code == 3
    forced = tm.ok(*words, "--force", "--json").json["import"]["parity"]
    assert forced["forced"] and not forced["holds"] and forced["flipped"] == 1
    tm.write("short.csv", "\n".join(answers[:40]) + "\n")
    assert tm(*words[:-1], "short.csv").code == 7


def test_it_is_served_explained_promoted_rolled_back_and_backed_up(tm, serve):
    case = GOLDEN / "lightgbm_sigmoid"
    first = import_case(tm, case, "--target", "churned")
    assert first["version"] == 1 and first["aliases"] == "champion" and first["classes"] == ["stays", "leaves"]
    row = {"amount": 4.5, "age": 30, "spent": 0.25, "city": "town 3", "kind": 2}
    server = serve()
    status, _, told = server.request("POST", "/v1/routes/m/predict", {"rows": [row, {**row, "kind": "2.0"}, {"age": 40}]})
    assert status == 200 and told["version"] == 1
    answers = told["predictions"]
    assert answers[0]["probability"] == answers[1]["probability"]
    assert all(a["prediction"] == ("leaves" if a["probability"] > 0.5 else "stays") for a in answers)
    tm.write("one.jsonl", json.dumps(row) + "\n")
    tm.ok("predict", "m", "one.jsonl", "-o", "one.csv")
    assert float((tm.folder / "one.csv").read_text(encoding="utf-8").split("\n")[1].split(",")[-1]) == answers[0]["probability"]
    reasons = tm.ok("explain", "m", json.dumps(row), "--json").json
    assert {r["column"] for r in reasons["reasons"]} <= set(row)
    second = import_case(tm, GOLDEN / "lightgbm_binary", "--target", "churned", "--classes", "stays,leaves")
    assert second["version"] == 2 and second["aliases"] == "challenger"
    tm.ok("model", "promote", "m@2")
    tm.ok("model", "rollback", "m")
    tm.ok("model", "verify", "m")
    shown = tm.ok("model", "show", "m@2", "--json").json
    assert shown["learner"] == "imported" and shown["import"]["format"] == "lightgbm" and shown["importance"]
    lines = (case / "rows.csv").read_text(encoding="utf-8").split("\n")[:-1]
    tm.write("labelled.csv", "\n".join([lines[0] + ",churned"] + [line + "," + ("stays" if i % 2 else "leaves")
                                                                  for i, line in enumerate(lines[1:])]) + "\n")
    assert tm.ok("evaluate", "m", "labelled.csv", "--json").json["scores"]["n_rows"] == 60
    assert tm("retrain", "m").code != 0  # it has no recipe, and says so
    tm.ok("backup", "home.tar.zst")


def test_a_model_file_cut_anywhere_is_refused_with_its_line(tm):
    text = (GOLDEN / "lightgbm_multiclass" / "model.txt").read_text(encoding="utf-8")
    for share in (0.01, 0.1, 0.5, 0.9):
        tm.write("cut.txt", text[:int(len(text) * share)])
        result = tm("model", "import", "cut.txt", "--name", "m", "--json")
        assert result.code == 7, share
        error = json.loads(result.out)["error"]
        assert error["path"].endswith("cut.txt") and error["row"] > 0 and error["hint"], share
    assert not (tm.folder / ".tidemill").exists()


def test_wrong_use_is_named(tm):
    case = GOLDEN / "lightgbm_multiclass"
    shutil.copy(case / "model.txt", tm.folder / "m.txt")
    for words, code, what in [(["--classes", "a,b"], 2, "4"), (["--columns", "a"], 2, "5"), (["--rounds", "99"], 2, "rounds"),
                              (["--data", "m.txt"], 2, "--expect"), (["--classes", "a,a,b,c"], 7, "twice")]:
        result = tm("model", "import", "m.txt", "--name", "m", *words)
        assert result.code == code and what in result.err, words
    assert tm("model", "import", "m.txt", "--name", "a b").code == 2
    tm.write("no.txt", "something else\n")
    assert tm("model", "import", "no.txt", "--name", "m").code == 7
    fewer = tm.ok("model", "import", "m.txt", "--name", "m", "--rounds", "1", "--json").json
    assert fewer["import"]["rounds"] == 1 and fewer["import"]["trees"] == 4


def test_an_imported_model_is_watched_and_told_why_it_is_not_retrained(tm, serve):
    case = GOLDEN / "lightgbm_binary"
    import_case(tm, case, "--target", "churned", "--classes", "stays,leaves")
    server = serve()
    with open(case / "rows.csv", encoding="utf-8") as lines:
        rows = [{k: v for k, v in row.items() if v != ""} for row in csv.DictReader(lines)][:40]
    status, _, body = server.request("POST", "/v1/routes/m/predict", {"rows": rows})
    assert status == 200
    labels = [{"prediction_id": p["id"], "label": p["prediction"] if i % 4 else "stays"} for i, p in enumerate(body["predictions"])]
    right = sum(label["label"] == p["prediction"] for label, p in zip(labels, body["predictions"])) / len(labels)
    assert right < 1
    status, _, taken = server.request("POST", "/v1/labels", {"labels": labels})
    assert status == 200, taken
    status, _, shown = server.request("GET", "/v1/status")
    live = shown["routes"][0]["live"]
    assert status == 200 and (live["version"], live["answers"], live["labelled"]) == (1, 40, 40)
    assert live["scores"]["accuracy"] == right and 0.5 < live["scores"]["auc"] <= 1
    refused = tm("retrain", "m")
    assert refused.code == 1 and "no source to learn from" in refused.err and "tidemill train --name m" in refused.err
