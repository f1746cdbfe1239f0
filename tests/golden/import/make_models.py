#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models of other libraries, rows, and what the libraries answer for them.

usage: make_models.py OUT [--rows N] [--rounds N] [--only NAME...]

Writes OUT/CASE/{model.EXT, rows.csv, answers.csv, words}: words are options for `tidemill model import`. The files beside this
script are those of 60 rows and 4 rounds; tests/golden/import/requirements.txt has the versions that wrote them.
"""
import argparse
import pathlib

import numpy as np
import pandas as pd

CASES = {}


def case(name, *words):
    def keep(function):
        CASES[name] = (function, words)
        return function
    return keep


class World:
    """Rows with gaps, zeros and categories, and targets of every kind."""

    def __init__(self, n, seed=7):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame({
            "amount": rng.normal(size=n) * 10,
            "age": rng.integers(18, 90, n).astype(float),
            "spent": np.where(rng.random(n) < 0.5, 0, rng.normal(size=n)),
            "city": pd.Categorical(rng.choice([f"town {i}" for i in range(max(8, min(400, n // 10)))], n)),
            "kind": pd.Categorical(rng.integers(0, 8, n)),
        })
        table.loc[rng.random(n) < 0.1, "amount"] = np.nan
        self.score = (np.nan_to_num(table["amount"]) / 8 + np.sin(table["city"].cat.codes.to_numpy()) + (table["spent"] > 0.2)
                      + table["age"] / 60 + 0.3 * rng.normal(size=n)).to_numpy()
        table.loc[rng.random(n) < 0.1, "city"] = None
        self.train = table
        self.binary = (self.score > np.median(self.score)).astype(int)
        self.four = np.digitize(self.score, np.quantile(self.score, [0.25, 0.5, 0.75]))
        # Rows to predict have gaps where training had none, and numbers next to zero.
        later = table.copy()
        later.loc[rng.random(n) < 0.1, "age"] = np.nan
        later.loc[rng.random(n) < 0.1, "spent"] = np.nan
        later["spent"] = np.where(rng.random(n) < 0.05, 1e-36, later["spent"])
        later["spent"] = np.where(rng.random(n) < 0.05, -2e-35, later["spent"])
        self.later = later


def lightgbm(world, rounds, target, raw=False, columns=None, **params):
    """(write, answers, rows) of a LightGBM model."""
    import lightgbm as lgb
    group = params.pop("group", None)
    train, later = (world.train, world.later) if columns is None else (world.train[columns], world.later[columns])
    params = {"verbosity": -1, "num_threads": 2, "seed": 1, "min_data_in_leaf": 5, "num_leaves": 15, "min_data_per_group": 3, **params}
    booster = lgb.train(params, lgb.Dataset(train, target, group=group), rounds)
    return lambda folder: booster.save_model(folder / "model.txt"), booster.predict(later, raw_score=raw), later


@case("lightgbm_binary")
def lightgbm_binary(world, rounds):
    return lightgbm(world, rounds, world.binary, objective="binary")


@case("lightgbm_sigmoid", "--classes", "stays,leaves")
def lightgbm_sigmoid(world, rounds):
    return lightgbm(world, rounds, world.binary, objective="binary", sigmoid=2.0)


@case("lightgbm_raw", "--raw")
def lightgbm_raw(world, rounds):
    return lightgbm(world, rounds, world.binary, raw=True, objective="binary")


@case("lightgbm_zero_as_missing")
def lightgbm_zero_as_missing(world, rounds):
    return lightgbm(world, rounds, world.binary, objective="binary", zero_as_missing=True)


@case("lightgbm_no_missing")
def lightgbm_no_missing(world, rounds):
    return lightgbm(world, rounds, world.binary, objective="binary", use_missing=False)


@case("lightgbm_regression")
def lightgbm_regression(world, rounds):
    return lightgbm(world, rounds, world.score, objective="regression")


@case("lightgbm_sqrt")
def lightgbm_sqrt(world, rounds):
    return lightgbm(world, rounds, world.score, objective="regression", reg_sqrt=True)


@case("lightgbm_tweedie")
def lightgbm_tweedie(world, rounds):
    return lightgbm(world, rounds, np.exp(world.score / 4), objective="tweedie")


@case("lightgbm_cross_entropy")
def lightgbm_cross_entropy(world, rounds):
    return lightgbm(world, rounds, 1 / (1 + np.exp(-world.score)), objective="cross_entropy")


@case("lightgbm_cross_entropy_lambda")
def lightgbm_cross_entropy_lambda(world, rounds):
    return lightgbm(world, rounds, 1 / (1 + np.exp(-world.score)), objective="cross_entropy_lambda")


@case("lightgbm_multiclass")
def lightgbm_multiclass(world, rounds):
    return lightgbm(world, max(2, rounds // 2), world.four, objective="multiclass", num_class=4)


@case("lightgbm_multiclassova")
def lightgbm_multiclassova(world, rounds):
    return lightgbm(world, max(2, rounds // 2), world.four, objective="multiclassova", num_class=4)


@case("lightgbm_forest")
def lightgbm_forest(world, rounds):
    return lightgbm(world, rounds, world.binary, objective="binary", boosting="rf", bagging_freq=1, bagging_fraction=0.5)


@case("lightgbm_dart")
def lightgbm_dart(world, rounds):
    return lightgbm(world, rounds, world.score, objective="regression", boosting="dart")


@case("lightgbm_rank")
def lightgbm_rank(world, rounds):
    return lightgbm(world, rounds, world.four, objective="lambdarank", group=[20] * (len(world.four) // 20))


def xgboost(world, rounds, target, margin=False, columns=None, ext="json", ends=None, **params):
    """(write, answers, rows) of an XGBoost model."""
    import xgboost as xgb
    group = params.pop("group", None)
    train, later = (world.train, world.later) if columns is None else (world.train[columns], world.later[columns])
    params = {"nthread": 2, "seed": 1, "max_depth": 5, "tree_method": "hist", "max_cat_to_onehot": 3, **params}
    if params.get("booster") == "gblinear":
        for name in ("max_depth", "tree_method", "max_cat_to_onehot"):
            del params[name]
    data = xgb.DMatrix(train, target, enable_categorical=True)
    if group is not None:
        data.set_group(group)
    booster = xgb.train(params, data, rounds)
    answers = booster.predict(xgb.DMatrix(later, enable_categorical=True), output_margin=margin,
                              iteration_range=(0, ends) if ends else (0, 0))
    return lambda folder: booster.save_model(folder / f"model.{ext}"), answers, later


@case("xgboost_binary")
def xgboost_binary(world, rounds):
    return xgboost(world, rounds, world.binary, objective="binary:logistic")


@case("xgboost_ubj", "--raw")
def xgboost_ubj(world, rounds):
    return xgboost(world, rounds, world.binary, margin=True, ext="ubj", objective="binary:logistic")


@case("xgboost_rounds", "--rounds", "2")
def xgboost_rounds(world, rounds):
    return xgboost(world, rounds, world.score, ends=2, objective="reg:squarederror", num_parallel_tree=2, subsample=0.7)


@case("xgboost_numbers")
def xgboost_numbers(world, rounds):
    return xgboost(world, rounds, world.score, columns=["amount", "age", "spent"], objective="reg:pseudohubererror")


@case("xgboost_multiclass")
def xgboost_multiclass(world, rounds):
    return xgboost(world, max(2, rounds // 2), world.four, objective="multi:softprob", num_class=4, ext="ubj")


@case("xgboost_tweedie")
def xgboost_tweedie(world, rounds):
    return xgboost(world, rounds, np.exp(world.score / 4), objective="reg:tweedie")


@case("xgboost_poisson")
def xgboost_poisson(world, rounds):
    return xgboost(world, rounds, np.exp(world.score / 4), objective="count:poisson", ext="ubj")


@case("xgboost_logitraw")
def xgboost_logitraw(world, rounds):
    return xgboost(world, rounds, world.binary, objective="binary:logitraw")


@case("xgboost_dart")
def xgboost_dart(world, rounds):
    return xgboost(world, rounds, world.score, objective="reg:squarederror", booster="dart", rate_drop=0.5)


@case("xgboost_linear")
def xgboost_linear(world, rounds):
    return xgboost(world, rounds, world.score, columns=["amount", "age", "spent"], objective="reg:squarederror", booster="gblinear")


@case("xgboost_linear_classes")
def xgboost_linear_classes(world, rounds):
    return xgboost(world, rounds, world.four, columns=["amount", "age", "spent"], objective="multi:softprob", num_class=4, booster="gblinear")


@case("xgboost_leaves", "--raw")
def xgboost_leaves(world, rounds):
    """Not the library's sum in single precision, but the exact one of the leaves that it says each row reaches."""
    import json
    import tempfile
    import xgboost as xgb
    params = {"objective": "reg:squarederror", "nthread": 2, "seed": 1, "max_depth": 6, "tree_method": "hist", "max_cat_to_onehot": 3}
    booster = xgb.train(params, xgb.DMatrix(world.train, world.score, enable_categorical=True), rounds)
    reached = booster.predict(xgb.DMatrix(world.later, enable_categorical=True), pred_leaf=True).astype(int)
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        booster.save_model(file.name)
        told = json.load(file)["learner"]
    total = np.full(len(reached), float(np.float32(told["learner_model_param"]["base_score"].strip("[]"))))
    for number, tree in enumerate(told["gradient_booster"]["model"]["trees"]):
        total += np.array(tree["split_conditions"], dtype=np.float32).astype(float)[reached[:, number]]
    return lambda folder: booster.save_model(folder / "model.json"), total, world.later


