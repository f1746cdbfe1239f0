# SPDX-License-Identifier: Apache-2.0
"""Random tables and random recipes for tools/same: pure functions of a seed, written as files that the driver reads."""
import datetime
import os
import random

WORDS = "late cargo fog gear bird runway delay crew fuel ice storm gate radar wing east hail tower brake taxi climb".split()


def number_text(rng, kind, signal):
    """A cell of a numeric column as text; every kind carries some signal."""
    if kind == "normal":
        return repr(round(rng.gauss(signal, 1), 6))
    if kind == "whole":
        return str(int(rng.gauss(40 + 10 * signal, 15)))
    if kind == "tail":
        return repr(10 ** rng.gauss(signal, 3))
    if kind == "coarse":
        return repr(round(signal + rng.random(), 1))
    if kind == "extreme":
        return rng.choice(["0", "-0.0", "1e300", "-1e300", "4.9e-324", "2.3e-310", "1e-300", repr(signal)])
    if kind == "year":
        return str(rng.randint(1900, 2030))
    return "7"  # constant


def text_cell(rng, kind, signal, levels):
    """A cell of a text, category, truth or time column."""
    if kind == "category":
        return levels[int(abs(rng.gauss(signal, 1)) * 3) % len(levels)]
    if kind == "sentence":
        words = [rng.choice(WORDS[:10] if signal > 0 else WORDS[8:]) for _ in range(rng.randint(1, 9))]
        return " ".join(words)
    if kind == "truth":
        return "true" if rng.gauss(signal, 1) > 0 else "false"
    start = datetime.datetime(2020, 1, 1)
    return (start + datetime.timedelta(minutes=rng.randint(0, 700000))).isoformat()


def target_text(rng, task, signal, n_classes, scale):
    noisy = signal + rng.gauss(0, 0.6)
    if task == "binary":
        return "yes" if noisy > 0.2 else "no"
    if task == "ranking":
        return str(max(0, min(4, int(2 + 2 * signal))))
    if task == "multiclass":
        return "class-%d" % (int((noisy + 3) * n_classes / 6) % n_classes)
    return repr(noisy * scale + scale / 3)


def quoted(text):
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


def make_table(rng, path, n_rows, task, is_mixed):
    """Write a CSV file; the names of its columns. A mixed one has text and signal across columns: learners blend there."""
    kinds = [rng.choice(["normal", "normal", "whole", "tail", "coarse", "extreme", "year", "constant"]) for _ in range(rng.randint(2, 7))]
    texts = [rng.choice(["category", "category", "sentence", "truth", "time"]) for _ in range(rng.randint(0, 4))]
    if is_mixed:
        kinds[:2], texts[:1] = ["normal", "coarse"], ["sentence"]
    missing = [rng.choice([0, 0, 0.02, 0.3]) for _ in kinds + texts]
    weights = [rng.gauss(0, 1) for _ in kinds + texts]
    levels = [f"L{i}" if i % 5 else f"\u00fcber, {i}" for i in range(rng.choice([3, 12, 90]))]
    bend = rng.choice([0.25, 0.5] if is_mixed else [0, 0.5])
    n_classes, scale = rng.randint(3, 7), 10.0 ** rng.randint(-6, 8)
    names = [f"n{i}_{k}" for i, k in enumerate(kinds)] + [f"t{i}_{k}" for i, k in enumerate(texts)]
    lines = [",".join(names + ["at", "who", "weight", "target"])]
    for row in range(n_rows):
        hidden = [rng.gauss(0, 1) for _ in names]
        # Partly along the columns and partly across them, so that no kind of learner has it all.
        signal = sum(w * h for w, h in zip(weights, hidden)) / (len(names) ** 0.5)
        signal += bend * hidden[0] * hidden[1]
        cells = [number_text(rng, k, h) for k, h in zip(kinds, hidden)]
        cells += [text_cell(rng, k, h, levels) for k, h in zip(texts, hidden[len(kinds):])]
        cells = ["" if rng.random() < m else c for c, m in zip(cells, missing)]
        cells += [f"2021-{1 + row * 12 // n_rows:02d}-{rng.randint(1, 28):02d}", f"w{rng.randint(0, 40)}", rng.choice(["1", "0.5", "3", "0"]),
                  target_text(rng, task, signal, n_classes, scale)]
        lines.append(",".join(quoted(c) for c in cells))
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    return names


