# SPDX-License-Identifier: Apache-2.0
"""Train what is imported: python models.py FOLDER COLUMNS TREES LEAVES; by the Python that has the libraries.

FOLDER gets rows.f32, model.txt (LightGBM), model.ubj (XGBoost) and model.onnx (the trees of LightGBM, for ONNX Runtime).
"""
import pathlib
import sys

import lightgbm
import numpy as np
import xgboost

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "gbdt"))
import peers  # noqa: E402  pylint: disable=wrong-import-position

N_TRAIN, N_ROWS = 100_000, 10_000


def main():
    folder, n_columns, trees, leaves = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N_TRAIN + N_ROWS, n_columns)).astype(np.float32)
    logit = 1.2 * x[:, 0] * x[:, 1] + x[:, 2] + np.sin(3 * x[:, 3]) + x[:, 4:] @ rng.normal(0, 0.2, n_columns - 4)
    y = rng.random(len(x)) < 1 / (1 + np.exp(-logit))
    x[N_TRAIN:].tofile(folder / "rows.f32")
    x, y = x[:N_TRAIN], y[:N_TRAIN].astype(np.float32)
    booster = lightgbm.train({"objective": "binary", "num_leaves": leaves, "max_bin": 255, "learning_rate": 0.1, "num_threads": 2, "verbosity": -1, "seed": 1},
                             lightgbm.Dataset(x, y), trees)
    booster.save_model(folder / "model.txt")
    (folder / "model.onnx").write_bytes(peers.onnx_of(booster, n_columns))
    xgboost.train({"objective": "binary:logistic", "tree_method": "hist", "grow_policy": "lossguide", "max_leaves": leaves, "max_depth": 0, "eta": 0.1,
                   "nthread": 2, "seed": 1}, xgboost.QuantileDMatrix(x, y, nthread=2), trees).save_model(folder / "model.ubj")


main()
