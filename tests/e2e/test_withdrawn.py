# SPDX-License-Identifier: Apache-2.0
"""Consent that is taken back sets off that the champion is fitted anew, by itself."""

from conftest import Server
from waits import wait_until

PROJECT = """sources:
  visits: {files: visits.csv, key: visit, purpose: ads, consent: {column: agreed, source: said}, columns: {who: {role: entity}}}
  said: {push: true, columns: {who: {role: entity}, agreed: bool}}
"""


def say(tm, *lines):
    tm.write("said.csv", "who,agreed\n" + "".join(f"{line}\n" for line in lines))
    tm.ok("data", "push", "said", "said.csv")


def champion(server):
    return server.request("GET", "/v1/models/late", None)[2]["champion"]


def test_a_champion_is_fitted_anew_when_consent_is_taken_back(tm):
    tm.write("visits.csv", "visit,who,age,late\n" + "".join(f"{i},P{i % 40},{20 + i % 50},{'yes' if i % 3 else 'no'}\n" for i in range(120)))
    tm.write("tidemill.yaml", PROJECT)
    tm.ok("apply")
    say(tm, *(f"P{i},true" for i in range(40)))
    tm.ok("train", "--source", "visits", "--target", "late", "--entity", "who", "--name", "late", "--learner", "baseline", "--purpose", "ads")
    refused = tm("retrain", "late", "--withdrawn")
    assert refused.code == 1 and "agrees still" in refused.err
    server = Server(tm, command="run")
    assert champion(server) == 1
    say(tm, "P5,false")
    wait_until(lambda: champion(server) == 2)
    assert server.stop() == 0
    for who, versions in (("P5", 1), ("P6", 2)):  # the first one stays, as the one to go back to
        assert tm.ok("subject", "export", who, "-o", f"{who}.json", "--json").json["versions"] == versions
    noted = tm.ok("audit", "tail", "--event", "consent", "--json").json["entries"]
    assert [(e["version"], e["details"]) for e in noted] == [(2, {"visits": 3})]
    assert tm("retrain", "late", "--withdrawn").code == 1  # once is enough


def test_who_learned_from_a_query_is_told_to_be_trained_anew(tm):
    """Nobody fits such a champion anew by himself: doctor, the export of the person and the audit chain name it until it is done."""
    tm.write("visits.csv", "visit,who,age,late\n" + "".join(f"{i},P{i % 40},{20 + i % 50},{'yes' if i % 3 else 'no'}\n" for i in range(120)))
    tm.write("tidemill.yaml", PROJECT)
    tm.ok("apply")
    say(tm, *(f"P{i},true" for i in range(40)))
    tm.ok("train", "--sql", "SELECT who, age, late FROM visits", "--target", "late", "--entity", "who", "--name", "asked", "--learner", "baseline", "--purpose", "ads")
    assert not [c for c in tm("doctor", "--json").json["checks"] if c["name"] == "consent"]
    say(tm, "P5,false", "P41,false")
    check = next(c for c in tm("doctor", "--json").json["checks"] if c["name"] == "consent")
    assert check["state"] == "warn" and "'asked@1': 1 of 'visits'" in check["found"] and "query" in check["found"]
    shown = tm.ok("subject", "export", "P5", "-o", "p5.json", "--json")
    left = [{"model": "asked", "version": 1, "why": "it learned from a query", "sources": [{"source": "visits", "people": 1}]}]
    assert shown.json["left_to_retrain"] == left and "tidemill retrain asked" in shown.err
    assert tm.ok("audit", "tail", "--event", "subject.exported", "--json").json["entries"][0]["details"]["left_to_retrain"] == left
    assert tm.ok("subject", "export", "P6", "-o", "p6.json", "--json").json["left_to_retrain"] == []
    refused = tm("retrain", "asked", "--withdrawn")
    assert refused.code == 5 and "it learned from a query" in refused.err and "tidemill retrain asked" in refused.err
    tm.ok("train", "--sql", "SELECT who, age, late FROM visits", "--target", "late", "--entity", "who", "--name", "asked", "--learner", "baseline", "--purpose", "ads")
    tm("model", "promote", "asked@2", "--force")
    assert not [c for c in tm("doctor", "--json").json["checks"] if c["name"] == "consent"]
