# SPDX-License-Identifier: Apache-2.0
"""Train one LightGBM model of 100 trees of 31 leaves and save it: python model.py FOLDER FIELDS; by the Python that has MLflow.

FOLDER gets model.txt, mlflow/ and mlflow-signed/ (MLflow's own format, without and with a signature) and row.json, a row of the columns.
"""
import json
import pathlib
import sys

import lightgbm
import mlflow.lightgbm
import mlflow.models
import numpy as np
import pandas as pd


def main():
    folder, fields = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    rng = np.random.default_rng(1)
    names = [f"field_{i:02d}" for i in range(fields)]
    x = pd.DataFrame(rng.normal(size=(20_000, fields)).round(5), columns=names)
    y = (x["field_00"] * x["field_01"] + x["field_02"] + 0.5 * rng.normal(size=len(x)) > 0).astype(int)
    booster = lightgbm.train({"objective": "binary", "num_leaves": 31, "verbosity": -1, "seed": 1, "num_threads": 1}, lightgbm.Dataset(x, y), 100)
    booster.save_model(folder / "model.txt")
    mlflow.lightgbm.save_model(booster, folder / "mlflow", pip_requirements=[])
    # As autolog and MLflow's documentation have it: names and types of columns are checked, as Tidemill always does.
    signature = mlflow.models.infer_signature(x, booster.predict(x))
    mlflow.lightgbm.save_model(booster, folder / "mlflow-signed", signature=signature, pip_requirements=[])
    row = x.iloc[0].to_dict()
    (folder / "row.json").write_text(json.dumps({"row": row, "probability": float(booster.predict(x.iloc[:1])[0])}), encoding="utf-8")


main()
