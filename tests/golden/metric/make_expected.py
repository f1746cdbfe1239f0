#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Print the expected values of tests/unit/metric with scikit-learn (made with 1.2.1); the data stands there too."""
import numpy as np
from sklearn import metrics as m

Y = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1])
P = np.array([0.9, 0.1, 0.8, 0.35, 0.4, 0.4, 0.4, 0.2, 0.65, 0.7, 0.05, 0.999])
W = np.array([1, 2, 0.5, 1, 1, 3, 1, 0, 2, 1, 1, 0.25])
Y3 = np.array([0, 1, 2, 2, 1, 0, 0, 2])
P3 = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.25, 0.5, 0.25], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.4, 0.4, 0.2],
               [0.05, 0.05, 0.9], [0.2, 0.3, 0.5]])
W3 = np.array([1, 2, 1, 0.5, 1, 1, 3, 1])
YR = np.array([3.5, -1.0, 2.25, 7.0, 0.5])
PR = np.array([2.5, 0.0, 2.0, 8.0, 0.75])
WR = np.array([1, 2, 0.5, 1, 3])
RELEVANCE = np.array([3, 0, 2, 1, 0, 2, 1, 0, 3, 0, 1, 2, 0, 1])
SCORE = np.array([0.5, 0.9, 0.5, 0.1, 0.3, 0.8, 0.2, 0.7, 0.6, 0.4, 0.3, 0.3, 0.0, 0.95])


def ece(y, p, w):
    bins = np.minimum(np.floor(p * 15), 14)
    return sum(abs((w * (p - y))[bins == b].sum()) for b in range(15)) / w.sum()


for name, w in (("plain", np.ones(12)), ("weighted", W)):
    call = P >= 0.5
    print("binary", name)
    print("  auc %.17g" % m.roc_auc_score(Y, P, sample_weight=w))
    print("  logloss %.17g" % m.log_loss(Y, P, eps=1e-15, sample_weight=w))
    print("  accuracy %.17g" % m.accuracy_score(Y, call, sample_weight=w))
    print("  brier %.17g" % m.brier_score_loss(Y, P, sample_weight=w))
    print("  average_precision %.17g" % m.average_precision_score(Y, P, sample_weight=w))
    print("  f1 %.17g" % m.f1_score(Y, call, sample_weight=w))
    print("  precision %.17g" % m.precision_score(Y, call, sample_weight=w))
    print("  recall %.17g" % m.recall_score(Y, call, sample_weight=w))
    print("  ece %.17g" % ece(Y, P, w))
for name, w in (("plain", np.ones(8)), ("weighted", W3)):
    call = P3.argmax(axis=1)
    print("multiclass", name)
    print("  accuracy %.17g" % m.accuracy_score(Y3, call, sample_weight=w))
    print("  logloss %.17g" % m.log_loss(Y3, P3, eps=1e-15, sample_weight=w))
    print("  macro_f1 %.17g" % m.f1_score(Y3, call, average="macro", sample_weight=w))
for name, w in (("plain", np.ones(5)), ("weighted", WR)):
    print("regression", name)
    print("  rmse %.17g" % np.sqrt(m.mean_squared_error(YR, PR, sample_weight=w)))
    print("  mae %.17g" % m.mean_absolute_error(YR, PR, sample_weight=w))
    print("  r2 %.17g" % m.r2_score(YR, PR, sample_weight=w))
print("ranking")
print("  ndcg@10 of one query %.17g" % m.ndcg_score([2.0 ** RELEVANCE - 1], [SCORE], k=10))
print("  first five rows %.17g" % m.ndcg_score([2.0 ** RELEVANCE[:5] - 1], [SCORE[:5]], k=10))
print("  rows 6 to 10 %.17g" % m.ndcg_score([2.0 ** RELEVANCE[5:10] - 1], [SCORE[5:10]], k=10))
rng = np.arange(20000, dtype=np.uint64)
h = (rng * np.uint64(2654435761)) % np.uint64(4294967296)
p = (h % np.uint64(1000)).astype(float) / 999
y = ((h >> np.uint64(7)) % np.uint64(1000)).astype(float) < 300 + 400 * p
print("20,000 rows: auc %.17g average_precision %.17g" % (m.roc_auc_score(y, p), m.average_precision_score(y, p)))
