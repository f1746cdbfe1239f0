# SPDX-License-Identifier: Apache-2.0
"""Models that learned from an erased person answer until a date, and no longer."""
import json

from conftest import Server
from test_subject import check_certificate, write_people
from waits import wait_until


def certificate(tm, *args):
    tm.ok("subject", "erase", "-", "--certificate", "c.json", *args, stdin="P7")
    return check_certificate(tm, "c.json")


def ask(server):
    return server.request("POST", "/v1/routes/late/predict", {"rows": [{"id": "P1", "age": 27, "city": "a"}]})


def test_what_learned_from_a_person_answers_until_the_date(tm):
    write_people(tm)
    home = tm.folder / ".tidemill"
    train = ["train", "people.csv", "--target", "late", "--entity", "id", "--name", "late", "--learner", "gbdt", "--param"]
    tm.ok(*train, "gbdt.n_trees=5")
    assert tm("subject", "erase", "P7", "--certificate", "c.json", "--retire-by", "2000-01-01").code == 2
    assert tm("subject", "erase", "P7", "--certificate", "c.json", "--retire-by", "1d", "--models", "list").code == 2
    server = Server(tm)
    first = certificate(tm, "--retire-by", "30d")
    assert (first["policy"], first["complete"], first["scanned"]) == ("retire", False, False)
    assert [(v["version"], v["retire_by"]) for v in first["retiring"]] == [(1, first["retire_by"])]
    tm.ok("train", "people.csv", "--name", "late", "--param", "gbdt.n_trees=3", "--continue", "late@1")  # what goes on from it goes with it
    assert ask(server)[0] == 200
    (model,) = tm.ok("status", "--json").json["models"]
    assert (model["why"], model["retire_by"]) == ("retiring", first["retire_by"])
    check = next(c for c in tm.ok("doctor", "--json").json["checks"] if c["name"] == "retiring")
    assert check["state"] == "warn" and "2 versions" in check["found"] and "late@1" in check["found"]
    # An earlier date holds, a later one does not.
    assert certificate(tm, "--retire-by", "300d")["retiring"][0] == first["retiring"][0]
    certificate(tm, "--retire-by", "0s")
    wait_until(lambda: ask(server)[0] == 503)
    assert server.request("GET", "/readyz", None)[0] == 503
    assert server.stop() == 0
    assert not list((home / "bundles").iterdir()) and not list((home / "snapshots").iterdir())
    assert tm("predict", "late", "people.csv").code == 3
    last = certificate(tm)
    assert last["complete"] and last["found"]["versions"] == []
    assert [e["actor"] for e in tm.ok("audit", "tail", "--event", "subject.retired", "--json").json["entries"]] == ["server"]
    # Another version answers once it is promoted, and it is judged alone. The same rows would give the same model.
    path = tm.folder / "people.csv"
    path.write_text("".join(line for line in path.read_text(encoding="utf-8").splitlines(True) if not line.startswith("P7,")), encoding="utf-8")
    tm.ok(*train, "gbdt.n_trees=5")
    tm.ok("model", "promote", "late@3")
    assert tm.ok("predict", "late", "people.csv").out.count("\n") == 120
    assert tm.ok("audit", "verify").code == 0 and "retiring" not in json.dumps(tm.ok("doctor", "--json").json)
