# SPDX-License-Identifier: Apache-2.0
"""Bad input gets a clear error with its place and a hint, the right exit code, and leaves nothing behind."""
import re

import pytest

import made_data

GOOD = made_data.csv_text(made_data.churn_rows(200))


def train(tm, path, *words, target="churned"):
    return tm("train", path, "--target", target, "--work", "100000", *words)


def refused(tm, result, code, *patterns):
    assert result.code == code, f"exit {result.code}:\n{result.err}"
    assert result.out == ""
    assert result.err.startswith("error: ")
    for pattern in patterns:
        assert re.search(pattern, result.err), f"no {pattern!r} in:\n{result.err}"
    models = tm("model", "ls", "--json")
    assert models.code == 3 or models.json["models"] == []


def test_answers_that_break_off_leave_the_file_of_the_last_time(tm):
    tm.write("good.csv", GOOD)
    assert train(tm, "good.csv", "--name", "m").code == 0
    tm.ok("predict", "m", "good.csv", "-o", "out.csv")
    before = (tm.folder / "out.csv").read_bytes()
    tm.write("bad.csv", GOOD + "one,field,too,many,is,here,now\n")
    assert tm("predict", "m", "bad.csv", "-o", "out.csv").code == 7
    assert (tm.folder / "out.csv").read_bytes() == before
    assert tm("predict", "m", "bad.csv", "-o", "fresh.csv").code == 7
    assert [p.name for p in tm.folder.glob("*.csv*")] and not list(tm.folder.glob("fresh.csv*")) and not list(tm.folder.glob("*.tmp-*"))


def test_a_missing_file(tm):
    refused(tm, train(tm, "absent.csv"), 3, r"absent\.csv", r"hint: ")


def test_a_folder_without_data(tm):
    (tm.folder / "empty").mkdir()
    refused(tm, train(tm, "empty"), 3, "empty", r"hint: ")


def test_a_target_that_is_not_there(tm):
    tm.write("d.csv", GOOD)
    refused(tm, train(tm, "d.csv", target="churnd"), 2, "churnd", r"hint: .*churned")


def test_a_target_with_one_value(tm):
    tm.write("d.csv", "a,t\n" + "".join(f"{i},x\n" for i in range(50)))
    refused(tm, train(tm, "d.csv", target="t"), 7, "'t'", "same value", r"hint: ")


def test_an_empty_file(tm):
    tm.write("d.csv", "")
    refused(tm, train(tm, "d.csv"), 7, r"d\.csv", "empty")


def test_a_header_and_no_rows(tm):
    tm.write("d.csv", "a,b,churned\n")
    refused(tm, train(tm, "d.csv"), 7, r"d\.csv", "row")


def test_ragged_rows_are_named_by_their_line(tm):
    lines = GOOD.splitlines()
    lines[57] = "basic,3"
    tm.write("d.csv", "\n".join(lines) + "\n")
    refused(tm, train(tm, "d.csv"), 7, r"d\.csv:5[78]")


def test_a_picture_called_csv(tm):
    (tm.folder / "d.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 20)
    refused(tm, train(tm, "d.csv"), 7, r"d\.csv", r"hint: ")


def test_a_parquet_file_cut_in_half(tm):
    tm.write("d.csv", GOOD)
    tm.ok("train", "d.csv", "--target", "churned", "--work", "100000", "--home", "elsewhere")
    snapshot = next((tm.folder / "elsewhere" / "snapshots").glob("*.parquet"))
    whole = snapshot.read_bytes()
    (tm.folder / "half.parquet").write_bytes(whole[:len(whole) // 2])
    refused(tm, train(tm, "half.parquet"), 7, r"half\.parquet", r"hint: ")


def test_five_thousand_columns_are_fine(tm):
    header = [f"c{i}" for i in range(5000)] + ["t"]
    rows = [[(i * 7 + k) % 13 for i in range(5000)] + [k % 2] for k in range(40)]
    tm.write("d.csv", "\n".join(",".join(map(str, row)) for row in [header] + rows) + "\n")
    result = tm("train", "d.csv", "--target", "t", "--learner", "gbdt", "--param", "gbdt.n_trees=3", "--json", timeout=60)
    assert result.code == 0, result.err
    assert result.json["columns"] == 5000


def test_duplicate_names(tm):
    tm.write("d.csv", "a,b,a\n1,2,3\n4,5,6\n")
    refused(tm, train(tm, "d.csv", target="b"), 7, r"d\.csv", "'a'", r"hint: ")


def test_no_value_of_a_cell_is_repeated(tm):
    secret = "4111-1111-1111-1111"
    lines = GOOD.splitlines()
    lines[100] = f'{secret},"{secret}'
    tm.write("d.csv", "\n".join(lines) + "\n")
    result = train(tm, "d.csv")
    assert result.code == 7
    assert secret not in result.err + result.out


@pytest.mark.parametrize("words, code, pattern", [
    (["trian", "d.csv"], 2, "train"),
    (["train", "d.csv", "--taget", "x"], 2, "--target"),
    (["train", "--target", "churned"], 2, "hint"),
    (["predict", "nobody", "d.csv"], 3, "hint"),
    (["model", "promote", "nobody@1"], 3, "hint"),
    (["train", "d.csv", "--target", "churned", "--split", "lst:0.2"], 2, "last"),
    (["train", "d.csv", "--target", "churned", "--budget", "1m", "--work", "5"], 2, "together"),
    (["train", "d.csv", "--target", "churned", "--metric", "rmse"], 2, "logloss"),
])
def test_wrong_words(tm, words, code, pattern):
    tm.write("d.csv", GOOD)
    result = tm(*words)
    assert result.code == code, result.err
    assert pattern in result.err
    assert result.err.startswith("error: ")


def test_an_unknown_level_of_vector_instructions(tm):
    result = tm("version", env={"TIDEMILL_SIMD": "sse9"})
    assert result.code == 2 and result.out == ""
    assert "TIDEMILL_SIMD" in result.err and "sse9" in result.err and "hint: " in result.err
    assert tm.ok("version", "--json", env={"TIDEMILL_SIMD": "plain"}).json["simd"] == "plain"
