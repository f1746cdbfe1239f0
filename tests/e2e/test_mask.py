# SPDX-License-Identifier: Apache-2.0
"""Columns that are masked: kept and learned from as they came, told in full to the roles that they name."""
import json

from conftest import Server

PROJECT = """sources:
  people:
    files: people.csv
    key: id
    columns: {city: {policy: "mask:admin,operator"}, income: {policy: mask}}
  same: {files: people.csv, key: id}
"""
ROW = {"id": "P1", "city": "Secretville", "age": 27, "income": 4711}


def write_people(tm):
    tm.write("people.csv", "id,city,age,income,late\n" + "".join(
        f"P{i},{('Secretville', 'Hiddenton')[i % 2]},{20 + i % 50},{4000 + i * 13 % 900},{'yes' if i % 2 and i % 7 else 'no'}\n" for i in range(150)))


def train(tm, source):
    tm.ok("train", "--source", source, "--target", "late", "--entity", "id", "--name", source, "--learner", "gbdt", "--param", "gbdt.n_trees=5")
    return tm.ok("predict", source, "people.csv").out


def reasons(server, key, answer):
    status, _, body = server.request("GET", f"/v1/models/people/predictions/{answer}", None, {"Authorization": f"Bearer {key}"})
    assert status == 200
    return {r["column"]: (r.get("value", "not told"), r.get("is_masked")) for r in body["reasons"]}, json.dumps(body)


def test_a_role_sees_what_its_policy_says(tm):
    write_people(tm)
    tm.write("tidemill.yaml", PROJECT.replace("mask:admin,operator", "mask:admin,boss"))
    refused = tm("apply")
    assert refused.code == 7 and "'boss', which is no role" in refused.err
    tm.write("tidemill.yaml", PROJECT)
    tm.ok("apply")
    assert train(tm, "people") == train(tm, "same")  # what is masked is learned from as it is
    keys = {role: tm.ok("key", "create", "--role", role, "--json").json["key"] for role in ("admin", "operator", "viewer")}
    server = Server(tm)
    status, _, body = server.request("POST", "/v1/routes/people/predict", {"rows": [ROW]}, {"Authorization": f"Bearer {keys['admin']}"})
    assert status == 200
    answer = body["predictions"][0]["id"]
    assert server.stop() == 0  # its log is written
    server = Server(tm)
    assert reasons(server, keys["admin"], answer)[0] == {"city": ("Secretville", False), "age": ("not told", None), "income": (4711, False)}
    assert reasons(server, keys["operator"], answer)[0] == {"city": ("Secretville", False), "age": ("not told", None), "income": ("***", True)}
    told, text = reasons(server, keys["viewer"], answer)
    assert told == {"city": ("S***", True), "age": ("not told", None), "income": ("***", True)} and "Secretville" not in text and "4711" not in text
    assert server.stop() == 0
    # Whoever may read the home sees all, and rows that are there do not hold up another policy.
    tm.write("tidemill.yaml", PROJECT.replace("mask:admin,operator", "mask:auditor"))
    tm.ok("apply")
    assert {c["name"]: c.get("policy") for c in tm.show("people")["columns"]}["city"] == "mask:auditor"


def test_apply_names_versions_that_a_mask_does_not_cover(tm):
    """They tell as before: what they learned says so, and it does not change."""
    write_people(tm)
    tm.write("tidemill.yaml", PROJECT.replace(", income: {policy: mask}", ""))
    tm.ok("apply")
    tm.ok("train", "--source", "people", "--target", "late", "--name", "people", "--learner", "baseline")
    tm.ok("train", "--sql", "SELECT age, income, late FROM people", "--target", "late", "--name", "asked", "--learner", "baseline")
    assert tm.ok("apply", "--json").json["unmasked"] == []
    tm.write("tidemill.yaml", PROJECT)
    left = [(one["model"], one["versions"], one["column"], one["policy"]) for one in tm.ok("apply", "--json").json["unmasked"]]
    assert left == [("asked", [1], "income", "mask"), ("people", [1], "income", "mask")]
    tm.ok("train", "--source", "people", "--target", "late", "--name", "people", "--learner", "baseline")
    again = tm.ok("apply")
    assert "1 version of 'people' up to 1 learned from 'income'" in again.err and "tidemill retrain people" in again.err
