#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Boosted trees of Tidemill beside those of other libraries, on the same rows.

Each run is a process of its own. A round runs every configuration once, in an order that is rotated by one each round; round r learns from
seed r modulo --seeds. What ran is a row in runs.csv of --work, and is not run again for the same commit: a run that was stopped goes on where
it was. Tables go to stdout, progress to stderr.
"""
import argparse
import csv
import datetime
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = ROOT / "build" / "bench" / "gbdt"
PROGRAM = BUILT / "gbdt_run"
FIELDS = ["time", "commit", "part", "data", "rows", "train_rows", "columns", "seed", "round", "config", "version", "threads", "trees", "leaves", "bins",
          "bin_s", "boost_s", "total_s", "cpu_s", "memory_mib", "input_mib", "n_rounds", "score_name", "score", "score2_name", "score2",
          "bayes_auc", "row_us_p50", "row_us_p99", "krows_s", "other_cpus", "status"]
KEY = ["commit", "part", "data", "rows", "seed", "round", "config", "threads", "trees", "leaves", "bins"]
# Configuration: (library, its options)
CONFIGS = {"tidemill": ("tidemill", {}),
           "lightgbm": ("lightgbm", {}),
           "lightgbm-quant": ("lightgbm", {"use_quantized_grad": True}),
           "lightgbm-ordinal": ("lightgbm", {"categories": "ordinal"}),
           "xgboost": ("xgboost", {"grow_policy": "lossguide"}),
           "xgboost-depth": ("xgboost", {"grow_policy": "depthwise"}),
           "catboost": ("catboost", {"grow_policy": "Lossguide"}),
           "catboost-sym": ("catboost", {"grow_policy": "SymmetricTree"}),
           "sklearn": ("sklearn", {}),
           "onnxruntime": ("onnxruntime", {})}
OF_PREDICT, OF_USER = ["lightgbm", "xgboost", "onnxruntime"], ["lightgbm", "xgboost"]
CURVE_TREES = [10, 25, 50, 100, 200, 400]
SAID = ["bin_s", "boost_s", "total_s", "cpu_s", "memory_mib", "score", "row_us_p50", "krows_s", "other_cpus"]
DISTURBED_CPUS = 0.25  # used by other processes during a run
PARTS = {"higgs": "28 numbers", "airline": "6 categories of 8 columns", "wide": "500 columns", "small": "1,000 rows, 100 trees of 31 leaves, 64 bins",
         "predict": "one row and batches", "user": "from a CSV file to a saved and scored model", "real": "sets of --data and of scikit-learn",
         "curve": "score against seconds"}


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def numbers(text):
    return [int(float(word)) for word in text.split(",")]


def words(known):
    def parse(text):
        found = text.split(",")
        for word in found:
            if word not in known:
                raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(known)}")
        return found
    return parse


def variant(text):
    name, _, rest = text.partition(":")
    if not rest or any("=" not in word for word in rest.split(",")):
        raise argparse.ArgumentTypeError("wants NAME:PARAM=VALUE,PARAM=VALUE")
    return f"tidemill:{name}", dict(word.split("=", 1) for word in rest.split(","))


def parse_words(arguments):
    parser = argparse.ArgumentParser(prog="./run bench gbdt", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", type=pathlib.Path, help="folder with real sets; without it only generated ones and those of scikit-learn are measured")
    parser.add_argument("--only", metavar="PART,...", type=words(list(PARTS)), default=list(PARTS), help="; ".join(f"{name}: {what}" for name, what in PARTS.items()))
    parser.add_argument("--sets", metavar="NAME,...", type=lambda text: text.split(","), help="of the real sets; default: all that are there")
    parser.add_argument("--peers", metavar="NAME,...", type=words(list(CONFIGS)), default=list(CONFIGS), help=f"of {', '.join(CONFIGS)}; tidemill always runs")
    parser.add_argument("--variant", metavar="NAME:PARAM=VALUE,...", type=variant, action="append", default=[], help="Tidemill once more with these parameters")
    parser.add_argument("--rows", metavar="N,...", type=numbers, default=[10_000, 100_000, 1_000_000], help="of higgs, airline, wide (at most 100,000), user (at most 1,000,000, the two largest) and curve; default 1e4,1e5,1e6, and 1e7 is possible")
    parser.add_argument("--threads", metavar="N,...", type=numbers, default=[1, 2])
    parser.add_argument("--trees", metavar="N", type=int, default=100)
    parser.add_argument("--leaves", metavar="N", type=int, default=255, help="of generated sets (small: 31)")
    parser.add_argument("--rounds", metavar="N", type=int, default=5)
    parser.add_argument("--seeds", metavar="N", type=int, help="different draws of the rows; default: one for each round")
    parser.add_argument("--limit-minutes", metavar="N", type=float, help="begin no run that would not end in time")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=3600, help="of one run")
    parser.add_argument("--retries", metavar="N", type=int, default=1, help="of a run in which other processes used over a quarter of a CPU; the quietest counts")
    parser.add_argument("--work", metavar="DIR", type=pathlib.Path, default=ROOT / "build" / "bench" / "gbdt", help="virtual environment, data, runs.csv")
    parser.add_argument("--report", action="store_true", help="run nothing: tables of what is in runs.csv for this commit")
    parser.add_argument("--record", action="store_true", help="keep the runs, tables and curve in bench/gbdt/results and print the summary alone")
    parser.add_argument("--quick", action="store_true", help="tiny data, one round, one thread: does it work at all; its runs are kept apart")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rows, options.trees, options.leaves, options.rounds, options.threads, options.retries = [2000], 5, 31, 1, [1], 0
        options.sets = options.sets or ["california" if options.data else "digits"]
    options.seeds = options.seeds or options.rounds
    options.peers = [c for c in CONFIGS if c in options.peers and c != "tidemill"]
    options.limit_at = time.monotonic() + 60 * options.limit_minutes if options.limit_minutes else float("inf")
    return options


def enter_environment(work):
    """Go on in the virtual environment that requirements.txt describes; made when it is not there."""
    requirements = HERE / "requirements.txt"
    want = hashlib.sha256(requirements.read_bytes()).hexdigest()
    venv = work / "venv"
    stamp = venv / "requirements.sha256"
    if not stamp.exists() or stamp.read_text(encoding="ascii") != want:
        say(f"bench: making {venv}")
        shutil.rmtree(venv, ignore_errors=True)
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True)
        # Every package is named there, with its hash: nothing else may come along.
        subprocess.run([venv / "bin" / "pip", "install", "-q", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", requirements], check=True)
        stamp.write_text(want, encoding="ascii")
    if pathlib.Path(sys.prefix).resolve() != venv.resolve():
        python = venv / "bin" / "python"
        os.execv(python, [str(python), str(HERE / "bench.py"), *sys.argv[1:]])


def commit_of_measured():
    """The last commit of what is measured and of how; with the hash of what is not committed yet."""
    measuring = ["gbdt_run.c", "lightgbm_predict.c", "peers.py", "user.py", "made_sets.py", "real_sets.py", "data.py", "scores.py", "requirements.txt"]
    paths = ["src", "include", "meson.build", *(f"bench/gbdt/{name}" for name in measuring)]

    def git(*arguments):
        return subprocess.run(["git", "-C", ROOT, *arguments], stdout=subprocess.PIPE, check=True).stdout
    commit = git("log", "-1", "--format=%h", "--", *paths).decode().strip()
    changed = git("diff", "HEAD", "--", *paths)
    return f"{commit}+{hashlib.sha256(changed).hexdigest()[:7]}" if changed else commit


def versions():
    from importlib import metadata
    return {"lightgbm": metadata.version("lightgbm"), "xgboost": metadata.version("xgboost"), "catboost": metadata.version("catboost"),
            "sklearn": metadata.version("scikit-learn")}


class Plan:
    """One set to learn from, and what all configurations have in common."""

    def __init__(self, options, part, name, rows, trees, leaves=None, **more):
        self.part, self.name, self.rows, self.trees, self.leaves, self.bins = part, name, rows, trees, leaves or options.leaves, 255
        self.repeats = 1  # of the fit, or of the prediction, in one process
        self.n_test = 2000 if options.quick else None
        self.threads, self.rounds = options.threads, options.rounds
        self.source = None  # folder of a real set
        self.peers = [c for c in options.peers if c != "onnxruntime" and (c != "lightgbm-ordinal" or name == "airline")]
        self.__dict__.update(more)

    def configs(self, options):
        return ["tidemill", *(name for name, _ in options.variant), *self.peers]


def up_to(most, rows):
    """Numbers of rows, none over most."""
    return sorted({min(n, most) for n in rows})


def plans(options):
    """The sets of a round, in order."""
    import real_sets
    made, quick = [], options.quick
    most = [max(options.threads)]
    for part in options.only:
        if part in ("higgs", "airline", "wide"):
            made += [Plan(options, part, part, rows, options.trees) for rows in (up_to(100_000, options.rows) if part == "wide" else options.rows)]
        elif part == "small":
            made.append(Plan(options, part, part, 1000, options.trees, 31, bins=64, repeats=3 if quick else 30))
        elif part == "predict":
            for trees, leaves in ((5, 31),) if quick else ((100, 31), (500, 255)):
                made.append(Plan(options, part, "higgs", 2000 if quick else 100_000, trees, leaves, repeats=3 if quick else 7,
                                 peers=[c for c in OF_PREDICT if c in options.peers]))
        elif part == "user":
            for rows in up_to(1_000_000, options.rows)[-2:]:
                made += [Plan(options, part, name, rows, options.trees, peers=[c for c in OF_USER if c in options.peers]) for name in ("higgs", "airline")]
        elif part == "real":
            names = options.sets or real_sets.there(options.data)[0]
            made += [Plan(options, part, name, 0, options.trees, 31, n_test=None, threads=most, source=options.data) for name in names]
        elif part == "curve":
            rows = max(up_to(1_000_000, options.rows))
            peers = [c for c in options.peers if c not in ("lightgbm-ordinal", "onnxruntime") and (c == "lightgbm" or not quick)]
            made += [Plan(options, part, "higgs", rows, trees, threads=most, rounds=1, peers=peers) for trees in ([2, 5] if quick else CURVE_TREES)]
    return made


def runs_of(options, commit):
    """Every run, first all of round 0."""
    for round_number in range(options.rounds):
        for plan in plans(options):
            configs = plan.configs(options)
            at = round_number % len(configs)
            for threads in plan.threads if round_number < plan.rounds else []:
                for config in configs[at:] + configs[:at]:
                    yield plan, {"commit": commit, "part": plan.part, "data": plan.name, "rows": plan.rows, "seed": round_number % options.seeds,
                                 "round": round_number, "config": config, "threads": threads, "trees": plan.trees, "leaves": plan.leaves,
                                 "bins": plan.bins}


def set_folder(options, plan, seed):
    """The folder of a set, made when it is not there."""
    import data
    import real_sets
    made_by = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in ("made_sets.py", "real_sets.py", "data.py")))
    if plan.part == "real":
        made_by.update(real_sets.stamp(plan.source, plan.name).encode())
    folder = options.work / "data" / f"{plan.name}-{plan.rows or 'real'}-{plan.n_test or 'all'}-{seed}-{made_by.hexdigest()[:8]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        say(f"bench: making {folder.name}")
        if plan.part == "real":
            real_sets.make(str(folder), plan.source, plan.name, seed)
        else:
            data.make_generated(str(folder), plan.name, plan.rows, seed, plan.n_test)
    if plan.part == "user" and not (folder / "test.csv").exists():
        data.write_csv(str(folder))
    return folder


def busy_seconds():
    """CPU time that anything used on this machine."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, soft, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def execute(command, threads, timeout):
    """(the JSON that it printed, what the process took); RuntimeError with the reason."""
    cpus = sorted(os.sched_getaffinity(0))
    mine = cpus[-threads:] if threads < len(cpus) else cpus
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "OPENBLAS_", "MKL_", "TIDEMILL"))}
    environment.update(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS="1")
    start, busy = time.monotonic(), busy_seconds()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(list(map(str, command)), stdout=out, stderr=err, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, mine))
        watch = threading.Timer(timeout, process.kill)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - start
        is_late = not watch.is_alive()
        watch.cancel()
        out.seek(0)
        err.seek(0)
        printed, said = out.read(), err.read()
    cpu = usage.ru_utime + usage.ru_stime
    if is_late:
        raise RuntimeError(f"took more than {timeout:g} s")
    if process.returncode != 0:
        raise RuntimeError((said.strip().splitlines() or [f"ended with {process.returncode}"])[-1][:200])
    found = json.loads(printed[printed.index("{"):])
    return found, {"total_s": wall, "cpu_s": cpu, "memory_mib": usage.ru_maxrss / 1024, "other_cpus": max(0.0, (busy_seconds() - busy - cpu) / wall)}


