# SPDX-License-Identifier: Apache-2.0
"""One run of a peer, measured, in a process of its own: python peers.py REQUEST, a JSON object; prints one line of JSON.

REQUEST: what (fit or predict), lib, folder, threads, repeats, trees, leaves, bins, options (of the peer); for fit out, the file for the test
answers; for predict program, lightgbm_predict.
"""
import itertools
import json
import os
import resource
import statistics
import sys
import time

import data
import numpy as np

RATE, MIN_ROWS = 0.1, 20


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def status_mib(key):
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(f"{key}:")) / 1024


class LightGBM:
    def __init__(self, request, rows):
        import lightgbm
        self.lib, self.rows = lightgbm, rows
        self.trees = request["trees"]
        objective = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}[rows.task]
        self.params = {"objective": objective, "num_leaves": request["leaves"], "max_bin": request["bins"], "learning_rate": RATE,
                       "min_data_in_leaf": MIN_ROWS, "num_threads": request["threads"], "verbosity": -1, "seed": 1, **request["options"]}
        if rows.task == "multiclass":
            self.params["num_class"] = rows.n_classes
        self.native = self.params.pop("categories", "native") == "native"

    def bin(self, x, y):
        columns = sorted(self.rows.levels) if self.native else []
        self.made = self.lib.Dataset(x, y, params=self.params, categorical_feature=columns).construct()

    def boost(self):
        self.model = self.lib.Booster(self.params, self.made)
        for _ in range(self.trees):
            if self.model.update():
                break

    def answers(self, x):
        return self.model.predict(x)

    def rounds(self):
        return self.model.current_iteration()


class XGBoost:
    def __init__(self, request, rows):
        import xgboost
        self.lib, self.rows = xgboost, rows
        self.trees, self.threads, self.bins = request["trees"], request["threads"], request["bins"] + 1
        objective = {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}[rows.task]
        options = dict(request["options"])
        policy = options.pop("grow_policy")
        shape = ({"grow_policy": policy, "max_leaves": request["leaves"], "max_depth": 0} if policy == "lossguide" else
                 {"grow_policy": policy, "max_depth": int(np.ceil(np.log2(request["leaves"])))})
        self.params = {"objective": objective, "tree_method": "hist", "max_bin": self.bins, "eta": RATE, "lambda": 0, "min_child_weight": 1,
                       "nthread": self.threads, "seed": 1, **shape, **options}
        if rows.task == "multiclass":
            self.params["num_class"] = rows.n_classes
        self.kinds = ["c" if c in rows.levels else "q" for c in range(rows.meta["n_columns"])]

    def bin(self, x, y):
        self.made = self.lib.QuantileDMatrix(x, y, feature_types=self.kinds, enable_categorical=True, max_bin=self.bins, nthread=self.threads)

    def boost(self):
        self.model = self.lib.train(self.params, self.made, self.trees)

    def answers(self, x):
        return self.model.predict(self.lib.DMatrix(x, feature_types=self.kinds, enable_categorical=True, nthread=self.threads))

    def rounds(self):
        return self.model.num_boosted_rounds()


class CatBoost:
    def __init__(self, request, rows):
        import catboost
        self.lib, self.rows, self.threads, self.bins = catboost, rows, request["threads"], request["bins"]
        options = dict(request["options"])
        policy = options.pop("grow_policy")
        depth = int(np.ceil(np.log2(request["leaves"])))
        # Lossguide counts leaves, and its depth may not pass 16; a symmetric tree of depth d has 2^d leaves.
        shape = ({"grow_policy": policy, "max_leaves": request["leaves"], "depth": 16, "min_data_in_leaf": MIN_ROWS} if policy == "Lossguide"
                 else {"grow_policy": policy, "depth": depth})
        self.params = {"loss_function": {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}[rows.task],
                       "iterations": request["trees"], "learning_rate": RATE, "l2_leaf_reg": 0, "random_strength": 0, "bootstrap_type": "No",
                       "boosting_type": "Plain", "leaf_estimation_iterations": 1, "thread_count": self.threads, "random_seed": 1,
                       "logging_level": "Silent", "allow_writing_files": False, **shape, **options}

    def pool(self, x, y):
        """Its categories come as whole numbers or text: columns of a frame."""
        if not self.rows.levels:
            return self.lib.Pool(x, y, thread_count=self.threads)
        return self.lib.Pool(self.framed(x), y, cat_features=sorted(self.rows.levels), thread_count=self.threads)

    def framed(self, x):
        import pandas
        columns = {str(c): np.nan_to_num(x[:, c], nan=-1).astype(np.int32) if c in self.rows.levels else x[:, c] for c in range(x.shape[1])}
        return pandas.DataFrame(columns)

    def prepare(self, x):
        """What a user's data would already be."""
        return self.framed(x) if self.rows.levels else x

    def bin(self, x, y):
        self.made = self.lib.Pool(x, y, cat_features=sorted(self.rows.levels) or None, thread_count=self.threads)
        self.made.quantize(border_count=min(self.bins - 1, 254), task_type="CPU")

    def boost(self):
        self.model = self.lib.CatBoost(self.params)
        self.model.fit(self.made)

    def answers(self, x):
        kind = "RawFormulaVal" if self.rows.task == "regression" else "Probability"
        p = self.model.predict(self.pool(x, None), prediction_type=kind, thread_count=self.threads)
        return p[:, 1] if self.rows.task == "binary" else p

    def rounds(self):
        return self.model.tree_count_


