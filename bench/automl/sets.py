# SPDX-License-Identifier: Apache-2.0
"""Real data sets of a folder that the caller names, cut into rows to learn from and rows to test on, the same for every program."""
import json

import numpy as np
import pandas as pd

ADULT = ["age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race", "sex",
         "capital_gain", "capital_loss", "hours_per_week", "native_country", "class"]


def csv(name, *without):
    return lambda folder: pd.read_csv(folder / name, skipinitialspace=True).drop(columns=list(without))


def adult(folder):
    parts = [pd.read_csv(folder / name, header=None, names=ADULT, skipinitialspace=True, na_values="?").dropna(subset=["class"])
             for name in ("adult-train.csv.gz", "adult-test.csv")]
    frame = pd.concat(parts, ignore_index=True)
    frame["class"] = frame["class"].str.rstrip(".")
    return frame, len(parts[0])


def bike(folder):
    frame = csv("bike_hour.csv", "instant", "casual", "registered")(folder)
    frame["dteday"] = pd.to_datetime(frame["dteday"])
    return frame


def telco(folder):
    frame = csv("telco_churn.csv", "customerID")(folder)
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    return frame


def birds(folder):
    frame = csv("birdstrikes.csv.gz", "rownames", "operator")(folder)
    frame["date"] = pd.to_datetime(frame["date"], format="%m/%d/%Y %H:%M:%S")
    return frame


def flights(folder):
    frame = pd.read_parquet(folder / "flights-3m.parquet")
    frame["late"] = (frame.pop("delay") > 15).astype(int)
    return frame


def spam(folder):
    return pd.read_csv(folder / "sms_spam.tsv", sep="\t", quoting=3, header=None, names=["label", "text"])


def claims(folder):
    return pd.read_parquet(folder / "car_claims.parquet").drop(columns=["rownames", "numclaims", "claimcst0", "X_OBSTAT_"])


def every_fifth(n, _n_first):
    return np.arange(n) % 5 == 4


def last_fifth(n, _n_first):
    return np.arange(n) >= int(0.8 * n)


def second_file(n, n_first):
    return np.arange(n) >= n_first


# name: (how to read it, target, task, score to compare by, the positive class, test rows, column of time or None)
SETS = {
    "titanic": (csv("titanic.csv"), "Survived", "binary", "auc", 1, every_fifth, None),
    "ames": (csv("ames.csv", "rownames", "Order", "PID"), "price", "regression", "rmse", None, every_fifth, None),
    "telco_churn": (telco, "Churn", "binary", "auc", "Yes", every_fifth, None),
    "sms_spam": (spam, "label", "binary", "auc", "spam", every_fifth, None),
    "customers_pii": (csv("customers_pii_synthetic.csv"), "churned", "binary", "auc", 1, every_fifth, None),
    "bike_hour": (bike, "cnt", "regression", "rmse", None, last_fifth, "dteday"),
    "california_housing": (csv("california_housing.csv"), "median_house_value", "regression", "rmse", None, every_fifth, None),
    "birdstrikes": (birds, "phase_of_flt", "multiclass", "logloss", None, every_fifth, None),
    "letter": (csv("letter.csv"), "lettr", "multiclass", "logloss", None, every_fifth, None),
    "adult": (adult, "class", "binary", "auc", ">50K", second_file, None),
    "car_claims": (claims, "clm", "binary", "auc", 1, every_fifth, None),
    "flights_3m": (flights, "late", "binary", "auc", 1, last_fifth, "date"),
}


def classes_of(y, task, positive):
    """Classes in the order of the columns of answers; the positive one is the last of two."""
    found = sorted(y.unique(), key=str)
    return [c for c in found if c != positive] + [positive] if task == "binary" else found


def write(name, data, folder):
    """train.parquet, test.parquet (without the target), labelled.parquet (with it), truth.npy and set.json in `folder`."""
    read, target, task, score, positive, is_test, time = SETS[name]
    frame = read(data)
    frame, n_first = frame if isinstance(frame, tuple) else (frame, 0)
    held = is_test(len(frame), n_first)
    known = frame[target].notna().to_numpy()
    if task == "binary" and frame[target].dtype == bool:
        frame[target] = frame[target].astype(int)
    train, test = frame[known & ~held], frame[known & held]
    about = {"name": name, "target": target, "task": task, "score": score, "time": time, "rows": len(train), "columns": frame.shape[1] - 1}
    truth = test[target].to_numpy(dtype=float) if task == "regression" else None
    if task != "regression":
        classes = classes_of(train[target], task, positive)
        codes = {c: i for i, c in enumerate(classes)}
        about["classes"] = [str(c) for c in classes]
        truth = test[target].map(codes).fillna(-1).to_numpy(dtype=float)  # a class that training has not: the floor of the log-loss
    train.to_parquet(folder / "train.parquet", index=False)
    test.drop(columns=[target]).to_parquet(folder / "test.parquet", index=False)
    test.to_parquet(folder / "labelled.parquet", index=False)  # for a program that scores them itself
    np.save(folder / "truth.npy", truth)
    (folder / "set.json").write_text(json.dumps(about), encoding="utf-8")
