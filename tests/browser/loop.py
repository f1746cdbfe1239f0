# SPDX-License-Identifier: Apache-2.0
"""A loop for the dashboard to show: versions, a gate, traffic, labels, a source, keys, and columns that moved."""
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import made_data  # noqa: E402
from conftest import PROGRAM, Server, Tidemill  # noqa: E402
from waits import PATIENCE_S  # noqa: E402

MODEL = "churn"
PASSWORD = "a tide that mills"
PROJECT = f"models:\n  {MODEL}:\n    from: customers.csv\n    target: churned\n    gate: {{min: {{auc: 0.7}}}}\n"


def make(folder):
    """(program, {role: key}) of a home with three versions of a model, the first of which answers."""
    program = Tidemill(folder / "loop")
    program.folder.mkdir()
    program.write("customers.csv", made_data.csv_text(made_data.churn_rows(2000)))
    program.write("tidemill.yaml", PROJECT)
    train = ("train", "customers.csv", "--target", "churned", "--name", MODEL)
    program.ok(*train, "--work", "20000000")
    program.ok("apply")
    program.ok(*train, "--learner", "linear", "--seed", "2", "--drop", "city")
    program.ok(*train, "--learner", "gbdt", "--param", "gbdt.n_trees=30", "--seed", "3")
    program.ok("data", "add", "events", "--push")
    program.write("anna.txt", PASSWORD + "\n").chmod(0o600)
    program.ok("key", "create", "--role", "viewer", "--name", "anna", "--password", "anna.txt")
    return program, {role: program.ok("key", "create", "--role", role, "--json").json["key"] for role in ("client", "viewer", "auditor", "deployer")}


def train_beside(program, seconds=6):
    """A training of the model in a process of its own, which ends by itself."""
    words = [PROGRAM, "train", "customers.csv", "--target", "churned", "--name", MODEL, "--budget", f"{seconds}s", "-q"]
    return subprocess.Popen([str(w) for w in words], cwd=program.folder, env=program.env, stdout=subprocess.DEVNULL)


def empty(folder):
    """A home with nothing in it."""
    program = Tidemill(folder / "empty")
    program.folder.mkdir()
    program.ok("data", "add", "events", "--push")
    program.ok("data", "rm", "events", "--yes")
    return program


def serve(program, **options):
    return Server(program, "--threads", "1", command="run", **options)


def traffic(server, key, n=1500):
    """Requests, and labels of two thirds; of the last, customers stay longer and plans mean their opposite. Ids of the answers."""
    headers = {"X-Api-Key": key}
    moved = [{**row, "months": row["months"] + 25} for row in made_data.churn_rows(n // 3, seed=8, swap=True)]
    rows = made_data.churn_rows(2 * n // 3, seed=7) + moved
    ids = []
    for at in range(0, n, 50):
        part = rows[at:at + 50]
        status, _, body = server.request("POST", f"/v1/routes/{MODEL}/predict", {"rows": [made_data.request_row(r) for r in part]}, headers)
        assert status == 200, body
        ids += [p["id"] for p in body["predictions"]]
        if at % 150:
            labels = [{"prediction_id": p["id"], "model": MODEL, "label": r["churned"]} for p, r in zip(body["predictions"], part)]
            assert server.request("POST", "/v1/labels", {"labels": labels}, headers)[0] == 200
    return ids


def experiment(server, program, client, n=360):
    """An experiment on versions 1 and 2, half each, with n requests of single units and their labels."""
    program.ok("route", "split", MODEL, "1=50", "2=50")
    program.ok("experiment", "start", MODEL, "--guardrail", "accuracy=0.05", "--reason", "less may be enough")
    for i, row in enumerate(made_data.churn_rows(n, seed=9)):
        body = server.request("POST", f"/v1/routes/{MODEL}/predict", {"rows": [made_data.request_row(row)]}, {"X-Api-Key": client, "X-Tidemill-Unit": f"visitor {i}"})[2]
        labels = [{"prediction_id": body["predictions"][0]["id"], "model": MODEL, "label": row["churned"]}]
        assert server.request("POST", "/v1/labels", {"labels": labels}, {"X-Api-Key": client})[0] == 200


def wait_champion(server, key, version):
    end = time.monotonic() + PATIENCE_S
    while True:
        now = server.request("GET", f"/v1/models/{MODEL}", headers={"X-Api-Key": key})[2]["champion"]
        if now == version:
            return
        assert time.monotonic() < end, f"version {now} is the champion, not {version}"
        time.sleep(0.05)
