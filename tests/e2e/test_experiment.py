# SPDX-License-Identifier: Apache-2.0
"""Experiments: planned, judged from a table, and on versions of a model by its log."""
import random
import time

import pytest
from rows import churn, to_csv
from waits import PATIENCE_S, wait_until


def plan(tm, *words):
    return tm.ok("experiment", "plan", *words, "--json").json


def status(tm, *words):
    return tm.ok("experiment", "status", *words, "--json").json


def users(n, effect, seed=1, share=0.5):
    """A row for each user: who, arm, when, whether they bought, what they spent, errors."""
    draw = random.Random(seed)
    for i in range(n):
        arm = "new" if draw.random() < share else "old"
        bought = draw.random() < 0.2 + (effect if arm == "new" else 0)
        yield {"user": f"u{i}", "arm": arm, "at": f"2026-01-{1 + i * 28 // n:02d}T{12 + i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}Z", "bought": str(bought).lower(),
               "spend": f"{draw.lognormvariate(2, 1) if bought else 0:.2f}", "errors": int(draw.random() < 0.05)}


def write(tm, rows, name="users.csv"):
    rows = list(rows)
    tm.write(name, to_csv(rows))
    return rows


def test_a_plan_has_units_days_and_what_looking_costs(tm):
    one = plan(tm, "--baseline", 0.2, "--effect", 0.02, "--traffic", 1000, "--delay", "7d")
    assert one["one_look"]["units"] == 13019  # the usual formula of two shares
    assert one["plan"]["units"] == one["rule"]["horizon"] == 13438
    assert one["plan"]["days"] == 21  # 13.4 days of traffic, and a week until the last outcome
    assert 0.78 < one["plan_with_one_look_units"]["power"] < 0.8
    assert one["any_time"]["units"] > one["plan"]["units"]
    assert plan(tm, "--baseline", 0.2, "--lift", 0.1)["one_look"] == {**one["one_look"], "days": None}
    mean = plan(tm, "--sd", 60, "--effect", -3, "--share", 0.1)
    assert mean["kind"] == "mean" and mean["baseline"] is None and mean["plan"]["units"] > 30000
    words = tm.ok("experiment", "plan", "--baseline", 0.2, "--effect", 0.02).out
    assert "13,438 units of both arms" in words and "as often as you like, with a last look" in words


@pytest.mark.parametrize("words, message", [
    ((), "one of --effect and --lift"), (("--effect", 0.1), "--baseline is missing"), (("--baseline", 18, "--effect", 1), "no share between 0 and 1"),
    (("--baseline", 0.2, "--effect", 0), "the effect is 0"), (("--baseline", 0.2, "--effect", 0.1, "--share", 1), "an arm has no share"),
    (("--baseline", 0.2, "--effect", 1e-12), "too small for any"), (("--baseline", 0.2, "--effect", 0.1, "--power", 0.2), "alpha is not below"),
    (("--baseline", 1, "--effect", 0.1, "--sd", 0), "standard deviation"), (("--baseline", 0.2, "--effect", 0.1, "--lift", 0.1), "one of --effect")])
def test_what_cannot_be_planned_is_refused(tm, words, message):
    result = tm("experiment", "plan", *words)
    assert result.code == 2 and message in result.err and "hint:" in result.err


