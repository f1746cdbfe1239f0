# SPDX-License-Identifier: Apache-2.0
"""NannyML's CBPE on answers that are given: run by the Python of its environment with a file of the task; prints the estimates as JSON."""
import json
import sys
import warnings

import pandas as pd

warnings.filterwarnings("ignore")
import nannyml  # noqa: E402  pylint: disable=wrong-import-position


def main():
    task = json.loads(sys.stdin.read())
    frame = pd.DataFrame(task["rows"])
    frame["at"] = pd.to_datetime(frame["at"], unit="s")
    reference, analysis = frame[:task["reference"]], frame[task["reference"]:]
    scores = {"auc": "roc_auc", "accuracy": "accuracy", "f1": "f1", "precision": "precision", "recall": "recall"}
    if task["task"] == "multiclass":
        scores = {"accuracy": "accuracy", "macro_f1": "f1"}
    proba = "p" if task["task"] == "binary" else {c: f"p{i}" for i, c in enumerate(task["classes"])}
    cbpe = nannyml.CBPE(problem_type="classification_binary" if task["task"] == "binary" else "classification_multiclass", y_pred_proba=proba,
                        y_pred="call", y_true="truth", timestamp_column_name="at", metrics=list(scores.values()), chunk_size=task["chunk"])
    cbpe.fit(reference)
    found = cbpe.estimate(analysis).filter(period="analysis").to_df()
    print(json.dumps({ours: [float(v) for v in found[theirs]["value"]] for ours, theirs in scores.items()}))


main()