@case("xgboost_rank")
def xgboost_rank(world, rounds):
    return xgboost(world, rounds, world.four, objective="rank:ndcg", group=[20] * (len(world.four) // 20))


def plain_number(value):
    value = value.item() if isinstance(value, np.generic) else value
    return int(value) if isinstance(value, bool) else value


def onnx(world, model, target, gaps=False, runtime=False, columns=("amount", "age", "spent")):
    """(write, answers, rows) of a scikit-learn model, by skl2onnx; the answers are scikit-learn's or ONNX Runtime's. Rows are single
    precision, as trees of scikit-learn see them."""
    import onnx.helper
    from skl2onnx import to_onnx
    plain = onnx.helper.make_attribute
    # skl2onnx hands numpy's numbers to onnx, which takes Python's alone.
    onnx.helper.make_attribute = lambda key, value, *rest, **more: plain(
        key, [plain_number(v) for v in value] if isinstance(value, (list, np.ndarray)) else value, *rest, **more)
    train, later = world.train[list(columns)].astype(np.float32), world.later[list(columns)].astype(np.float32)
    if not gaps:
        train, later = train.fillna(0), later.fillna(0)
    x = train.to_numpy()
    model.fit(x, target)
    made = to_onnx(model, x[:1], target_opset={"": 15, "ai.onnx.ml": 3})
    onnx.helper.make_attribute = plain
    if runtime:
        import onnxruntime
        named = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"X": later.to_numpy()})[1]
        answers = np.array([list(row.values()) for row in named])[:, 1]
        return lambda folder: (folder / "model.onnx").write_bytes(made.SerializeToString()), answers, later
    answers = model.predict_proba(later.to_numpy()) if hasattr(model, "predict_proba") else model.predict(later.to_numpy())
    answers = answers[:, 1] if answers.ndim == 2 and answers.shape[1] == 2 else answers
    return lambda folder: (folder / "model.onnx").write_bytes(made.SerializeToString()), answers, later