def test_a_table_is_judged_and_looking_again_never_takes_a_verdict_back(tm):
    rows = write(tm, users(6000, 0.08))
    arms = {a: [r for r in rows if r["arm"] == a] for a in ("new", "old")}
    rate = {a: sum(r["bought"] == "true" for r in of) / len(of) for a, of in arms.items()}
    result = status(tm, "--data", "users.csv", "--arm", "arm", "--metric", "bought", "--unit", "user", "--time", "at", "--control", "old")
    metric = result["metric"]
    assert result["decision"] == "treatment_better" and metric["kind"] == "binary"
    assert metric["difference"] == pytest.approx(rate["new"] - rate["old"], abs=1e-12)
    assert 0 < metric["low"] < metric["difference"] < metric["high"] and metric["decided"]["by"] == "any_time"
    assert [a["units"] for a in result["arms"]] == [len(arms["old"]), len(arms["new"])]
    # The same by the first rows alone: what was decided there is decided for good, at the same unit.
    n = metric["decided"]["units"]
    write(tm, rows[:n], "first.csv")
    assert status(tm, "--data", "first.csv", "--arm", "arm", "--metric", "bought", "--control", "old")["metric"]["decided"]["units"] == n
    write(tm, rows[:n - 1], "before.csv")
    assert status(tm, "--data", "before.csv", "--arm", "arm", "--metric", "bought", "--control", "old")["decision"] == "wait"
    # A smaller mean may be what is wanted, and the other arm the control.
    assert status(tm, "--data", "users.csv", "--arm", "arm", "--metric", "bought", "--control", "old", "--smaller-is-better")["decision"] == "treatment_worse"
    assert status(tm, "--data", "users.csv", "--arm", "arm", "--metric", "bought", "--control", "new")["decision"] == "treatment_worse"
    words = tm.ok("experiment", "status", "--data", "users.csv", "--arm", "arm", "--metric", "bought", "--control", "old").out
    assert words.startswith("'new' is better: its bought is") and "units, 6,000 of them judged" in words


def test_figures_are_those_of_other_programs(tm):
    """A real experiment by its counts: 90,189 players, 20,034 and 20,119 of whom came back the next day. Figures of SciPy and by hand."""
    rows = [{"gate": gate, "back": int(i < yes)} for gate, n, yes in (("gate_30", 44700, 20034), ("gate_40", 45489, 20119)) for i in range(n)]
    random.Random(1).shuffle(rows)
    tm.write("players.csv", to_csv(rows))
    result = status(tm, "--data", "players.csv", "--arm", "gate", "--metric", "back")
    assert result["decision"] == "mismatch" and [a["units"] for a in result["arms"]] == [44700, 45489]
    assert result["sample_ratio"]["p_value"] == pytest.approx(0.00860799, abs=5e-9)
    metric, look = result["metric"], result["metric"]["one_look"]
    assert metric["means"] == pytest.approx([0.448188, 0.442283], abs=5e-7) and metric["difference"] == pytest.approx(-0.00590517, abs=5e-9)
    assert (look["z"], look["p_value"]) == (pytest.approx(-1.78409, abs=5e-6), pytest.approx(0.0744097, abs=5e-8))
    assert (look["low"], look["high"]) == (pytest.approx(-0.012392, abs=5e-7), pytest.approx(0.000582, abs=5e-7))
    assert metric["low"] < look["low"] and look["high"] < metric["high"]  # what may be looked at at any time is wider


def test_a_horizon_has_one_last_look(tm):
    write(tm, users(6000, 0.03, seed=5))
    result = status(tm, "--data", "users.csv", "--arm", "arm", "--metric", "bought", "--control", "old", "--horizon", 5000)
    assert result["decision"] == "treatment_better" and result["metric"]["decided"] == {"units": 5000, "at": None, "by": "last_look"}
    assert (result["judged"], result["after_horizon"]) == (5000, 1000)
    assert status(tm, "--data", "users.csv", "--arm", "arm", "--metric", "bought", "--control", "old", "--horizon", 7000)["decision"] == "wait"


def test_young_units_wait_and_guardrails_stop(tm):
    rows = write(tm, users(4000, 0.05, seed=3))
    at = ("--data", "users.csv", "--arm", "arm", "--metric", "spend", "--time", "at", "--control", "old")
    result = status(tm, *at, "--delay", "7d", "--as-of", "2026-01-20")
    assert result["matured"] == sum(r["at"] < "2026-01-13" for r in rows) == result["judged"]
    assert result["metric"]["kind"] == "mean" and result["units"] == 4000
    harmed = [{**r, "errors": 1 if r["arm"] == "new" and i % 3 == 0 else r["errors"]} for i, r in enumerate(rows)]
    write(tm, harmed)
    result = status(tm, *at, "--guardrail-less", "errors")
    assert result["decision"] == "guardrail" and result["guardrails"][0]["state"] == "breach" and "does harm" in result["verdict"]
    assert status(tm, *at, "--guardrail-less", "errors", "--margin", 0.6)["guardrails"][0]["state"] == "kept"


