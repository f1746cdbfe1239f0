# SPDX-License-Identifier: Apache-2.0
"""Consent that is taken back sets off that the champion is fitted anew, by itself."""
import time

from conftest import Server

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
    until = time.monotonic() + 20
    while champion(server) == 1 and time.monotonic() < until:
        time.sleep(0.1)
    assert champion(server) == 2
    assert server.stop() == 0
    for who, versions in (("P5", 1), ("P6", 2)):  # the first one stays, as the one to go back to
        assert tm.ok("subject", "export", who, "-o", f"{who}.json", "--json").json["versions"] == versions
    noted = tm.ok("audit", "tail", "--event", "consent", "--json").json["entries"]
    assert [(e["version"], e["details"]) for e in noted] == [(2, {"visits": 3})]
    assert tm("retrain", "late", "--withdrawn").code == 1  # once is enough
