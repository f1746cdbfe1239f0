# SPDX-License-Identifier: Apache-2.0
"""The same 64 bits from `predict`, the server row by row and in batches, and the C library; the same bundle on any number of threads."""
import csv
import json
import os
import struct
import subprocess

import conftest
import library
import made_data

N_ROWS = 10000


def bits(value):
    return struct.pack("<d", float(value))


def train(tm, *words, program=None, name="churn"):
    command = ["train", "customers.csv", "--target", "churned", "--name", name, "--work", "30000000", "--seed", "1", "--json", *words]
    if program is None:
        return tm.ok(*command).json
    done = subprocess.run([program, *command, "--home", "other"], cwd=tm.folder, env=tm.env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def from_command_line(tm):
    tm.ok("predict", "churn", "rows.csv", "-o", "out.csv")
    with open(tm.folder / "out.csv", encoding="utf-8", newline="") as lines:
        return [bits(row["probability"]) for row in csv.DictReader(lines)]


def from_server(server, rows, batch):
    answers = []
    connection = conftest.http.client.HTTPConnection("127.0.0.1", server.port)
    for at in range(0, len(rows), batch):
        body = json.dumps({"rows": [made_data.request_row(r) for r in rows[at:at + batch]]})
        connection.request("POST", "/v1/routes/churn/predict", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200
        answers += [bits(p["probability"]) for p in json.load(answer)["predictions"]]
    connection.close()
    return answers


def from_library(bundle_path, rows):
    return [bits(answer[0]) for answer in library.predict_rows(bundle_path, rows)]


def test_all_ways_give_the_same_bits(tm, serve):
    tm.write("customers.csv", made_data.csv_text(made_data.churn_rows(3000)))
    report = train(tm)
    rows = made_data.churn_rows(N_ROWS, seed=5)
    rows[17]["city"] = "Atlantis"  # never seen in training
    tm.write("rows.csv", made_data.csv_text(rows))
    wanted = from_command_line(tm)
    assert len(wanted) == N_ROWS and len(set(wanted)) > 1000
    server = serve()
    assert from_server(server, rows, 500) == wanted
    assert from_server(server, rows, 1) == wanted
    assert from_library(tm.folder / ".tidemill" / "bundles" / f"{report['bundle_hash']}.tmb", rows) == wanted


def test_the_bundle_is_the_same_on_any_number_of_threads(tm):
    tm.write("customers.csv", made_data.csv_text(made_data.churn_rows(4000)))
    hashes = {train(tm, "--threads", n)["bundle_hash"] for n in (1, 2, 3)}
    assert len(hashes) == 1


if "TM_CLANG_PROGRAM" in os.environ:  # `./run test --all` builds with clang too

    def test_the_bundle_is_the_same_from_gcc_and_clang(tm):
        tm.write("customers.csv", made_data.csv_text(made_data.churn_rows(4000)))
        assert train(tm)["bundle_hash"] == train(tm, program=os.environ["TM_CLANG_PROGRAM"])["bundle_hash"]


def test_the_bundle_is_the_same_in_every_folder_and_the_folder_is_remembered(tm):
    text = made_data.csv_text(made_data.churn_rows(1000))
    words = ["customers.csv", "--target", "churned", "--name", "churn", "--work", "2000000", "--json"]
    hashes = set()
    for folder in ("one", "two"):
        tm.write(f"{folder}/customers.csv", text)
        done = subprocess.run([str(conftest.PROGRAM), "train", *words, "--home", "home"], cwd=tm.folder / folder, env=tm.env,
                              stdout=subprocess.PIPE, text=True, check=True)
        hashes.add(json.loads(done.stdout)["bundle_hash"])
    assert len(hashes) == 1
    # From another folder a retraining still finds the file, and says that there is nothing new in it.
    result = tm("retrain", "churn", "--home", "one/home")
    assert result.code == 1 and "new" in result.err