class ScikitLearn:
    def __init__(self, request, rows):
        from sklearn import ensemble
        kind = ensemble.HistGradientBoostingRegressor if rows.task == "regression" else ensemble.HistGradientBoostingClassifier
        # It refuses a categorical column of more levels than bins: such a column is a number to it.
        columns = [c for c, n in rows.levels.items() if n <= min(request["bins"], 255)]
        self.rows = rows
        self.seconds_bin = 0.0

        def timed(bin_data):
            def call(*words, **named):
                start = time.perf_counter()
                result = bin_data(*words, **named)
                self.seconds_bin += time.perf_counter() - start
                return result
            return call
        self.make = lambda: kind(max_iter=request["trees"], max_leaf_nodes=request["leaves"], max_bins=min(request["bins"], 255),
                                 learning_rate=RATE, min_samples_leaf=MIN_ROWS, early_stopping=False, categorical_features=columns or None,
                                 random_state=1, **request["options"])
        self.timed = timed

    def bin(self, x, y):
        self.x, self.y = x, y

    def boost(self):
        self.model = self.make()
        self.seconds_bin = 0.0
        self.model._bin_data = self.timed(self.model._bin_data)
        self.model.fit(self.x, self.y)

    def answers(self, x):
        if self.rows.task == "regression":
            return self.model.predict(x)
        p = self.model.predict_proba(x)
        return p[:, 1] if self.rows.task == "binary" else p

    def rounds(self):
        return self.model.n_iter_


PEERS = {"lightgbm": LightGBM, "xgboost": XGBoost, "catboost": CatBoost, "sklearn": ScikitLearn}


def fit(request):
    rows = data.Set(request["folder"])
    x, y = rows.part("train")
    peer = PEERS[request["lib"]](request, rows)
    if hasattr(peer, "prepare"):
        x = peer.prepare(x)
    input_mib = (x.nbytes if isinstance(x, np.ndarray) else int(x.memory_usage().sum())) / 2**20 + y.nbytes / 2**20
    times = {"bin_s": [], "boost_s": [], "total_s": []}
    repeats = request["repeats"]
    if repeats > 1:  # times of less than a second: the first is slower and not counted
        peer.bin(x, y)
        peer.boost()
    with open("/proc/self/clear_refs", "w", encoding="ascii") as refs:
        refs.write("5")
    before_mib, before_cpu = status_mib("VmRSS"), cpu_seconds()
    for _ in range(repeats):
        start = time.perf_counter()
        peer.bin(x, y)
        middle = time.perf_counter()
        peer.boost()
        end = time.perf_counter()
        inside = getattr(peer, "seconds_bin", 0.0)  # binning that happened while fitting
        times["bin_s"].append(middle - start + inside)
        times["boost_s"].append(end - middle - inside)
        times["total_s"].append(end - start)
    cpu_s, memory_mib = (cpu_seconds() - before_cpu) / repeats, status_mib("VmHWM") - before_mib
    np.asarray(peer.answers(rows.part("test")[0]), dtype="<f8").tofile(request["out"])
    return {**{name: statistics.median(values) for name, values in times.items()}, "cpu_s": cpu_s, "memory_mib": memory_mib,
            "input_mib": input_mib, "n_rounds": peer.rounds()}


