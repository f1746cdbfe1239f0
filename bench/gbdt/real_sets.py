# SPDX-License-Identifier: Apache-2.0
"""Real data sets: those of a folder that the caller names, and those that scikit-learn's package holds.

Text becomes codes by the order of its values, an empty field stays missing. Without an order in time a seed draws 80 % of the rows to learn from
and tests on the rest; with one the newest 20 % are the test for every seed, and a seed draws 90 % of the older rows.
"""
import hashlib
import os

import data
import numpy as np

TEXT_LEVELS_MAX = 5000  # text of more different values is no category


def pandas():
    import pandas as module
    return module


def csv(*without):
    return lambda path: pandas().read_csv(path, skipinitialspace=True).drop(columns=list(without), errors="ignore")


def adult(path):
    """Both files, as one."""
    frames = [pandas().read_csv(p, header=None, skipinitialspace=True, na_values="?").dropna(subset=[14])
              for p in (path, os.path.join(os.path.dirname(path), "adult-test.csv"))]
    frame = pandas().concat(frames, ignore_index=True)
    frame[14] = frame[14].str.rstrip(".")
    return frame


def bike(path):
    frame = csv("instant", "casual", "registered")(path)
    frame["dteday"] = pandas().to_datetime(frame["dteday"]).dt.dayofyear
    return frame


def telco(path):
    frame = csv("customerID")(path)
    frame["TotalCharges"] = pandas().to_numeric(frame["TotalCharges"], errors="coerce")
    return frame


def claims(path):
    return pandas().read_parquet(path).drop(columns=["rownames", "numclaims", "claimcst0", "X_OBSTAT_"])


def birds(path):
    frame = csv("rownames", "remarks")(path)
    frame["date"] = pandas().to_datetime(frame["date"], format="%m/%d/%Y %H:%M:%S").dt.dayofyear
    counts = frame["phase_of_flt"].value_counts()
    return frame[frame["phase_of_flt"].isin(counts[counts >= 50].index)].reset_index(drop=True)


def flights(path):
    frame = pandas().read_parquet(path)
    frame["late"] = frame.pop("delay") > 15
    when = frame.pop("date").dt
    frame["minute"], frame["weekday"], frame["day"] = when.hour * 60 + when.minute, when.weekday, when.dayofyear
    return frame


def packaged(name):
    def load(_path):
        from sklearn import datasets
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        frame = pandas().DataFrame(x)
        frame["target"] = y
        return frame
    return load


# name: (file of the folder or None for scikit-learn's, how to read it, target, task, are rows in order of time)
SETS = {"adult": ("adult-train.csv.gz", adult, 14, "binary", False),
        "ames": ("ames.csv", csv("rownames", "Order", "PID"), "price", "regression", False),
        "bike": ("bike_hour.csv", bike, "cnt", "regression", True),
        "birdstrikes": ("birdstrikes.csv.gz", birds, "phase_of_flt", "multiclass", False),
        "california": ("california_housing.csv", csv(), "median_house_value", "regression", False),
        "car_claims": ("car_claims.parquet", claims, "clm", "binary", False),
        "elec2": ("elec2.csv", csv("date", "nswprice"), "class", "binary", True),
        "flights": ("flights-3m.parquet", flights, "late", "binary", True),
        "letter": ("letter.csv", csv(), "lettr", "multiclass", False),
        "telco": ("telco_churn.csv", telco, "Churn", "binary", False),
        "breast_cancer": (None, packaged("breast_cancer"), "target", "binary", False),
        "diabetes": (None, packaged("diabetes"), "target", "regression", False),
        "digits": (None, packaged("digits"), "target", "multiclass", False)}


def there(folder):
    """Names of the sets that can be read, and of those whose file is missing."""
    names = [n for n, s in SETS.items() if s[0] is None or (folder is not None and os.path.exists(os.path.join(folder, s[0])))]
    return names, [n for n in SETS if n not in names]


def stamp(folder, name):
    """What tells one file of a set from another: its path, size and time."""
    if SETS[name][0] is None:
        return "scikit-learn"
    path = os.path.join(folder, SETS[name][0])
    found = os.stat(path)
    return f"{os.path.realpath(path)} {found.st_size} {found.st_mtime_ns}"


def encode(frame, target, task):
    """(x float32, y float32, levels, n_classes); rows without a target are left out."""
    frame = frame[frame[target].notna()]
    y = frame[target]
    classes = 0
    if task == "regression":
        y = y.to_numpy(dtype=float)
    else:
        values, y = np.unique(y.to_numpy(), return_inverse=True)
        classes = len(values)
    columns, levels = [], {}
    for name in frame.columns:
        if name == target:
            continue
        column = frame[name]
        if column.dtype.kind in "biuf":
            columns.append(column.to_numpy(dtype=float))
            continue
        codes, values = pandas().factorize(column, sort=True)
        if len(values) <= TEXT_LEVELS_MAX:
            levels[len(columns)] = len(values)
            columns.append(np.where(codes < 0, np.nan, codes.astype(float)))
    return np.stack(columns, 1).astype(np.float32), y.astype(np.float32), levels, classes


def split(n, is_ordered, seed):
    """(rows to learn from, rows to test on)."""
    rng = np.random.default_rng([5, seed])
    if is_ordered:
        older = n - n // 5
        return np.sort(rng.permutation(older)[:older * 9 // 10]), np.arange(older, n)
    order = rng.permutation(n)
    return order[n // 5:], order[:n // 5]


def make(folder, source, name, seed):
    """Write one draw of a set into a folder, as data.Set reads it."""
    file, read, target, task, is_ordered = SETS[name]
    path = None if file is None else os.path.join(source, file)
    x, y, levels, classes = encode(read(path), target, task)
    train, test = split(len(y), is_ordered, seed)

    def fill(part):
        n_train, digest = data.write_part(part, "train", [(x[train], y[train])])
        n_test, _ = data.write_part(part, "test", [(x[test], y[test])])
        meta = {"task": task, "n_classes": classes, "n_columns": x.shape[1], "n_train": n_train, "n_test": n_test, "levels": levels, "sha256": digest}
        if path is not None:
            with open(path, "rb") as raw:
                meta["file_sha256"] = hashlib.sha256(raw.read()).hexdigest()
        return meta
    data.publish(folder, fill)