COLUMNS = ("--columns", "amount,age,spent")


@case("onnx_forest", *COLUMNS)
def onnx_forest(world, rounds):
    from sklearn.ensemble import RandomForestClassifier
    return onnx(world, RandomForestClassifier(rounds, max_depth=6, random_state=1), world.binary)


@case("onnx_forest_gaps", *COLUMNS)
def onnx_forest_gaps(world, rounds):
    """skl2onnx 1.20 loses where a forest of scikit-learn sends gaps: the file answers as ONNX Runtime does, not as scikit-learn."""
    from sklearn.ensemble import RandomForestClassifier
    return onnx(world, RandomForestClassifier(rounds, max_depth=6, random_state=1), world.binary, gaps=True, runtime=True)


@case("onnx_forest_classes", *COLUMNS)
def onnx_forest_classes(world, rounds):
    from sklearn.ensemble import RandomForestClassifier
    return onnx(world, RandomForestClassifier(rounds, max_depth=6, random_state=1), np.array(["a", "b", "c", "d"])[world.four])


@case("onnx_forest_regression", *COLUMNS)
def onnx_forest_regression(world, rounds):
    from sklearn.ensemble import ExtraTreesRegressor
    return onnx(world, ExtraTreesRegressor(rounds, max_depth=6, random_state=1), world.score)