def median_seconds(call, repeats):
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def onnx_of(model, n_columns):
    """A LightGBM model of numbers as an ONNX tree ensemble that gives its raw score."""
    import onnx
    found = {name: [] for name in ("nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes", "nodes_truenodeids",
                                   "nodes_falsenodeids", "target_treeids", "target_nodeids", "target_ids", "target_weights")}

    def add(tree, node, numbers):
        number = next(numbers)
        found["nodes_treeids"].append(tree)
        found["nodes_nodeids"].append(number)
        at = len(found["nodes_values"])
        is_leaf = "leaf_value" in node
        threshold = 0.0 if is_leaf else float(np.float32(node["threshold"]))
        if not is_leaf and threshold > node["threshold"]:  # rows are float32: the same side for all of them
            threshold = float(np.nextafter(np.float32(threshold), np.float32(-np.inf)))
        found["nodes_values"].append(threshold)
        found["nodes_modes"].append("LEAF" if is_leaf else "BRANCH_LEQ")
        found["nodes_featureids"].append(0 if is_leaf else node["split_feature"])
        found["nodes_truenodeids"].append(0)
        found["nodes_falsenodeids"].append(0)
        if is_leaf:
            for name, value in (("treeids", tree), ("nodeids", number), ("ids", 0), ("weights", node["leaf_value"])):
                found[f"target_{name}"].append(value)
        else:
            found["nodes_truenodeids"][at] = add(tree, node["left_child"], numbers)
            found["nodes_falsenodeids"][at] = add(tree, node["right_child"], numbers)
        return number

    for tree in model.dump_model()["tree_info"]:
        add(tree["tree_index"], tree["tree_structure"], itertools.count())
    node = onnx.helper.make_node("TreeEnsembleRegressor", ["x"], ["score"], domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM", **found)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph([node], "trees", [value("x", onnx.TensorProto.FLOAT, [None, n_columns])],
                                   [value("score", onnx.TensorProto.FLOAT, [None, 1])])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("ai.onnx.ml", 3), onnx.helper.make_opsetid("", 17)])
    made.ir_version = 8
    return made.SerializeToString()


def lightgbm_model(request):
    """The model of LightGBM that the predictions are of, fitted once for a folder."""
    import lightgbm
    path = os.path.join(request["folder"], f"lightgbm-{request['trees']}x{request['leaves']}.txt")
    if not os.path.exists(path):
        rows = data.Set(request["folder"])
        peer = LightGBM({**request, "lib": "lightgbm", "options": {}}, rows)
        peer.bin(*rows.part("train"))
        peer.boost()
        peer.model.save_model(f"{path}.part")
        os.rename(f"{path}.part", path)
    return lightgbm.Booster(model_file=path), path


def predict(request):
    """Time of one row where the library has a call for it in C, and rows a second of all test rows at once, raw scores."""
    rows = data.Set(request["folder"])
    x = rows.part("test")[0]
    lib = request["lib"]
    if lib == "lightgbm":
        import lightgbm
        model, path = lightgbm_model(request)
        library = os.path.join(os.path.dirname(lightgbm.__file__), "lib", "lib_lightgbm.so")
        words = [request["program"], library, path, os.path.join(request["folder"], "test_x.f32"), x.shape[1], request["threads"], request["repeats"]]
        os.execv(request["program"], [str(word) for word in words])
    if lib == "xgboost":
        peer = XGBoost(request, rows)
        peer.bin(*rows.part("train"))
        peer.boost()
        peer.model.set_param({"nthread": request["threads"]})
        seconds = median_seconds(lambda: peer.model.inplace_predict(x, predict_type="margin"), request["repeats"])
        return {"krows_s": len(x) / seconds / 1000}
    import onnxruntime
    model, _ = lightgbm_model(request)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    session = onnxruntime.InferenceSession(onnx_of(model, x.shape[1]), options, providers=["CPUExecutionProvider"])
    answers = session.run(None, {"x": x[:1000]})[0][:, 0]
    if np.abs(answers - model.predict(x[:1000], raw_score=True)).max() > 1e-3:
        raise ValueError("the ONNX model answers otherwise than the model it was made from")
    return {"krows_s": len(x) / median_seconds(lambda: session.run(None, {"x": x}), request["repeats"]) / 1000}


def main():
    request = json.loads(sys.argv[1])
    print(json.dumps(predict(request) if request["what"] == "predict" else fit(request)), flush=True)
    # Libraries that end their threads slowly are no part of the run.
    os._exit(0)


if __name__ == "__main__":
    main()
