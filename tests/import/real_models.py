# SPDX-License-Identifier: Apache-2.0
"""Models of other libraries on two real sets with categories and missing values, in the layout of tests/golden/import/make_models.py.

usage: real_models.py OUT DATA ROUNDS; DATA has adult-train.csv.gz, adult-test.csv (census incomes) and ames.csv (house prices)
"""
import pathlib
import sys

import numpy as np
import pandas as pd

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "golden" / "import"))
import make_models  # noqa: E402  pylint: disable=wrong-import-position

ADULT = ["age", "workclass", "weight", "education", "years", "marital", "occupation", "relationship", "race", "sex", "gain", "loss", "hours", "country"]


class Rows:
    """Rows to learn from and later ones, with categories as in training."""

    def __init__(self, train, later, target):
        self.binary = self.score = target.to_numpy()
        for name in train.columns:
            if train[name].dtype.kind not in "biuf":
                train[name] = train[name].astype("category")
                later[name] = pd.Categorical(later[name], categories=train[name].cat.categories)
            else:
                train[name], later[name] = train[name].astype(float), later[name].astype(float)
        self.train, self.later = train, later


def adult(folder):
    def read(name):
        return pd.read_csv(folder / name, header=None, names=[*ADULT, "class"], skipinitialspace=True, na_values=["?"], comment="|").dropna(subset=["class"])
    train, later = read("adult-train.csv.gz"), read("adult-test.csv")
    return Rows(train[ADULT].copy(), later[ADULT].copy(), train["class"].str.startswith(">").astype(int))


def ames(folder):
    table = pd.read_csv(folder / "ames.csv", keep_default_na=False, na_values=[""])
    target, x = table["price"], table.drop(columns=["rownames", "Order", "PID", "price"])
    is_test = np.arange(len(table)) % 5 == 4
    return Rows(x[~is_test].copy(), x[is_test].copy(), target[~is_test])


def numbers(rows):
    """The columns of numbers: what an ONNX file of scikit-learn takes."""
    names = [c for c in rows.train.columns if rows.train[c].dtype.kind == "f"]
    return Rows(rows.train[names].copy(), rows.later[names].copy(), pd.Series(rows.binary)), names


def scikit_learn(rows, rounds, is_binary):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    few, names = numbers(rows)
    kind = HistGradientBoostingClassifier if is_binary else HistGradientBoostingRegressor
    return make_models.onnx(few, kind(max_iter=rounds, early_stopping=False), rows.binary, gaps=True, columns=names), names


def main():
    out, folder, rounds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    for name, read, is_binary in (("adult", adult, True), ("ames", ames, False)):
        rows = read(folder)
        objective = {"objective": "binary"} if is_binary else {"objective": "regression"}
        make_models.save(out / f"lightgbm_{name}", [], make_models.lightgbm(rows, rounds, rows.binary, num_leaves=31, min_data_in_leaf=20, **objective))
        objective = {"objective": "binary:logistic"} if is_binary else {"objective": "reg:squarederror"}
        make_models.save(out / f"xgboost_{name}", [], make_models.xgboost(rows, rounds, rows.binary, **objective))
        made, names = scikit_learn(rows, rounds, is_binary)
        make_models.save(out / f"onnx_{name}", ["--columns", ",".join(names)], made)


main()
