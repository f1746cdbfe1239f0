# SPDX-License-Identifier: Apache-2.0
"""Scores that rows bring along: fitting starts from them, every answer adds them, and none is given without."""
import csv
import math
import random

import library
import pytest

POISSON = ["--task", "regression", "--learner", "gbdt", "--param", "gbdt.objective=poisson", "--param", "gbdt.n_trees=60"]


def policies(n=1500, seed=3):
    """Claims in proportion to the years of a policy; years say nothing else."""
    draw = random.Random(seed)
    rows = []
    for _ in range(n):
        years, risky = draw.uniform(0.1, 4), draw.random() < 0.5
        rate, count, left = years * (0.8 if risky else 0.2), 0, math.exp(-years * (0.8 if risky else 0.2))
        chance = draw.random()
        while chance > left:
            chance -= left
            count += 1
            left *= rate / count
        rows.append({"area": "a" if risky else "b", "age": round(draw.uniform(18, 80)), "log_years": f"{math.log(years):.4f}", "claims": count})
    return rows


def write(tm, name, rows):
    lines = [",".join(rows[0])] + [",".join(str(v) for v in row.values()) for row in rows]
    tm.write(name, "\n".join(lines) + "\n")


@pytest.fixture(name="home")
def made_home(tm):
    write(tm, "rows.csv", policies())
    tm.report = tm.ok("train", "rows.csv", "--target", "claims", "--init-score", "log_years", "--name", "claims", *POISSON, "--json").json
    return tm


def answers(tm, rows):
    write(tm, "ask.csv", rows)
    tm.ok("predict", "claims", "ask.csv", "-o", "out.csv")
    return [float(row["prediction"]) for row in csv.DictReader(open(tm.folder / "out.csv", encoding="utf-8"))]


def test_answers_are_in_proportion_to_the_score(home):
    row = {"area": "a", "age": 40, "log_years": 0}
    one, three = answers(home, [row, {**row, "log_years": math.log(3)}])
    assert math.isclose(three, 3 * one, rel_tol=1e-12)
    assert 0.6 < one < 1.0  # 0.8 claims a year
    assert "log_years" not in {c["column"] for c in home.report["importance"] if c["share"] > 0}


def test_it_is_better_than_without(home):
    plain = home.ok("train", "rows.csv", "--target", "claims", "--drop", "log_years", "--name", "plain", *POISSON, "--json").json
    assert home.report["test"]["rmse"] < plain["test"]["rmse"]


def test_no_answer_is_given_without_the_score(home):
    rows = [{"area": "a", "age": 40}] * 3
    write(home, "without.csv", rows)
    result = home("predict", "claims", "without.csv")
    assert result.code != 0 and "column 'log_years' is missing" in result.err
    write(home, "gap.csv", [{**r, "log_years": "" if i == 1 else 0} for i, r in enumerate(rows)])
    result = home("predict", "claims", "gap.csv")
    assert result.code != 0 and "a row has no initial score 'log_years'" in result.err and "at gap.csv:3\n" in result.err
    result = home("predict", "claims", "--sql", "SELECT * FROM 'gap.csv'")
    assert result.code != 0 and "row 2" in result.err
    write(home, "gap.csv", [{**r, "log_years": "" if i == 1 else 0, "claims": 1} for i, r in enumerate(rows)])
    result = home("evaluate", "claims", "gap.csv")
    assert result.code != 0 and "row 2" in result.err
    write(home, "without.csv", [{**r, "claims": i} for i, r in enumerate(rows)])
    result = home("evaluate", "claims", "without.csv")
    assert result.code != 0 and "column 'log_years' is missing" in result.err


def test_a_server_wants_it_and_answers_the_same(home, serve):
    server = serve()
    row = {"area": "b", "age": 30, "log_years": 0.5}
    status, _, body = server.request("POST", "/v1/routes/claims/predict", {"rows": [row]})
    assert status == 200 and body["predictions"][0]["prediction"] == answers(home, [row])[0]
    for bad in ({"area": "b", "age": 30}, {**row, "log_years": None}, {**row, "log_years": "nan"}):
        status, _, body = server.request("POST", "/v1/routes/claims/predict", {"rows": [bad]})
        assert status in (400, 422) and "log_years" in str(body), body
    answer = home.ok("explain", "claims", '{"area": "b", "age": 30, "log_years": 0.5}', "--json").json
    assert any(c["column"] == "log_years" and c["contribution"] == 0.5 for c in answer["reasons"]), answer
    result = home("explain", "claims", '{"area": "b", "age": 30}')
    assert result.code != 0 and "log_years" in result.err


def test_the_library_has_no_number_for_a_row_without_it(home):
    bundle = next((home.folder / ".tidemill" / "bundles").glob("*.tmb"))
    answered = library.predict_rows(bundle, [{"area": "a", "age": "40", "log_years": ""}, {"area": "a", "age": "40", "log_years": "0"}])
    assert math.isnan(answered[0][0]) and answered[1][0] > 0


def test_it_is_repeated_and_is_the_same_on_any_threads(home):
    assert home.ok("train", "--repeat", "claims@1", "--json").json["same"] is True
    again = home.ok("train", "rows.csv", "--target", "claims", "--init-score", "log_years", "--name", "claims", *POISSON, "--threads", "3", "--json").json
    assert again["bundle_hash"] == home.report["bundle_hash"]


def test_a_search_is_of_boosting_alone(tm):
    write(tm, "rows.csv", policies(600))
    report = tm.ok("train", "rows.csv", "--target", "claims", "--task", "regression", "--init-score", "log_years", "--work", "2000000", "--json").json
    assert {c["learner"] for c in report["leaderboard"]} <= {"gbdt", "blend"}
    assert report["learner"] == "offset"


@pytest.mark.parametrize("words, message", [
    (["--target", "claims", "--task", "multiclass"], "one column cannot hold initial scores of"),
    (["--target", "claims", "--task", "regression", "--learner", "linear"], "learner 'linear' cannot start from scores"),
    (["--target", "claims", "--task", "regression", "--init-score", "area"], "the initial score 'area' is text, not a number"),
    (["--target", "claims", "--task", "regression", "--init-score", "log_year"], "there is no score column 'log_year'"),
    (["--target", "claims", "--task", "regression", "--weight", "age", "--init-score", "age"], "cannot be the weight and the initial score"),
])
def test_what_cannot_be_is_named(tm, words, message):
    write(tm, "rows.csv", policies(200))
    more = [] if "--init-score" in words else ["--init-score", "log_years"]
    result = tm("train", "rows.csv", *words, *more)
    assert result.code == 2 and message in result.err, result.err


def test_a_training_row_without_it_is_named(tm):
    rows = policies(200)
    rows[50]["log_years"] = ""
    write(tm, "rows.csv", rows)
    result = tm("train", "rows.csv", "--target", "claims", "--task", "regression", "--init-score", "log_years")
    assert result.code != 0 and "the initial score 'log_years' is not a number" in result.err and "row 51" in result.err
    rows[50]["claims"] = ""  # a row that is not used needs none
    write(tm, "rows.csv", rows)
    tm.ok("train", "rows.csv", "--target", "claims", "--init-score", "log_years", *POISSON)


def test_it_cannot_be_gone_on_from(home):
    result = home("train", "rows.csv", "--continue", "claims@1")
    assert result.code != 0 and "cannot be gone on from" in result.err and "--init-score" in result.err
