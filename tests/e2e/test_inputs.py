# SPDX-License-Identifier: Apache-2.0
"""Formats, damaged files, SQL: what goes in gives the same model or a clear error, and leaves nothing behind."""
import gzip

import pytest
from rows import churn, to_csv, to_jsonl

GOOD = to_csv(churn(300))


def train(tm, data, *words, target="churned"):
    return tm("train", data, "--target", target, *words, "--json")


def error(result, code):
    assert result.code == code, result.out + result.err
    assert result.json["schema"] == "tidemill.error/1"
    found = result.json["error"]
    assert found["message"] and not found["message"].endswith(".") and found["message"][0].lower() == found["message"][0]
    return found


@pytest.mark.parametrize("text", ["", "\n", "a,b\n", "a,b"], ids=["empty", "newline", "header", "header without newline"])
def test_a_file_without_rows_is_refused(tm, text):
    tm.write("a.csv", text)
    error(train(tm, "a.csv", target="b"), 7)


def test_a_gzip_file_cut_in_half_is_refused(tm):
    data = gzip.compress(GOOD.encode())
    (tm.folder / "a.csv.gz").write_bytes(data[:len(data) // 2])
    error(train(tm, "a.csv.gz"), 7)


def test_a_failed_training_registers_nothing(tm):
    tm.write("a.csv", "x,y\n" + "".join(f"{i},1\n" for i in range(100)))
    train(tm, "a.csv", target="y")
    result = tm("model", "ls", "--json")
    assert result.code in (0, 3)
    assert result.code == 3 or result.json["models"] == []


def test_the_same_rows_in_any_format_give_the_same_model(tm):
    rows = churn(800)
    tm.write("a.csv", to_csv(rows))
    tm.write("b.jsonl", to_jsonl(rows))
    tm.write("c.tsv", "\n".join("\t".join(f for f in line.split(",")) for line in to_csv(rows).split("\n")))
    (tm.folder / "d.csv.gz").write_bytes(gzip.compress(to_csv(rows).encode()))
    hashes = {}
    for name in ("a.csv", "b.jsonl", "c.tsv", "d.csv.gz"):
        result = train(tm, name, "--learner", "gbdt", "--work", "2000000", "--name", "m", "--home", name + ".home")
        assert result.code == 0, result.err + result.out
        hashes[name] = result.json["test"]
    assert len({str(sorted(h.items())) for h in hashes.values()}) == 1, hashes


def test_sql_errors_name_the_query_and_no_value(tm):
    tm.write("a.csv", GOOD)
    assert tm("train", "--sql", "SELEC 1", "--target", "x", "--json").code == 2
    assert tm("train", "--sql", "SELECT nope FROM 'a.csv'", "--target", "x", "--json").code in (2, 7)
    assert tm("train", "--sql", "COPY (SELECT 1) TO 'out.csv'", "--target", "x", "--json").code in (2, 4, 7)
    assert not (tm.folder / "out.csv").exists()
    assert tm("train", "a.csv", "--sql", "SELECT 1", "--target", "x", "--json").code == 2


def test_a_column_that_is_missing_in_new_rows_is_named(tm):
    rows = churn(500)
    tm.write("a.csv", to_csv(rows))
    tm.ok("train", "a.csv", "--target", "churned", "--name", "churn", "--learner", "baseline", "--drop", "id")
    tm.write("new.csv", to_csv(rows, without=("churned", "months")))
    assert "months" in error(tm("predict", "churn", "new.csv", "--json"), 7)["message"]


def test_a_damaged_model_file_is_not_used(tm):
    tm.write("a.csv", GOOD)
    tm.ok("train", "a.csv", "--target", "churned", "--name", "churn", "--learner", "baseline")
    bundle = next((tm.folder / ".tidemill" / "bundles").glob("*.tmb"))
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.chmod(0o600)
    bundle.write_bytes(data)
    assert error(tm("predict", "churn", "a.csv", "--json"), 8)
    assert tm("model", "verify", "--json").code == 8
