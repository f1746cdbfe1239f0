# SPDX-License-Identifier: Apache-2.0
"""Planted personal values of all kinds go every way into a home, and are never told: not by logs, errors, metrics, reports, pages or a model's dictionaries."""
import json
import os
import random

import pytest
from conftest import Server, Tidemill
from planted_values import Searcher, files_of, inside

VALUES = int(os.environ.get("TM_VALUES", "240"))  # ./run campaign personal: 10,000
KINDS = ("email", "phone", "card", "iban", "ssn", "ip", "name", "note")
ROWS = max(VALUES // len(KINDS), 120)
POLICIES = {"email": "pseudonym", "phone": "drop", "card": "drop", "iban": "drop", "ssn": "drop", "ip": "generalise:ip", "name": "drop", "note": "drop"}
# Where rows themselves are kept: by choice sealed, and erased by the person.
ROWS_THEMSELVES = ("intake.db", "log.db", "segments", "snapshots", "temp")


def luhn(digits):
    total = sum(sum(divmod(2 * int(c), 10)) if i % 2 == 0 else int(c) for i, c in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def person(i):
    """Values that no other one has, and that nothing else looks like."""
    bank, tag = f"37040044{7000000000 + i:010}", f"{i * 2654435761 % 2**32:08x}"
    check = 98 - int(bank + "131400") % 97
    return {"email": f"zq{tag}@planted.example", "phone": f"+49 170 {90000000 + i}", "card": luhn(f"492912{100000000 + i}"), "iban": f"DE{check:02}{bank}",
            "ssn": f"{100 + i // 8000 % 500}-{10 + i // 100 % 80}-{6000 + i % 100 + i // 80 % 30 * 100}", "ip": f"10.{100 + i // 10000}.{100 + i // 100 % 100}.{100 + i % 100}",
            "name": f"Zqanna {tag}", "note": f"call zqn{tag} or write to n{tag}@planted.example"}


def people():
    draw = random.Random(7)
    out = []
    for i in range(ROWS):
        age, spend = 20 + i * 7 % 50, draw.randrange(97)
        out.append({**person(i), "age": age, "spend": spend, "late": "yes" if age + spend % 20 > 50 else "no"})
    return out


def csv_of(rows, names):
    return ",".join(names) + "\n" + "".join(",".join(str(r.get(n, "")) for n in names) + "\n" for r in rows)


class Seen:
    """All that was said to anybody, by where."""

    def __init__(self, tm):
        self.tm, self.said = tm, []

    def run(self, *words, want=None):
        done = self.tm(*words)
        assert want is None or done.code == want, (words, done.code, done.err[-600:])
        self.said.append((" ".join(words)[:80], (done.out + done.err).encode()))

    def ask(self, server, method, path, body=None, headers=None, want=None):
        status, head, data = server.request(method, path, body, headers)
        assert want is None or status == want, (path, status, data)
        raw = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
        self.said.append((f"{method} {path}", raw + str(head).encode()))
        return data

    def files(self, *, rows_too):
        home = self.tm.folder / ".tidemill"
        for path, whole in files_of(home):
            if rows_too or not str(path.relative_to(home)).startswith(ROWS_THEMSELVES):
                name = str(path.relative_to(self.tm.folder))
                self.said += [(name, whole)] + [(f"{name} ({what})", part) for what, part in inside(path, whole, None)]
        for path in [*self.tm.folder.glob("server-*.log"), *self.tm.folder.glob("*.html"), *self.tm.folder.glob("*.tmb")]:
            self.said.append((path.name, path.read_bytes()))

    def found(self, values):
        """(where, value) of all that were told, in whatever form."""
        searcher = Searcher(values)
        return {(where, value) for where, data in self.said for value in searcher.find(data)}


def planted():
    """Each value, and what stands in a text."""
    out = []
    for i in range(ROWS):
        one = person(i)
        out += [one[k] for k in KINDS if k != "note"] + one["note"].split(" or write to ")[0][5:].split() + [one["note"].split()[-1]]
    return out


NAMES = [*KINDS, "age", "spend", "late"]


def source_of(name, policies):
    columns = "".join(f"      {c}: {{policy: \"{p}\"}}\n" for c, p in policies.items())
    return f"  {name}:\n    {'push: true' if name == 'pushed' else 'files: people.csv'}\n    key: email\n    columns:\n      age: int\n      spend: int\n{columns}"


def make(tm, policies):
    """A home that has them by file, and is to have them by push."""
    rows = people()
    half = len(rows) // 2
    wrong = [{**r, "age": r["email"]} for r in rows[:5]] + [{**r, "spend": r["phone"], "email": f"other{i}"} for i, r in enumerate(rows[:5])]
    if policies:  # what stands in a column without one is kept as that column's
        wrong = [{**r, "age": "old"} for r in rows[:5]]
    tm.write("people.csv", csv_of(rows[:half] + wrong, NAMES) + ",".join(rows[0][k] for k in KINDS) + "\n" + f'"{rows[1]["email"]},{rows[1]["name"]}\n')
    tm.write("rest.csv", csv_of(rows[half:] + wrong, NAMES))
    tm.write("good.csv", csv_of(rows[half:], NAMES))
    tm.write("tidemill.yaml", "sources:\n" + source_of("people", policies) + source_of("pushed", policies))
    return rows, wrong


def train_and_tell(seen, rows, *, rows_too):
    """Every command that reads rows, right and wrong ones."""
    seen.run("apply", want=0)
    seen.run("data", "push", "pushed", "rest.csv")
    seen.run("data", "compact")
    for words in (["ls"], ["show", "people"], ["show", "pushed"], ["quarantine", "people"], ["quarantine", "pushed", "--list", "9"], ["profile", "people", "--html", "p.html"],
                  ["profile", "rest.csv", "--target", "late", "--html", "f.html"], ["replay", "people"]):
        seen.run("data", *words)
    seen.run("train", "--source", "people", "--target", "late", "--entity", "email", "--name", "late", "--work", "40000", want=0)
    seen.run("train", "--sql", "SELECT * FROM people", "--target", "late", "--name", "wide", "--learner", "gbdt", want=0)
    for words in (["people.csv", "--target", "late"], ["rest.csv", "--target", "late", "--time", "email"], ["rest.csv", "--target", "phone", "--task", "regression"])[:1 if rows_too else 3]:
        seen.run("train", *words, "--name", "bad")  # rows of files have no policies, and what stopped half-way left is kept a day
    for words in (["predict", "late", "good.csv", "--log"], ["predict", "late", "rest.csv"], ["evaluate", "late", "good.csv"], ["evaluate", "late", "rest.csv"], ["explain", "late", json.dumps({"spend": rows[3]["email"]})],
                  ["data", "check", "late", "rest.csv"], ["model", "show", "late", "--json"], ["model", "show", "wide"], ["model", "diff", "late@1", "wide@1"], ["monitor", "report", "late"], ["model", "report", "late", "--html", "m.html"],
                  ["monitor", "drift", "late"], ["status"], ["doctor"], ["audit", "tail"], ["model", "export", "wide", "wide.tmb"]):
        seen.run(*words, *(["-o", "answers.csv"] if words[0] == "predict" else []))


def ask_and_tell(seen, rows, wrong, *, rows_too):
    """Every endpoint that takes rows, and all that tells something after it."""
    inputs = [{k: v for k, v in r.items() if k != "late"} for r in rows]
    server = Server(seen.tm)
    for at in range(0, len(inputs), 200):
        seen.ask(server, "POST", "/v1/routes/late/predict", {"rows": inputs[at:at + 200]}, want=200)
    for bad in ([{**inputs[0], "age": inputs[0]["email"]}], [{**inputs[0], "spend": [inputs[0]["name"]]}], [{**inputs[0], "other": inputs[0]["card"]}], inputs[0]["email"]):
        seen.ask(server, "POST", "/v1/routes/late/predict", {"rows": bad})
    seen.ask(server, "POST", "/v1/routes/late/predict", "{\"rows\": [{\"email\": \"" + inputs[0]["email"])
    seen.ask(server, "POST", "/v1/routes/none/predict", {"rows": inputs[:1]}, want=404)
    seen.ask(server, "POST", "/invocations", {"dataframe_records": [{**inputs[1], "age": inputs[1]["iban"]}]}, {"X-Tidemill-Route": "late"})
    seen.ask(server, "POST", "/invocations", csv_of([{**inputs[1], "age": inputs[1]["ssn"]}], NAMES[:-1]), {"X-Tidemill-Route": "late", "Content-Type": "text/csv"})
    seen.ask(server, "POST", "/v2/models/late/infer", {"inputs": [{"name": "email", "shape": [1], "datatype": "BYTES", "data": [inputs[2]["email"]]}, {"name": "age", "shape": [1], "datatype": "INT64", "data": [inputs[2]["phone"]]}]})
    labels = [{"model": "late", "entity": inputs[0]["email"], "label": "yes"}, {"model": "late", "entity": inputs[1]["email"], "label": inputs[1]["phone"]}, {"model": inputs[1]["name"]},
                  {"model": "late", "entity": inputs[2]["email"], "time": inputs[2]["ssn"], "label": "no"}, {"prediction_id": inputs[2]["iban"], "label": "no"}, {"x": inputs[2]["ip"]}]
    for label in labels[:1] + ([] if rows_too else labels[1:]):
        seen.ask(server, "POST", "/v1/labels", {"labels": [label]})
    for row in wrong + [{"email": inputs[4]["email"]}, inputs[5]["card"]]:
        seen.ask(server, "POST", "/v1/sources/pushed/rows", {"rows": [row]})
    for path in ("/metrics", "/v1/status", "/v1/models", "/v1/models/late", "/v1/models/late/versions/1", "/v1/drift", "/v1/models/late/drift", "/v1/models/late/scores", "/v1/sources", "/v1/audit", "/v1/jobs",
                 "/v1/alerts", "/v2/models/late", "/openapi.json", "/", "/readyz"):
        seen.ask(server, "GET", path)
    assert server.stop() == 0


@pytest.fixture(scope="module", name="folder")
def fixture_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("personal")


@pytest.mark.parametrize("policies", [{}, POLICIES], ids=["plain", "policies"])
def test_planted_values_are_told_nobody(folder, policies):
    path = folder / ("policies" if policies else "plain")
    path.mkdir()
    tm = Tidemill(path)
    seen = Seen(tm)
    rows, wrong = make(tm, policies)
    train_and_tell(seen, rows, rows_too=bool(policies))
    ask_and_tell(seen, rows, wrong, rows_too=bool(policies))
    seen.files(rows_too=bool(policies))
    values = planted()
    assert len(set(values)) == len(values) == 9 * ROWS
    found = seen.found(values)
    print(f"{'with' if policies else 'without'} policies: {len(values)} values planted, {len(seen.said)} places, {len(found)} told")
    assert not found, sorted(found)[:20]
    if not policies:  # rows are where they are asked for by name, and that is seen
        asked = Seen(tm)
        asked.run("data", "quarantine", "people", "--list", "9", "--show-values", want=0)
        assert asked.found(values)