def test_arms_of_other_sizes_are_told_first(tm):
    write(tm, users(4000, 0.1, share=0.55))
    result = status(tm, "--data", "users.csv", "--arm", "arm", "--metric", "bought", "--control", "old")
    assert result["decision"] == "mismatch" and result["sample_ratio"]["p_value"] < 1e-6 and "cannot be compared" in result["verdict"]
    assert status(tm, "--data", "users.csv", "--arm", "arm", "--metric", "bought", "--control", "old", "--share", 0.55)["decision"] == "treatment_better"


def test_a_file_that_is_sorted_by_arm_wants_times(tm):
    rows = [{**r, "at": r["at"][:10]} for r in sorted(users(4000, 0.1), key=lambda r: r["arm"])]
    write(tm, rows)
    result = status(tm, "--data", "users.csv", "--arm", "arm", "--metric", "bought", "--control", "old")
    assert result["decision"] == "mismatch" and "took turns" in result["verdict"]
    # Days are enough: users of one day stand by chance.
    assert status(tm, "--data", "users.csv", "--arm", "arm", "--metric", "bought", "--control", "old", "--time", "at")["decision"] == "treatment_better"


def test_bad_tables_are_refused_with_their_row(tm):
    write(tm, users(50, 0))
    for words, code, message in [(("--arm", "user", "--metric", "bought"), 7, "more than two arms"), (("--arm", "arm", "--metric", "nothing"), 2, "no column"),
                                 (("--arm", "arm", "--metric", "spend", "--bounds", "0:1"), 7, "outside --bounds"), (("--arm", "arm"), 2, "is missing")]:
        result = tm("experiment", "status", "--data", "users.csv", *words)
        assert result.code == code and message in result.err, result.err
    assert tm("experiment", "status").code == 2
    assert tm("experiment", "status", "--data", "none.csv", "--arm", "a", "--metric", "b").code == 3


# ---- On versions of a model ----

ROW_NAMES = ("plan", "months", "tickets", "spend", "note")


def ask(server, rows):
    status_, _, body = server.request("POST", "/v1/routes/churn/predict", {"rows": [{k: r[k] for k in ROW_NAMES} for r in rows]})
    assert status_ == 200, body
    labels = [{"prediction_id": p["id"], "label": r["churned"]} for p, r in zip(body["predictions"], rows)]
    status_, _, told = server.request("POST", "/v1/labels", {"labels": labels})
    assert status_ == 200 and told["joined"] == len(rows)


def until_answers(server, version):
    wait_until(lambda: server.request("GET", "/v1/status")[2]["routes"][0]["version"] == version)


def test_arms_one_after_the_other_are_no_experiment(tm, serve):
    rows = churn(700)
    tm.write("churn.csv", to_csv(rows[:200], without=("id", "since")))
    for _ in range(2):
        tm.ok("train", "churn.csv", "--target", "churned", "--name", "churn", "--learner", "baseline")
    tm.ok("experiment", "start", "churn", "1=50", "2=50")
    server = serve()
    ask(server, rows[200:450])
    tm.ok("model", "promote", "churn@2", "--force")
    until_answers(server, 2)
    ask(server, rows[450:700])
    result = status(tm, "churn")
    assert result["decision"] == "mismatch" and result["sample_ratio"]["took_turns"]  # 250 and 250, and yet not by chance


