#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Print the expected coefficients of tests/unit/model/test_linear.c with scikit-learn (made with 1.2.1); the data are those of
tests/support/model_data.c: numbers only, without missing values."""
import numpy as np
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge

N = 200


def uniform(i, stream):
    h = (i * 2654435761 + stream * 2246822519 + 374761393) % 2**32
    h ^= h >> 15
    h = h * 2246822519 % 2**32
    h ^= h >> 13
    h = h * 3266489917 % 2**32
    h ^= h >> 16
    return h / 2**32


X = np.array([[uniform(i, 0) * 10 - 3, uniform(i, 1) * 2, uniform(i, 0) * 3 + uniform(i, 2)] for i in range(N)])
noise = np.array([uniform(i, 9) for i in range(N)])
signal = 0.4 * X[:, 0] - 1.5 * X[:, 1] + 0.2 * X[:, 2]
W = np.array([1.0 + (i % 3) for i in range(N)])
Y2 = (signal + 4 * noise > 2.0).astype(int)
Y3 = np.minimum(2, np.floor(np.maximum(0, signal + 3 * noise + 1)).astype(int))
YR = 100 + 7 * (signal + noise)


def scaled(w):
    mean = np.average(X, axis=0, weights=w)
    sd = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=w))
    return (X - mean) / sd, mean, sd


def show(name, coef, intercept):
    print(name, " ".join("%.12g" % c for c in np.ravel(coef)), "|", " ".join("%.12g" % c for c in np.ravel(intercept)))


for label, w in (("plain", np.ones(N)), ("weighted", W)):
    Z, mean, sd = scaled(w)
    w1 = w / w.sum()
    lam = 0.01
    m = Ridge(alpha=lam, solver="cholesky", tol=1e-12).fit(Z, YR, sample_weight=w1)
    show("ridge " + label, m.coef_ / sd, m.intercept_)
    options = {"C": 1 / lam, "solver": "newton-cg", "tol": 1e-13, "max_iter": 10000}  # stops at rounding, with a warning
    m = LogisticRegression(**options).fit(Z, Y2, sample_weight=w1)
    show("logistic " + label, m.coef_[0] / sd, m.intercept_)
    m = LogisticRegression(multi_class="multinomial", **options).fit(Z, Y3, sample_weight=w1)
    show("softmax " + label, (m.coef_ / sd).T, m.intercept_ - m.intercept_.mean())
Z, mean, sd = scaled(np.ones(N))
ys = (YR - YR.mean()) / YR.std()
m = ElasticNet(alpha=0.2, l1_ratio=0.7, tol=1e-14, max_iter=100000).fit(Z, ys)
show("elastic net", m.coef_ / sd * YR.std(), m.intercept_ * YR.std() + YR.mean())
m = LogisticRegression(C=1 / (N * 0.05), l1_ratio=0.8, penalty="elasticnet", solver="saga", tol=1e-14, max_iter=100000).fit(Z, Y2)
show("elastic logistic", m.coef_[0] / sd, m.intercept_)