@case("onnx_boosting", *COLUMNS)
def onnx_boosting(world, rounds):
    from sklearn.ensemble import GradientBoostingClassifier
    return onnx(world, GradientBoostingClassifier(n_estimators=rounds, random_state=1), world.binary)


@case("onnx_boosting_classes", *COLUMNS)
def onnx_boosting_classes(world, rounds):
    from sklearn.ensemble import GradientBoostingClassifier
    return onnx(world, GradientBoostingClassifier(n_estimators=rounds, random_state=1), world.four)


@case("onnx_boosting_regression", *COLUMNS)
def onnx_boosting_regression(world, rounds):
    from sklearn.ensemble import GradientBoostingRegressor
    return onnx(world, GradientBoostingRegressor(n_estimators=rounds, random_state=1), world.score)


@case("onnx_hist", *COLUMNS)
def onnx_hist(world, rounds):
    from sklearn.ensemble import HistGradientBoostingClassifier
    return onnx(world, HistGradientBoostingClassifier(max_iter=rounds, min_samples_leaf=5), world.binary, gaps=True)


@case("onnx_hist_classes", *COLUMNS)
def onnx_hist_classes(world, rounds):
    from sklearn.ensemble import HistGradientBoostingClassifier
    return onnx(world, HistGradientBoostingClassifier(max_iter=rounds, min_samples_leaf=5), world.four, gaps=True)


@case("onnx_hist_regression", *COLUMNS)
def onnx_hist_regression(world, rounds):
    from sklearn.ensemble import HistGradientBoostingRegressor
    return onnx(world, HistGradientBoostingRegressor(max_iter=rounds, min_samples_leaf=5), world.score, gaps=True)


@case("onnx_logistic", *COLUMNS)
def onnx_logistic(world, _):
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    return onnx(world, make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()), world.binary, gaps=True)


@case("onnx_logistic_classes", *COLUMNS)
def onnx_logistic_classes(world, _):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    return onnx(world, make_pipeline(StandardScaler(), LogisticRegression()), world.four)


@case("onnx_ridge", *COLUMNS)
def onnx_ridge(world, _):
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, RobustScaler
    return onnx(world, make_pipeline(MaxAbsScaler(), RobustScaler(), Ridge()), world.score)


@case("onnx_scaled_forest", *COLUMNS)
def onnx_scaled_forest(world, rounds):
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, Normalizer
    return onnx(world, make_pipeline(MinMaxScaler(), Normalizer("l2"), RandomForestClassifier(rounds, max_depth=4, random_state=1)),
                world.binary)


def write(name, out, rows, rounds):
    function, words = CASES[name]
    save(out / name, words, function(World(rows), rounds))


def save(folder, words, made):
    """One case: the model, rows, answers and words."""
    save_model, answers, later = made
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder)
    answers = np.asarray(answers)
    titles = ["prediction"] if answers.ndim == 1 else [f"c{i}" for i in range(answers.shape[1])]
    later.to_csv(folder / "rows.csv", index=False, float_format="%.17g")
    pd.DataFrame(answers.astype(float)).to_csv(folder / "answers.csv", index=False, float_format="%.17g", header=titles)
    (folder / "words").write_text("".join(word + "\n" for word in words), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    options = parser.parse_args()
    for name in CASES:
        if options.only is None or name in options.only:
            write(name, options.out, options.rows, options.rounds)


if __name__ == "__main__":
    main()
