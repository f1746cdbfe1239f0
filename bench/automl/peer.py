# SPDX-License-Identifier: Apache-2.0
"""One program of automatic learning on one data set: peer.py SYSTEM FOLDER SECONDS OUT. Runs in the environment of its packages.

FOLDER holds what sets.py wrote. OUT.npy gets the answers to the test rows (a value, the probability of the second of two classes, or one of each
class), OUT.json the seconds and the milliseconds of one row alone. Each program is told the score to compare by, and which rows come later if
it knows what to do with that.
"""
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np
import pandas as pd

THREADS = 2


def one_row_ms(predict, test, n=12):
    """Median of some rows alone, after one that warms up."""
    times = []
    for i in range(n + 1):
        row = test.iloc[[i % len(test)]]
        start = time.perf_counter()
        predict(row)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[1:])


def in_order(answers, have, about):
    """Columns of probabilities by the classes of the data set; the second alone of two."""
    have = [str(c) for c in have]
    out = np.zeros((len(answers), len(about["classes"])))
    for at, name in enumerate(about["classes"]):
        if name in have:
            out[:, at] = answers[:, have.index(name)]
    return out[:, 1] if about["task"] == "binary" else out


class Flaml:
    METRICS = {"auc": "roc_auc", "logloss": "log_loss", "rmse": "rmse"}

    def fit(self, train, about, seconds):
        from flaml import AutoML
        self.model = AutoML()
        task = "regression" if about["task"] == "regression" else "classification"
        more = {}
        if about["time"]:
            train, more = train.sort_values(about["time"], kind="stable").reset_index(drop=True), {"split_type": "time"}
        self.model.fit(dataframe=train, label=about["target"], task=task, metric=self.METRICS[about["score"]], time_budget=seconds, n_jobs=THREADS,
                       seed=1, verbose=0, early_stop=False, **more)

    def predict(self, frame, about):
        if about["task"] == "regression":
            return np.asarray(self.model.predict(frame), dtype=float)
        return in_order(np.asarray(self.model.predict_proba(frame)), self.model.classes_, about)


class AutoGluon:
    METRICS = {"auc": "roc_auc", "logloss": "log_loss", "rmse": "root_mean_squared_error"}

    def __init__(self, preset):
        self.preset = preset

    def fit(self, train, about, seconds):
        from autogluon.tabular import TabularPredictor
        self.folder = tempfile.TemporaryDirectory()
        self.model = TabularPredictor(label=about["target"], problem_type=about["task"], eval_metric=self.METRICS[about["score"]], path=self.folder.name,
                                      verbosity=0)
        self.model.fit(train, presets=self.preset, time_limit=seconds, num_cpus=THREADS, num_gpus=0)

    def predict(self, frame, about):
        if about["task"] == "regression":
            return self.model.predict(frame).to_numpy(dtype=float)
        answers = self.model.predict_proba(frame)
        return in_order(answers.to_numpy(), answers.columns, about)


class H2o:
    METRICS = {"auc": "AUC", "logloss": "logloss", "rmse": "RMSE"}

    def __init__(self):
        import h2o
        h2o.init(nthreads=THREADS, max_mem_size="10G", port=54000 + os.getpid() % 1000, name=f"bench{os.getpid()}", bind_to_localhost=True)
        h2o.no_progress()
        self.h2o = h2o

    def fit(self, train, about, seconds):
        from h2o.automl import H2OAutoML
        frame = self.h2o.H2OFrame(train)
        if about["task"] != "regression":
            frame[about["target"]] = frame[about["target"]].asfactor()
        # What a column is in one row alone follows from the training rows, not from that row.
        self.types = {c: "numeric" if t in ("int", "real") else t for c, t in frame.types.items() if c != about["target"]}
        self.model = H2OAutoML(max_runtime_secs=round(seconds), seed=1, sort_metric=self.METRICS[about["score"]], verbosity=None)
        self.model.train(y=about["target"], training_frame=frame)

    def predict(self, frame, about):
        answers = self.model.leader.predict(self.h2o.H2OFrame(frame, column_types=self.types)).as_data_frame()
        if about["task"] == "regression":
            return answers["predict"].to_numpy(dtype=float)
        have = self.model.leader._model_json["output"]["domains"][-1]  # pylint: disable=protected-access
        return in_order(answers.drop(columns=["predict"]).to_numpy(), have, about)


def main():
    system, folder, seconds, out = sys.argv[1], pathlib.Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    about = json.loads((folder / "set.json").read_text(encoding="utf-8"))
    train, test = pd.read_parquet(folder / "train.parquet"), pd.read_parquet(folder / "test.parquet")
    made = {"flaml": Flaml, "h2o": H2o, "autogluon": lambda: AutoGluon("medium_quality")}[system]()
    start = time.monotonic()
    made.fit(train, about, seconds)
    fitted = time.monotonic() - start
    answers = made.predict(test, about)
    np.save(out + ".npy", answers)
    one = one_row_ms(lambda row: made.predict(row, about), test)
    pathlib.Path(out + ".json").write_text(json.dumps({"seconds": fitted, "row_ms": one}), encoding="utf-8")
    sys.stdout.flush()
    if system == "h2o":
        made.h2o.cluster().shutdown()  # its server is a process of its own
    os._exit(0)  # pylint: disable=protected-access  # threads of some of them hang at the end


main()