def test_versions_of_a_model_are_arms(tm, serve):
    rows = churn(2600)
    odd = [{**r, "churned": {"yes": "no", "no": "yes"}[r["churned"]]} for r in rows[:600]]  # a version that learned the contrary
    train = ("--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=30")
    for name, data in (("odd.csv", odd), ("churn.csv", rows[:600])):
        tm.write(name, to_csv(data, without=("id", "since")))
        tm.ok("train", name, *train)
        assert name != "odd.csv" or tm("experiment", "start", "churn").code == 3  # there is no challenger
    assert "never had an experiment" in tm("experiment", "status", "churn").err
    started = tm.ok("experiment", "start", "churn", "--reason", "trees know more", "--json").json
    assert (started["experiment"], started["versions"], started["share"], started["metric"], started["state"]) == (1, [1, 2], 0.5, "brier", "running")
    again = tm("experiment", "start", "churn", "1=50", "2=50")
    assert again.code == 5 and "experiment 1 of 'churn' is running" in again.err
    server = serve()
    for i in range(30):  # small turns: arms that come one after the other are no experiment
        if i > 0:
            tm.ok("model", "promote", f"churn@{1 + i % 2}", "--force")
        until_answers(server, 1 + i % 2)
        ask(server, rows[600 + 40 * i:640 + 40 * i])
    result = status(tm, "churn")
    assert result["decision"] == "treatment_better" and result["model"] == "churn" and result["state"] == "running"
    assert [a["arm"] for a in result["arms"]] == ["version 1", "version 2"] and [a["judged"] for a in result["arms"]] == [600, 600]
    assert result["metric"]["metric"] == "brier" and result["metric"]["smaller_is_better"] and result["metric"]["high"] < 0
    told = server.request("GET", "/v1/models/churn/experiment")[2]
    points = told["over_time"]
    assert (told["decision"], told["metric"]) == (result["decision"], result["metric"]) and points == status(tm, "churn", "--over-time")["over_time"]
    assert [p["at"] for p in points] == sorted(p["at"] for p in points) and points[-1]["units"] == [600, 600] and points[-1]["low"] == result["metric"]["low"]
    assert "over time, as units were judged" in tm.ok("experiment", "status", "churn", "--over-time").out
    assert tm.ok("experiment", "status", "churn").out.startswith("experiment 1 of 'churn', running, started 20")
    assert tm("experiment", "status", "churn", "--alpha", 0.5).code == 2  # a rule is not changed afterwards
    stopped = tm.ok("experiment", "stop", "churn", "--reason", "enough", "--json").json
    assert (stopped["state"], stopped["stop_reason"], stopped["hypothesis"]) == ("stopped", "enough", "trees know more")
    ask(server, rows[600:700])
    assert status(tm, "churn")["judged"] == 1200
    assert tm("experiment", "stop", "churn").code == 5
    events = [e["event"] for e in tm.ok("model", "history", "churn", "--json").json["history"]]
    assert events[-1] == "experiment.stopped" and "experiment.started" in events


def two_versions(tm, first, second):
    """Champion and challenger, of which a name says whether it learned the contrary."""
    rows = churn(1200)
    odd = [{**r, "churned": {"yes": "no", "no": "yes"}[r["churned"]]} for r in rows[:600]]
    for i, name in enumerate((first, second)):
        tm.write(f"{i}.csv", to_csv(odd if name == "odd" else rows[:600], without=("id", "since")))
        tm.ok("train", f"{i}.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=30")
    return rows[600:]


def until_stopped(tm, server, rows, seconds=600):
    """Requests of single units, which a route assigns by chance, with their labels, until nothing runs any more."""
    end, rng = time.monotonic() + seconds, random.Random(7)
    while True:
        for row in rng.sample(rows, 60):
            _, _, body = server.request("POST", "/v1/routes/churn/predict", {"rows": [{k: row[k] for k in ROW_NAMES}]}, {"X-Tidemill-Unit": str(rng.random())})
            server.request("POST", "/v1/labels", {"labels": [{"prediction_id": body["predictions"][0]["id"], "label": row["churned"]}]})
        result = status(tm, "churn")
        if result["state"] == "stopped":
            return result
        assert time.monotonic() < end, result