def our_words(run, variants):
    """Parameters of Tidemill that say the same as those of the peers."""
    given = {"n_trees": run["trees"], "max_leaves": run["leaves"], "max_bins": run["bins"], "learning_rate": 0.1, "min_rows_in_leaf": 20,
             "l1": 0, "l2": 0, "early_stopping": 0}
    given.update(variants.get(run["config"], {}))
    return [f"{name}={value}" for name, value in given.items()]


def command_of(options, plan, run, what, folder, out):
    """Words that run one fit or prediction."""
    if run["config"].startswith("tidemill"):
        return [PROGRAM, what, folder, run["threads"], plan.repeats, out, *our_words(run, dict(options.variant))]
    lib, special = CONFIGS[run["config"]]
    request = {"what": what, "lib": lib, "folder": str(folder), "threads": run["threads"], "repeats": plan.repeats, "trees": run["trees"],
               "leaves": run["leaves"], "bins": run["bins"], "options": special, "out": str(out), "program": str(BUILT / "lightgbm_predict")}
    return [sys.executable, HERE / "peers.py", json.dumps(request)]


def named_scores(found):
    """The columns of the file for {score: value}."""
    (name, value), *rest = found.items()
    return {"score_name": name, "score": value, **({"score2_name": rest[0][0], "score2": rest[0][1]} if rest else {})}


