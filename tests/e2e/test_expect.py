# SPDX-License-Identifier: Apache-2.0
"""Rules in SQL: of rows and of batches, for pushes and what is read, with each policy."""
import json
import time

import pytest


@pytest.fixture(name="place")
def fixture_place(tm, serve):
    tm.key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    tm.ok("data", "add", "first", "--push")
    server = serve()

    def push(name, rows):
        body = "".join(json.dumps(row) + "\n" for row in rows)
        status, _, answer = server.request("POST", f"/v1/sources/{name}/rows", body, {"X-Api-Key": tm.key, "Content-Type": "application/x-ndjson"})
        return status, answer

    return tm, push, server


def show(tm, name):
    return tm.show(name)


ROWS = [{"id": i, "amount": i - 2.5, "land": "NL" if i % 2 else "BE", "at": f"2024-03-01T10:0{i}:00Z"} for i in range(10)]


def test_a_rule_of_rows_sends_single_rows_to_quarantine_and_replay_asks_it_again(place):
    tm, push, server = place
    tm.ok("data", "add", "orders", "--push", "--key", "id", "--expect", "positive: amount > 0", "--expect", "known: land IN ('NL', 'BE')")
    assert push("orders", ROWS + [{"id": 20, "amount": None, "land": "NL"}]) == (200, {"accepted": 8, "duplicates": 0, "quarantined": 3})
    shown = show(tm, "orders")
    assert [(q["row"], q["column"], q["reason"], q["detail"]) for q in shown["quarantine"]] == [
        (n, "amount", "expectation", "rule 'positive' is false: amount > 0") for n in (1, 2, 3)]
    assert shown["quarantine"][0]["bytes"] == json.dumps(ROWS[0])
    assert [(a["kind"], a["column"], a["count"]) for a in shown["anomalies"]] == [("expectation", "positive", 3)]
    assert shown["expect"] == {"positive": "amount > 0", "known": "land IN ('NL', 'BE')"} and shown["policy"]["known"] == "quarantine"
    server.stop()
    done = tm.ok("data", "replay", "orders", "--json").json
    assert (done["accepted"], done["quarantined"]) == (0, 3)
    tm.ok("data", "set", "orders", "--expect", "positive: amount > -2", "--expect", "known:")
    done = tm.ok("data", "replay", "orders", "--reason", "expectation", "--json").json
    assert (done["accepted"], done["quarantined"]) == (2, 1)
    shown = show(tm, "orders")
    assert (shown["rows"], shown["quarantined"], shown["expect"]) == (10, 1, {"positive": "amount > -2"})
    assert shown["quarantine"][0]["detail"] == "rule 'positive' is false: amount > -2"


def test_a_rule_of_batches_is_asked_of_the_good_rows_and_not_in_a_replay(place):
    tm, push, server = place
    tm.ok("data", "add", "orders", "--push", "--expect", "positive: amount > 0", "--expect", "mean: avg(amount) BETWEEN 3 AND 4",
          "--expect", "times: max(at) >= '2024-03-01 10:09' AND count(*) FILTER (WHERE land IS NULL) < 0.01 * count(*)")
    # 0.5 to 6.5: the mean is 3.5 without the three rows that are bad by themselves
    assert push("orders", ROWS) == (200, {"accepted": 7, "duplicates": 0, "quarantined": 3})
    assert push("orders", ROWS[:5]) == (200, {"accepted": 0, "duplicates": 0, "quarantined": 5})
    shown = show(tm, "orders")
    assert [q["detail"].split(":")[0] for q in shown["quarantine"][3:]] == ["rule 'mean' is false"] * 3 + ["rule 'mean' is false"] * 2
    assert {(a["column"], a["count"]) for a in shown["anomalies"]} == {("positive", 6), ("mean", 1), ("times", 1)}
    server.stop()
    done = tm.ok("data", "replay", "orders", "--json").json
    assert (done["accepted"], done["quarantined"]) == (2, 6)


