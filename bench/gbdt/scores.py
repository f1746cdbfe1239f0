# SPDX-License-Identifier: Apache-2.0
"""Scores of test answers: one definition for every program of the comparison."""
import numpy as np


def auc(y, score):
    """Area under the ROC curve; equal scores count half."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n_positive = float(np.sum(y > 0))
    return float((rank[y > 0].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * (len(y) - n_positive)))


def score(task, y, answers):
    """{score: value}: of a probability, of [rows x classes] probabilities, or of values. The first is the one to compare by."""
    if task == "regression":
        return {"rmse": float(np.sqrt(np.mean((answers - y) ** 2)))}
    if task == "binary":
        p = np.clip(answers, 1e-15, 1 - 1e-15)
        return {"auc": auc(y, answers), "logloss": float(-np.mean(np.where(y > 0, np.log(p), np.log1p(-p))))}
    right = answers[np.arange(len(y)), y.astype(int)]
    return {"logloss": float(-np.mean(np.log(np.clip(right, 1e-15, 1)))), "accuracy": float(np.mean(answers.argmax(1) == y))}