def fit(options, plan, run):
    """Results of one fit."""
    import data
    import numpy as np
    import scores
    folder = set_folder(options, plan, run["seed"])
    rows = data.Set(folder)
    out = options.work / "answers.f64"
    out.unlink(missing_ok=True)
    result, usage = execute(command_of(options, plan, run, "fit", folder, out), run["threads"], options.timeout)
    answers = np.fromfile(out, dtype="<f8")
    y = rows.y_test
    if rows.task == "multiclass":
        answers = answers.reshape(len(y), -1)
    return {**result, "columns": rows.meta["n_columns"], "train_rows": rows.meta["n_train"], "bayes_auc": rows.meta.get("bayes_auc"),
            "other_cpus": usage["other_cpus"], **named_scores(scores.score(rows.task, y, answers))}


def predict(options, plan, run):
    """Results of predictions."""
    folder = set_folder(options, plan, run["seed"])
    result, usage = execute(command_of(options, plan, run, "predict", folder, "-"), run["threads"], options.timeout)
    return {**result, "other_cpus": usage["other_cpus"]}


def use(options, plan, run):
    """Results of what a user does: from the CSV file to the saved model and its test scores, the whole process."""
    import data
    folder = set_folder(options, plan, run["seed"])
    home = options.work / "user"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    if run["config"].startswith("tidemill"):
        command = [ROOT / "build" / "tidemill", "train", folder / "train.csv", "--test", folder / "test.csv", "--target", "y", "--home", home,
                   "--learner", "gbdt", "--threads", run["threads"], "--json", "-q"]
        for word in our_words(run, dict(options.variant)):
            command += ["--param", f"gbdt.{word}"]
    else:
        command = [sys.executable, HERE / "user.py", CONFIGS[run["config"]][0], folder / "train.csv", folder / "test.csv", home / "model", run["trees"],
                   run["leaves"], run["threads"]]
    result, usage = execute(command, run["threads"], options.timeout)
    shutil.rmtree(home)
    meta = data.Set(folder).meta
    found = {name: result["test"][name] for name in ("auc", "logloss")}
    return {**usage, "columns": meta["n_columns"], "train_rows": meta["n_train"], "bayes_auc": meta["bayes_auc"], **named_scores(found)}