@pytest.mark.parametrize("rule", ["amount > 0", "min(amount) > 0"], ids=["row", "batch"])
def test_accept_counts_and_stop_stops_until_the_rule_is_another_one(place, rule):
    tm, push, _ = place
    tm.ok("data", "add", "orders", "--push", "--expect", "low: " + rule, "--policy", "low=accept")
    assert push("orders", ROWS) == (200, {"accepted": 10, "duplicates": 0, "quarantined": 0})
    assert [(a["kind"], a["column"], a["count"]) for a in show(tm, "orders")["anomalies"]] == [("expectation", "low", 1 if "min" in rule else 3)]
    tm.ok("data", "set", "orders", "--policy", "low=stop")
    time.sleep(1.1)
    status, answer = push("orders", ROWS)
    assert status == 409 and "rule 'low' is false: " + rule in answer["detail"] and "--expect" in answer["hint"]
    shown = show(tm, "orders")
    assert (shown["status"], shown["rows"], shown["quarantined"], shown["error"]["kind"]) == ("stopped", 10, 0, "expectation")
    tm.ok("data", "resume", "orders")
    assert push("orders", ROWS)[0] == 409 and show(tm, "orders")["status"] == "stopped"
    tm.ok("data", "set", "orders", "--expect", "low: " + rule.replace("> 0", "> -9"))
    tm.ok("data", "resume", "orders")
    assert push("orders", ROWS) == (200, {"accepted": 10, "duplicates": 0, "quarantined": 0})


def test_a_rule_whose_column_is_gone_stops_the_source(place):
    tm, push, _ = place
    tm.ok("data", "add", "orders", "--push", "--expect", "positive: amount > 0", "--policy", "missing_column=accept")
    for part in range(4):
        assert push("orders", [{"id": i, "amount": 1 + i % 7, "n": i} for i in range(part * 100, part * 100 + 100)])[0] == 200
    status, answer = push("orders", [{"id": i, "total": "x", "n": i} for i in range(500, 600)])
    assert status == 409 and "column 'amount'" in answer["detail"] and "rule 'positive' reads it" in answer["detail"]
    refused = tm("data", "resume", "orders")
    assert refused.code == 5 and "rule 'positive' reads column 'amount', which is gone" in refused.err
    tm.ok("data", "set", "orders", "--expect", "positive:")
    tm.ok("data", "resume", "orders")
    assert push("orders", [{"id": i, "total": "x", "n": i} for i in range(500, 600)])[0] == 200
    # A rule that was set before the first row, about a column that never came.
    tm.ok("data", "add", "other", "--push", "--expect", "positive: amont > 0")
    status, answer = push("other", ROWS)
    assert status == 409 and "rule 'positive': there is no column 'amont' (character 1)" in answer["detail"]


def test_rules_bind_for_files_and_for_rows_that_have_types(tm):
    (tm.folder / "rows.csv").write_text("id,day,amount\n" + "".join(f"{i},2024-03-{1 + i % 28:02},{i % 1000 + 0.5}\n" for i in range(50_000)))
    tm.ok("data", "add", "files", "--files", "rows.csv", "--expect", "day: day >= '2024-03-02T00:00Z'")
    shown = show(tm, "files")
    assert (shown["rows"], shown["quarantined"]) == (50_000 - 1786, 1786)
    query = "SELECT i AS id, DATE '2024-03-01' + (i % 28)::INT AS day, i % 1000 + 0.5 AS amount FROM range(50000) t(i)"
    for name, rule, policy, want in [("whole", "amount > 0 AND day < date('2024-04-01')", "quarantine", (50_000, 0)),
                                     ("some", "amount < 900", "quarantine", (45_000, 5_000)),
                                     ("counted", "amount < 900", "accept", (50_000, 0))]:
        tm.ok("data", "add", name, "--sql", query, "--expect", "r: " + rule, "--policy", "r=" + policy)
        shown = show(tm, name)
        assert (shown["rows"], shown["quarantined"]) == want, name
        assert sum(a["count"] for a in shown["anomalies"]) == (0 if name == "whole" else 5_000)
    refused = tm("data", "add", "batch", "--sql", query, "--expect", "r: avg(amount) > 900", "--policy", "r=stop")
    assert refused.code == 5 and "rule 'r' is false: avg(amount) > 900" in refused.err and "not added" in refused.err


