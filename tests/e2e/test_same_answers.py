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
    for at in range(0, len(rows), batch):
        body = json.dumps({"rows": [made_data.request_row(r) for r in rows[at:at + batch]]})
        status, _, value = server.request("POST", "/v1/routes/churn/predict", body, {"Content-Type": "application/json"})
        assert status == 200
        answers += [bits(p["probability"]) for p in value["predictions"]]
    return answers


def from_lines(server, rows, is_csv):
    """Lines of JSON in and CSV out, or CSV in and lines of JSON out."""
    columns = [c for c in rows[0] if c != "churned"]
    lines = "".join(json.dumps(made_data.request_row(r)) + "\n" for r in rows)
    body, kind, accept = (made_data.csv_text(rows, columns), "text/csv", "application/x-ndjson") if is_csv else (lines, "application/x-ndjson", "text/csv")
    status, _, data = server.request("POST", "/v1/routes/churn/predict", body.encode(), {"Content-Type": kind, "Accept": accept})
    assert status == 200
    if is_csv:
        return [bits(json.loads(line)["probability"]) for line in data.decode().splitlines()]
    return [bits(row["probability"]) for row in csv.DictReader(data.decode().splitlines())]


def from_tensors(server, rows, binary):
    """The Open Inference Protocol: numbers of columns as FP64, texts as BYTES, in JSON or as bytes behind it."""
    inputs, tail = [], b""
    for name in [c for c in rows[0] if c != "churned"]:
        values = [made_data.request_row(r)[name] for r in rows]
        tensor = {"name": name, "shape": [len(rows)], "datatype": "FP64" if name in ("months", "spend") else "BYTES"}
        if binary and tensor["datatype"] == "FP64":
            data = b"".join(struct.pack("<d", float("nan") if v is None else v) for v in values)
            tensor["parameters"] = {"binary_data_size": len(data)}
            tail += data
        elif binary:
            data = b"".join(struct.pack("<I", len(str(v).encode())) + str(v).encode() for v in values)
            tensor["parameters"] = {"binary_data_size": len(data)}
            tail += data
        else:
            tensor["data"] = values
        inputs.append(tensor)
    head = json.dumps({"inputs": inputs, "outputs": [{"name": "probability", "parameters": {"binary_data": binary}}]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))} if binary else {"Content-Type": "application/json"}
    status, got, data = server.request("POST", "/v2/models/churn/infer", head + tail, headers)
    assert status == 200, data
    if binary:
        at = int(got["Inference-Header-Content-Length"])
        return [data[i:i + 8] for i in range(at, len(data), 8)]
    return [bits(v) for v in data["outputs"][0]["data"]]


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
    assert from_lines(server, rows, True) == wanted and from_lines(server, rows, False) == wanted
    assert from_tensors(server, rows, False) == wanted and from_tensors(server, rows, True) == wanted
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