def as_text(run):
    return {name: f"{value:.7g}" if isinstance(value, float) else value for name, value in run.items()}


class Runs:
    """The file of runs."""

    def __init__(self, path):
        import table
        self.path = path
        self.rows = []
        if path.exists():
            with open(path, encoding="utf-8", newline="") as lines:
                self.rows = [table.parse(row) for row in csv.DictReader(lines)]
        self.done = {self.key(row) for row in self.rows if row["status"] == "ok"}

    @staticmethod
    def key(run):
        return tuple(run[name] for name in KEY)

    def add(self, run):
        fresh = not self.path.exists()
        with open(self.path, "a", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, FIELDS)
            if fresh:
                writer.writeheader()
            writer.writerow(as_text(run))
        self.rows.append({name: run.get(name) for name in FIELDS})
        if run["status"] == "ok":
            self.done.add(self.key(run))


def perform(options, runs, commit):
    """Run what is not there yet; how many did not run for want of time."""
    wanted = list(runs_of(options, commit))
    missing = [(plan, run) for plan, run in wanted if runs.key(run) not in runs.done]
    say(f"bench: commit {commit}, {len(wanted)} runs, {len(wanted) - len(missing)} of them there")
    known = versions()
    took = {}  # seconds of the last run of a kind
    for at, (plan, run) in enumerate(missing):
        kind = tuple(run[name] for name in KEY if name not in ("commit", "seed", "round"))
        if time.monotonic() + took.get(kind, 0) > options.limit_at:
            say(f"bench: the time is up; {len(missing) - at} runs are left for the next time")
            return
        name = f"[{at + 1}/{len(missing)}] {run['part']} {run['data']} {run['rows'] or ''} {run['trees']}x{run['leaves']} t{run['threads']} {run['config']} r{run['round']}"
        run.update(version=known.get(CONFIGS.get(run["config"], ("",))[0], commit))
        for _ in range(1 + options.retries):
            start = time.monotonic()
            result = attempt(options, plan, run)
            took[kind] = time.monotonic() - start
            runs.add(result)
            if result["status"] != "ok":
                say(f"{name}: {result['status']}")
                break
            say(f"{name}: " + ", ".join(f"{key} {result[key]:.5g}" for key in SAID if result.get(key) is not None))
            if result["other_cpus"] <= DISTURBED_CPUS or time.monotonic() + took[kind] > options.limit_at:
                break