def gbdt_params(rng, task):
    """Parameters of one boosted fit, each given half of the time."""
    choices = {"n_trees": [5, 30, 80], "max_leaves": [2, 7, 31, 120], "max_depth": [0, 3, 8], "max_bins": [2, 16, 63, 255],
               "learning_rate": [0.03, 0.1, 0.7], "min_rows_in_leaf": [1, 5, 40], "l1": [0, 0.3, 5], "l2": [0, 0.01, 3],
               "row_sample": [1, 0.5, 0.8], "column_sample": [1, 0.4, 0.7], "early_stopping": [0, 3, 20]}
    if task == "ranking":
        choices.update(objective=["lambdarank", "squared"], rank_truncation=[2, 30])
    if task in ("binary", "multiclass"):
        choices.update(class_weights=["none", "balanced"])
    if task == "regression":
        choices.update(objective=["squared", "absolute", "huber", "quantile"], quantile_alpha=[0.1, 0.7], huber_delta=[0.01, 5])
    return [f"gbdt.{name}={rng.choice(values)}" for name, values in choices.items() if name == "n_trees" or rng.random() < 0.5]


def linear_params(rng):
    choices = {"strength": [0.001, 0.1, 2], "l1_ratio": [0, 0.5, 1], "max_iter": [5, 60], "tol": [1e-3, 1e-9]}
    return [f"linear.{name}={rng.choice(values)}" for name, values in choices.items() if name == "strength" or rng.random() < 0.5]


def make_recipe(rng, kind, task):
    """A recipe of one of the kinds: a fit of a learner, or a search among some (which may end in a blend)."""
    recipe = {"seed": rng.randint(0, 10 ** 12), "params": [], "drop": []}
    if kind == "gbdt":
        recipe.update(learners="gbdt", params=gbdt_params(rng, task))
    elif kind == "linear":
        recipe.update(learners="linear", params=linear_params(rng))
    elif kind == "clock":
        recipe.update(learners="gbdt,linear", budget_ms=rng.choice([40, 120]))
    else:
        recipe.update(work=rng.choice([500000, 20000000, 100000000]))
        if kind != "all":
            recipe["learners"] = kind
    return recipe


KINDS = ("gbdt", "gbdt", "gbdt", "linear", "gbdt,linear", "all", "gbdt,linear,baseline", "clock", "linear,baseline")


def made_config(seed, number, folder, is_quick):
    """Configuration `number` of a seed on a table of its own; some have more rows than a chunk of a parallel sum (4096)."""
    rng = random.Random(f"same {seed} {number}")
    task = rng.choice(["binary", "multiclass", "regression", "ranking"])
    n_rows = rng.choice([150, 300, 700, 4400] if is_quick else [150, 400, 900, 1500, 5000, 9000])
    kind = KINDS[number % len(KINDS)]
    recipe = make_recipe(rng, kind, task)
    if is_quick and "work" in recipe:
        recipe["work"] = min(recipe["work"], 1000000)
    path = os.path.join(folder, f"made-{number}.csv")
    names = make_table(rng, path, n_rows, task, "," in kind or kind == "all")
    recipe.update(target="target", task="ranking" if task == "ranking" else rng.choice(["auto", task]))
    recipe["drop"] = [n for n in ["who", "at"] + names if rng.random() < (0.4 if n in ("who", "at") else 0.08)]
    if task == "ranking":
        recipe.update(group="who", drop=[n for n in recipe["drop"] if n != "who"])
    free = [n for n in ("who", "at") if n not in recipe["drop"]]
    if rng.random() < 0.4:
        recipe["weight"] = "weight"
    if "who" in free and rng.random() < 0.3:
        recipe["entity"] = "who"
    if "at" in free and rng.random() < 0.3:
        recipe["time"] = "at"
    splits = ["auto", "random:0.2", "last:0.25", "mod:5:4", "none"]
    splits += ["group:who:0.3"] if "who" in free else []
    splits += ["time:at:0.2", "time:at:2021-09-15"] if "at" in free else []
    recipe["split"] = rng.choice(splits)
    return {"id": f"made-{number} {kind} {task} {n_rows}", "path": path, "recipe": recipe}


def real_config(seed, number, path, rows):
    """A table of a folder with a column drawn as its target."""
    rng = random.Random(f"real {seed} {number} {os.path.basename(path)}")
    kind = KINDS[rng.randrange(len(KINDS))]
    recipe = make_recipe(rng, kind, "auto")
    recipe.update(task="auto", split=rng.choice(["auto", "random:0.2", "last:0.2", "mod:4:1"]))
    if "budget_ms" not in recipe and not recipe["params"]:
        recipe["work"] = min(recipe["work"], 20000000)
    return {"id": f"real-{number} {os.path.basename(path)} {kind}", "path": path, "rows": rows, "target_index": rng.randrange(1000),
            "recipe": recipe}
