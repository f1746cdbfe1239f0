# SPDX-License-Identifier: Apache-2.0
"""Each kind of change of a source's rows: where it is found, where it is not, and what the policies do."""
import json
import random
import time

import pytest

import conftest

KINDS = ["new_column", "missing_column", "wider_type", "renamed_column", "new_category", "unit_change", "null_spike", "out_of_range"]


def rows(n_rows, seed=1, start=0, **own):
    """Rows of an id, an amount, a count, a land; a function of the random stream takes the place of a column, None removes it."""
    rng = random.Random(seed)
    make = {"amount": lambda r: round(r.lognormvariate(3, 0.5), 2), "n": lambda r: r.randrange(1, 9), "land": lambda r: r.choice(["NL", "BE", "DE", "FR"]),
            "note": lambda r: None if r.random() < 0.02 else "x" + str(r.randrange(10**6))}
    make.update(own)
    return [{"id": start + i, **{name: f(rng) for name, f in make.items() if f is not None}} for i in range(n_rows)]


class Source:
    """A source of pushes with a history of 3,000 rows."""

    def __init__(self, tm, server, key, name, *policies, target=None):
        self.tm, self.server, self.key, self.name = tm, server, key, name
        words = [w for p in policies for w in ("--policy", p)] + (["--target", target] if target else [])
        tm.ok("data", "add", name, "--push", "--key", "id", *words)
        for part in range(6):
            status, answer = self.push(rows(500, seed=part, start=part * 500))
            assert (status, answer["accepted"]) == (200, 500), answer
        assert self.found() == {}

    def push(self, batch):
        body = "".join(json.dumps(row) + "\n" for row in batch)
        status, _, answer = self.server.request("POST", f"/v1/sources/{self.name}/rows", body,
                                                {"X-Api-Key": self.key, "Content-Type": "application/x-ndjson"})
        return status, answer

    def show(self):
        return self.tm.show(self.name, bad=9)

    def found(self):
        return {(a["kind"], a["column"]): a["count"] for a in self.show()["anomalies"]}


@pytest.fixture(name="home", scope="module")
def fixture_home(tmp_path_factory):
    tm = conftest.Tidemill(tmp_path_factory.mktemp("changes"))
    tm.key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    tm.ok("data", "add", "first", "--push")
    server = conftest.Server(tm)
    yield tm, server
    server.stop()


# kind, column, what the columns of a changed batch are
FIRES = [
    ("new_column", "more", {"more": lambda r: r.randrange(9)}),
    ("missing_column", "amount", {"amount": None}),
    ("wider_type", "n", {"n": lambda r: r.randrange(1, 9) + 0.5}),
    ("renamed_column", "amount", {"amount": None, "total": lambda r: round(r.lognormvariate(3, 0.5), 2)}),
    ("renamed_column", "land", {"land": None, "country": lambda r: r.choice(["NL", "BE", "DE"])}),
    ("new_category", "land", {"land": lambda r: r.choice(["NL", "BE", "SE"])}),
    ("unit_change", "amount", {"amount": lambda r: round(100 * r.lognormvariate(3, 0.5), 2)}),
    ("unit_change", "amount", {"amount": lambda r: round(r.lognormvariate(3, 0.5) / 1000, 6)}),
    ("unit_change", "amount", {"amount": lambda r: round(32 + 1.8 * r.lognormvariate(3, 0.5), 2)}),
    ("null_spike", "land", {"land": lambda r: None if r.random() < 0.6 else "NL"}),
    ("out_of_range", "n", {"n": lambda r: 40 if r.random() < 0.1 else 3}),
]
# batches of honest rows, and of rows that differ by less than what is a change
QUIET = [
    ("the same again", {}),
    ("a fifth more", {"amount": lambda r: round(1.2 * r.lognormvariate(3, 0.5), 2)}),
    ("a fifth more spread", {"amount": lambda r: round(r.lognormvariate(3, 0.6), 2)}),
    ("some more nulls", {"note": lambda r: None if r.random() < 0.1 else "y"}),
    ("fewer categories", {"land": lambda r: "NL"}),
    ("texts that are never the same", {"note": lambda r: "other" + str(r.random())}),
    ("a little out of range", {"n": lambda r: r.choice([0, 9, 10, 11])}),
]