@pytest.mark.parametrize("first, second, champion, decision", [("odd", "good", 2, "treatment_better"), ("good", "odd", 1, "treatment_worse")])
def test_run_acts_at_the_verdict(tm, serve, first, second, champion, decision):
    rows = two_versions(tm, first, second)
    assert "not split" in tm("experiment", "start", "churn", "--then", "promote").err
    tm.ok("route", "split", "churn", "1=50", "2=50")
    started = tm.ok("experiment", "start", "churn", "--then", "promote", "--json").json
    assert started["then"] == "promote" and tm("experiment", "status", "churn", "--act", "--json").json["action"] == "wait"
    result = until_stopped(tm, serve(command="run"), rows)
    route = tm.ok("route", "ls", "--json").json["routes"][0]
    assert route["champion"] == champion and route["arms"] == [{"version": champion, "weight": 100.0}]
    story = tm.ok("model", "history", "churn", "--json").json["history"]
    last = story[-1]
    assert (last["event"], last["details"]["decision"]) == ("experiment.stopped", decision)
    assert "The difference lies between" in last["reason"] and last["reason"] == result["stop_reason"]
    low, high = (last["details"]["metric"][k] for k in ("low", "high"))
    assert low < high < 0 if champion == 2 else 0 < low < high  # the Brier score of the treatment less the control's
    assert [e["event"] for e in story[-3:]][:2] == (["split.ended", "promoted"] if champion == 2 else [story[-3]["event"], "split.ended"])
    again = tm("experiment", "status", "churn", "--act")
    assert again.code == 5 and "no experiment of 'churn' is running" in again.err


def test_shares_that_are_not_as_planned_stop_without_promoting(tm, serve):
    rows = two_versions(tm, "odd", "good")
    tm.ok("route", "split", "churn", "1=50", "2=50")
    tm.ok("experiment", "start", "churn", "--then", "promote", "--metric", "outcome")
    tm.ok("route", "split", "churn", "1=5", "2=95")
    result = until_stopped(tm, serve(command="run"), rows)
    assert result["decision"] == "mismatch" and result["stop_reason"].startswith("The arms cannot be compared")
    route = tm.ok("route", "ls", "--json").json["routes"][0]
    assert route["champion"] == 1 and len(route["arms"]) == 1


@pytest.mark.parametrize("arms, code, message", [
    (("1=50", "3=50"), 3, "no version 3"), (("1=50", "1=50"), 5, "both arms"), (("1=60", "2=50"), 2, "not 100 %"), (("1=100", "2=0"), 2, "is no arm"),
    (("1=50",), 2, "two arms"), (("1:50", "2:50"), 2, "is no arm"), (("1=50", "2=25", "2=25"), 2, "two arms"), (("0=50", "2=50"), 2, "is no arm"),
    (("1=50", "2=50", "--metric", "auc"), 2, "no metric of single answers"), (("1=50", "2=50", "--alpha", "1"), 2, "--alpha is not")])
def test_arms_that_cannot_be_are_refused(tm, arms, code, message):
    tm.write("churn.csv", to_csv(churn(200), without=("id", "since")))
    for _ in range(2):
        tm.ok("train", "churn.csv", "--target", "churned", "--name", "churn", "--learner", "baseline")
    result = tm("experiment", "start", "churn", *arms)
    assert result.code == code and message in result.err, result.err


def test_an_experiment_on_a_version_that_is_gone_says_so(tm):
    tm.write("churn.csv", to_csv(churn(200), without=("id", "since")))
    for seed in range(2):
        tm.ok("train", "churn.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=2", "--seed", seed)
    tm.ok("experiment", "start", "churn")
    version = tm.ok("model", "show", "churn@2", "--json").json["bundle_hash"]
    for path in (tm.folder / ".tidemill" / "bundles").glob(f"*{version[-40:]}*"):
        path.unlink()
    result = tm("experiment", "status", "churn")
    assert result.code == 8 and "hint:" in result.err, result.err