def test_rules_of_a_source_with_more_columns_than_are_looked_at(tm):
    names = ",".join(f"c{i}" for i in range(700))
    (tm.folder / "wide.csv").write_text(names + "\n" + "".join(",".join([str(i)] * 700) + "\n" for i in range(20)))
    tm.ok("data", "add", "wide", "--files", "wide.csv", "--expect", "r: c699 < 15")
    shown = show(tm, "wide")
    assert (shown["rows"], shown["quarantined"]) == (15, 5) and [(a["column"], a["count"]) for a in shown["anomalies"]] == [("r", 5)]


def test_what_is_no_rule_is_refused_with_its_place(tm):
    (tm.folder / "rows.csv").write_text("id,day,amount\n1,2024-03-01,2.5\n2,2024-03-02,3.5\n")
    tm.ok("data", "add", "orders", "--files", "rows.csv")
    for rule, message, hint in [
            ("r: amont > 0", "rule 'r': there is no column 'amont' (character 1)", "Did you mean 'amount'?"),
            ("r: amount > 'ten'", "rule 'r': column 'amount' holds numbers, which a text is not comparable with (character 10)", ""),
            ("r: day > 2024", "rule 'r': column 'day' holds times", ""),
            ("r: amount > 0; DROP TABLE x", "a rule has no comment, parameter or second statement (character 11)", "Write one expression"),
            ("r: load_extension('x')", "a rule has no function 'load_extension'", "There are abs, avg"),
            ("r: amount > (SELECT 1)", "a rule reads the columns of its rows and nothing else", "without SELECT"),
            ("none:", "source 'orders' has no rule 'none'", "lists them"),
            ("unit_change: amount > 0", "'unit_change' is a kind of change, not a rule", "another name")]:
        refused = tm("data", "set", "orders", "--expect", rule)
        assert refused.code != 0 and message in refused.err and hint in refused.err, refused.err
    assert show(tm, "orders")["expect"] == {}
    refused = tm("data", "set", "orders", "--expect", "r: amount > 0", "--policy", "r=adapt")
    assert "there is no such policy for rule 'r'" in refused.err
    tm.ok("data", "set", "orders", *[w for i in range(64) for w in ("--expect", f"r{i}: amount > {i}")])
    refused = tm("data", "set", "orders", "--expect", "more: amount > 0")
    assert "a source has at most 64 rules" in refused.err


def test_rules_in_the_project_file_are_checked_where_they_stand_and_applied(tm):
    (tm.folder / "rows.csv").write_text("id,amount\n" + "".join(f"{i},{i}.5\n" for i in range(100)))
    project = tm.folder / "tidemill.yaml"

    def declare(rule, policy="quarantine"):
        project.write_text("sources:\n  orders:\n    files: rows.csv\n    policy: {low: " + policy + "}\n    expect:\n      low: " + rule + "\n")

    declare("amount > 10")
    tm.ok("apply")
    assert (show(tm, "orders")["rows"], show(tm, "orders")["expect"]) == (90, {"low": "amount > 10"})
    declare("amount > 20", "accept")
    assert "expect low: amount > 20 instead of amount > 10" in tm("apply", "--dry-run").out
    tm.ok("apply")
    shown = show(tm, "orders")
    assert (shown["expect"], shown["policy"]["low"]) == ({"low": "amount > 20"}, "accept")
    declare("amount > (SELECT 1)")
    refused = tm("check")
    assert refused.code != 0 and "tidemill.yaml:6:12" in refused.err and "rule 'low': a rule reads the columns of its rows and nothing else" in refused.err
    declare("amont > 20")
    refused = tm("apply")
    assert refused.code != 0 and "there is no column 'amont'" in refused.err and "Did you mean 'amount'?" in refused.err
    assert show(tm, "orders")["expect"] == {"low": "amount > 20"}
    project.write_text("sources:\n  orders:\n    files: rows.csv\n")
    tm.ok("apply")
    assert show(tm, "orders")["expect"] == {}