@pytest.mark.parametrize("kind, column, own", FIRES, ids=[f"{k} {c} {i}" for i, (k, c, _) in enumerate(FIRES)])
def test_each_kind_is_found_and_does_as_it_is_told(home, kind, column, own):
    tm, server = home
    number = [f[2] is own for f in FIRES].index(True)
    batch = rows(400, seed=99, start=50_000, **own)
    for policy in ("accept", "adapt", "quarantine", "stop"):
        s = Source(tm, server, tm.key, f"{policy}-{number}", f"{kind}={policy}")
        assert s.show()["policy"][kind] == policy
        status, answer = s.push(batch)
        shown = s.show()
        found = {key for key in s.found() if key[0] == kind}
        assert found == {(kind, column)}, (policy, s.found(), answer)
        if policy in ("accept", "adapt"):
            assert (status, answer["accepted"], answer["quarantined"]) == (200, 400, 0) and shown["status"] == "ready"
            if kind == "new_column":
                assert ("more" in {c["name"] for c in shown["columns"]}) == (policy == "adapt")
        elif policy == "quarantine":
            assert status == 200 and answer["accepted"] + answer["quarantined"] == 400 and answer["quarantined"] > 20
            assert {(q["reason"], q["column"]) for q in shown["quarantine"]} == {(kind, column)}
            assert all(json.loads(q["bytes"]) in batch and q["detail"] for q in shown["quarantine"])
            assert s.push(rows(100, seed=7, start=90_000))[1]["accepted"] == 100
        else:
            assert status == 409 and kind in answer["detail"] and column in answer["detail"] and "resume" in answer["hint"]
            assert (shown["status"], shown["rows"], shown["quarantined"]) == ("stopped", 3000, 0)
            assert shown["error"]["kind"] == kind and shown["error"]["column"] == column
            status, answer = s.push(rows(10, seed=7, start=90_000))
            assert status == 409 and s.show()["rows"] == 3000
            tm.ok("data", "resume", s.name)
            assert tm("data", "resume", s.name).code == 5
            status, answer = s.push(batch)
            assert (status, answer["accepted"]) == (200, 400) and s.show()["status"] == "ready", answer
    assert "40" not in json.dumps([a["detail"] for a in shown["anomalies"]]) or kind == "null_spike"


@pytest.mark.parametrize("name, own", QUIET, ids=[q[0] for q in QUIET])
def test_what_is_no_change_passes_even_when_every_change_would_stop(home, name, own):
    tm, server = home
    s = Source(tm, server, tm.key, "quiet-" + name.replace(" ", "-"), *[f"{kind}=stop" for kind in KINDS])
    for part in range(3):
        status, answer = s.push(rows(300, seed=200 + part, start=60_000 + 300 * part, **own))
        assert (status, answer.get("accepted")) == (200, 300), answer
    assert s.found() == {} and s.show()["status"] == "ready"


def test_rows_without_the_target_are_no_change(home):
    tm, server = home
    s = Source(tm, server, tm.key, "targets", "missing_column=stop", target="land")
    assert s.push(rows(300, seed=3, start=70_000, land=None))[0] == 200
    assert s.found() == {} and s.push(rows(300, seed=3, start=71_000, n=None))[0] == 409


def test_policies_change_while_the_server_runs_and_outlive_it(tm, serve):
    tm.key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    tm.ok("data", "add", "first", "--push")
    server = serve()
    s = Source(tm, server, tm.key, "orders")
    tm.ok("data", "set", "orders", "--policy", "new_column=stop", "--policy", "out_of_range=quarantine")
    time.sleep(0.7)  # the next push looks at what is declared, half a second after the one before
    assert s.push(rows(10, start=80_000, more=lambda r: 1))[0] == 409
    server.stop()
    s.server = server = serve()
    assert s.push(rows(10, start=80_000))[0] == 409  # still
    tm.ok("data", "resume", "orders")
    assert s.push(rows(10, start=80_000, more=lambda r: 1))[1]["accepted"] == 10
    assert s.push(rows(10, start=81_000, n=lambda r: 999))[1]["quarantined"] == 10  # the history is there again
    for words, text in ((["new_colum=stop"], "new_column"), (["new_column=ignore"], "quarantine"), (["new_column"], "KIND=POLICY")):
        result = tm("data", "set", "orders", "--policy", *words)
        assert result.code == 2 and text in result.err
    assert tm("data", "set", "orders").code == 2 and tm("data", "set", "order", "--policy", "new_column=stop").code == 3


def test_a_feed_that_is_stopped_reads_the_same_rows_after_resume(tm):
    def put(name, part):
        tm.write(name, "id,amount\n" + "".join(f"{r['id']},{r['amount']}\n" for r in part))

    put("a-1.csv", rows(25000))  # enough of them are looked at for a history
    tm.ok("data", "add", "a", "--files", "a-*.csv", "--policy", "unit_change=stop")
    put("a-2.csv", rows(1000, seed=2, start=25000, amount=lambda r: round(r.lognormvariate(3, 0.5) * 1000, 2)))
    for _ in range(2):  # it stays where it is, however often it is asked
        result = tm("data", "pull", "a")
        assert result.code == 5 and "amount" in result.err and "tidemill data resume a" in result.err, result.err
        shown = tm.ok("data", "show", "a", "--json").json
        assert (shown["rows"], shown["quarantined"], shown["status"]) == (25000, 0, "stopped")
        assert (shown["error"]["kind"], shown["error"]["column"]) == ("unit_change", "amount")
    tm.ok("data", "resume", "a")
    assert tm.ok("data", "pull", "a", "--json").json["accepted"] == 1000
    shown = tm.ok("data", "show", "a", "--json").json
    assert (shown["rows"], shown["status"], shown["error"]) == (26000, "ready", None)
    assert tm.ok("data", "pull", "a", "--json").json["accepted"] == 0
