# SPDX-License-Identifier: Apache-2.0
"""Scores of answers: one definition for every program."""
import json
import pathlib

import numpy as np


def auc(y, answers):
    """Area under the ROC curve; equal answers count half."""
    _, inverse, counts = np.unique(answers, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n_positive = float(np.sum(y > 0))
    return float((rank[y > 0].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * (len(y) - n_positive)))


def score(task, y, answers):
    """{score: value}. A class that training has not scores the floor of the log-loss."""
    if task == "regression":
        return {"rmse": float(np.sqrt(np.mean((answers.ravel() - y) ** 2)))}
    if task == "binary":
        p = np.clip(answers.ravel(), 1e-15, 1 - 1e-15)
        return {"auc": auc(y, answers.ravel()), "logloss": float(-np.mean(np.where(y > 0, np.log(p), np.log1p(-p))))}
    right = np.where(y >= 0, answers[np.arange(len(y)), np.maximum(y, 0).astype(int)], 0)
    return {"logloss": float(-np.mean(np.log(np.clip(right, 1e-15, 1)))), "accuracy": float(np.mean(answers.argmax(1) == y))}


def main(folder, answers):
    """Print {"score", "value", "scores"} of a data set's answers, a .npy or a .json file."""
    about = json.loads((pathlib.Path(folder) / "set.json").read_text(encoding="utf-8"))
    got = np.load(answers) if answers.endswith(".npy") else np.array(json.loads(pathlib.Path(answers).read_text(encoding="utf-8")))
    y = np.load(pathlib.Path(folder) / "truth.npy")
    assert len(got) == len(y) and np.isfinite(got).all(), "answers that are none"
    scores = score(about["task"], y, got)
    print(json.dumps({"score": about["score"], "value": scores[about["score"]], "scores": scores}))