def attempt(options, plan, run):
    """The run with its results, or with why there are none."""
    result = dict(run, time=datetime.datetime.now().isoformat(timespec="seconds"), status="ok")
    try:
        result.update({"predict": predict, "user": use}.get(plan.part, fit)(options, plan, run))
    except RuntimeError as error:
        result["status"] = f"failed: {error}"
    return result


def chosen_runs(options, runs, commit):
    """The runs to report: those of the plan, or all of the commit."""
    import table
    if options.report:
        chosen = [run for run in runs.rows if run["commit"] == commit]
    else:
        keys = {runs.key(run) for _, run in runs_of(options, commit)}
        chosen = [run for run in runs.rows if runs.key(run) in keys]
    if not chosen:
        sys.exit(f"bench: there are no runs of commit {commit}")
    return table.quietest(chosen, runs.key)


def report(options, runs, commit):
    import table
    chosen = chosen_runs(options, runs, commit)
    known = versions()
    disturbed = sum((run["other_cpus"] or 0) > DISTURBED_CPUS for run in chosen)
    short = [f"Tidemill {commit}; " + ", ".join(f"{name} {version}" for name, version in known.items()),
             f"{len(chosen)} runs, {sum(run['status'] != 'ok' for run in chosen)} failed; in {disturbed} of them other processes used over "
             f"{DISTURBED_CPUS} CPUs", "", *table.target_table(chosen, options.trees, options.leaves)]
    configs = sorted({run["config"] for run in chosen}, key=lambda c: ([*CONFIGS].index(c.split(":")[0]), c))
    found = sorted(table.groups(chosen).items(), key=lambda item: (list(PARTS).index(item[0][0]), item[0][1:]))
    short += table.summary(found, configs)
    for key, group in found:
        if key[0] == "predict":
            short += ["", *table.predict_table(key, group, configs)]
    full = []
    for key, group in found:
        if key[0] != "predict":
            full += ["", *table.fit_table(key, group, configs)]
    curve = [run for run in chosen if run["part"] == "curve" and run["status"] == "ok"]
    if curve:
        import curves
        curves.write(options.work, curve, configs)
        short += ["", *table.curve_table(curve, configs)]
    if options.record:
        keep(options, chosen, [*short, *full], bool(curve))
    print("\n".join(short if options.record else [*short, *full]))


def keep(options, chosen, tables, has_curve):
    """Copy what a table in the documents was made from into the tree."""
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    with open(folder / "runs.csv", "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, FIELDS)
        writer.writeheader()
        writer.writerows(as_text(run) for run in chosen)
    (folder / "tables.txt").write_text("\n".join(tables) + "\n", encoding="utf-8")
    for name in ("curve.csv", "curve.svg") if has_curve else ():
        shutil.copyfile(options.work / name, folder / name)


def main():
    options = parse_words(sys.argv[1:])
    enter_environment(options.work)
    sys.path.insert(0, str(HERE))
    commit = commit_of_measured()
    runs = Runs(options.work / ("quick.csv" if options.quick else "runs.csv"))
    if not options.report and "real" in options.only:
        import real_sets
        names, missing = real_sets.there(options.data)
        unknown = [name for name in options.sets or [] if name not in names]
        if unknown:
            sys.exit(f"bench: no set {', '.join(unknown)} is there; those are: {', '.join(names)}")
        if missing:
            say(f"bench: {'without --data' if options.data is None else f'in {options.data}'} these sets are missing: {', '.join(missing)}")
    if not options.report:
        perform(options, runs, commit)
    report(options, runs, commit)


if __name__ == "__main__":
    main()