def test_a_guardrail_that_breaks_stops_before_anything_is_promoted(tm, serve):
    """What comes true is alike in both arms, and the treatment's answers are worse: only the guardrail says so."""
    rows = two_versions(tm, "good", "odd")
    tm.ok("route", "split", "churn", "1=50", "2=50")
    start = ("experiment", "start", "churn", "--metric", "outcome", "--then", "promote", "--guardrail", "brier=0.02", "--guardrail", "errors=0.1", "--guardrail", "latency=0.5", "--slow", "10s")
    server = serve(command="run")
    started = tm.ok(*start, "--json").json
    assert [g["metric"] for g in started["guardrails"]] == ["brier", "errors", "latency"]
    assert (started["counted"] or {"requests": [0, 0]})["requests"] == [0, 0]  # null: the server has not told yet
    end, n = time.monotonic() + PATIENCE_S, 0
    while min(status(tm, "churn")["guardrails"][1]["units"]) == 0:  # requests are told by the server once a second
        n += 1
        server.request("POST", "/v1/routes/churn/predict", {"rows": [{k: rows[n % len(rows)][k] for k in ROW_NAMES}]}, {"X-Tidemill-Unit": f"early {n}"})
        assert time.monotonic() < end
    result = until_stopped(tm, server, rows)
    brier, errors, latency = result["guardrails"]
    assert result["decision"] == "guardrail" and brier["state"] == "breach" and brier["low"] > 0.02 and brier["margin"] == 0.02
    assert "does harm. Its brier is" in result["stop_reason"] and "at any time" in result["stop_reason"]
    assert errors["bad"] == [0, 0] and min(errors["units"]) > 0 and errors["state"] != "breach" and latency["bad"] == [0, 0] and latency["low"] < 0 < latency["high"]
    assert result["rule"]["alpha"] == pytest.approx(0.045) and result["rule"]["alpha_guardrails"] == pytest.approx(0.005) and brier["level"] == pytest.approx(1 - 0.005 / 3)
    route = tm.ok("route", "ls", "--json").json["routes"][0]
    assert route["champion"] == 1 and len(route["arms"]) == 1
    last = tm.ok("model", "history", "churn", "--json").json["history"][-1]
    assert last["details"]["decision"] == "guardrail" and last["details"]["guardrails"][0]["state"] == "breach"
    words = tm.ok("experiment", "status", "churn").out
    assert "Stop: 'version 2' does harm" in words and all(word in words for word in ("brier", "errors", "latency", "breach"))


@pytest.mark.parametrize("words, message", [(("--guardrail", "auc"), "no guardrail of this model"), (("--guardrail", "brier"), "named twice"), (("--guardrail", "latency=0.1"), "--slow go together"),
                                            (("--guardrail", "accuracy=-1"), "is no guardrail")])
def test_guardrails_that_cannot_be_are_refused(tm, words, message):
    tm.write("churn.csv", to_csv(churn(200), without=("id", "since")))
    for _ in range(2):
        tm.ok("train", "churn.csv", "--target", "churned", "--name", "churn", "--learner", "baseline")
    result = tm("experiment", "start", "churn", *words)
    assert result.code == 2 and message in result.err and "hint:" in result.err, result.err


def test_guardrails_cost_units_of_a_plan(tm):
    plain, guarded = (plan(tm, "--baseline", 0.2, "--effect", 0.02, *words) for words in ((), ("--guardrails",)))
    assert (plain["alpha_guardrails"], guarded["alpha_guardrails"]) == (None, pytest.approx(0.005)) and guarded["alpha"] == 0.05
    assert plain["plan"]["units"] * 1.02 < guarded["plan"]["units"] < plain["plan"]["units"] * 1.05
