# SPDX-License-Identifier: Apache-2.0
"""What a user of another library runs: read a CSV file, train, save the model, score it on a second file; prints the scores as JSON.

usage: python user.py lightgbm|xgboost TRAIN.csv TEST.csv MODEL TREES LEAVES THREADS
"""
import json
import os
import sys

import pandas


def read(train_path, test_path):
    """Frames without the target, and the targets; text becomes the categories of the training rows."""
    train, test = pandas.read_csv(train_path), pandas.read_csv(test_path)
    for name in train.columns:
        if train[name].dtype.kind not in "biuf":
            train[name] = train[name].astype("category")
            test[name] = pandas.Categorical(test[name], categories=train[name].cat.categories)
    return train.drop(columns="y"), train["y"], test.drop(columns="y"), test["y"]


def main():
    lib, train_path, test_path, model_path, trees, leaves, threads = sys.argv[1:]
    trees, leaves, threads = int(trees), int(leaves), int(threads)
    x, y, x_test, y_test = read(train_path, test_path)
    if lib == "lightgbm":
        import lightgbm
        params = {"objective": "binary", "num_leaves": leaves, "learning_rate": 0.1, "min_data_in_leaf": 20, "num_threads": threads, "verbosity": -1}
        model = lightgbm.train(params, lightgbm.Dataset(x, y), trees)
        model.save_model(model_path)
        answers = model.predict(x_test)
    else:
        import xgboost
        params = {"objective": "binary:logistic", "tree_method": "hist", "grow_policy": "lossguide", "max_leaves": leaves, "max_depth": 0, "eta": 0.1,
                  "lambda": 0, "nthread": threads}
        model = xgboost.train(params, xgboost.QuantileDMatrix(x, y, enable_categorical=True, nthread=threads), trees)
        model.save_model(f"{model_path}.ubj")
        answers = model.predict(xgboost.DMatrix(x_test, enable_categorical=True, nthread=threads))
    import scores
    print(json.dumps({"test": scores.score("binary", y_test.to_numpy(), answers)}), flush=True)
    os._exit(0)


main()
