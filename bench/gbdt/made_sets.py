# SPDX-License-Identifier: Apache-2.0
"""Generated data sets with a known truth: each label is drawn with the probability that the true logit gives.

The logit of a test row is kept, so the best AUC that any model can reach (the Bayes AUC) is measured and not guessed.
Rows come in blocks, each with a random stream of its own named by (set, seed, block): the first rows of a set of ten million are
those of a set of ten thousand, and a block is all the memory that making needs. Effects of levels and weights (the "world" of a set) are the
same for every seed; a seed draws other rows from it, for training and for testing.
"""
import numpy as np

PILOT_ROWS = 20_000  # they give the deviation that a logit is scaled by
NUMBERS = {"higgs": 1, "airline": 2, "wide": 3, "small": 4}  # of the streams
WORLD, PILOT, TRAIN, TEST = range(4)


def stream(name, *words):
    return np.random.default_rng([NUMBERS[name], *words])


def higgs_block(rng, n, _world):
    """28 columns as of a collision: 17 momenta and angles, 4 tags of three values, 7 masses that follow from the others up to 5 % of smear.

    logit = 1.75 z, z standardised:
        1.5 bump(mass(jet 1, jet 2); 1.6, 0.6) - 1.1 bump(mass(lepton, missing); 1.0, 0.4) + 0.8 tanh(mass(all jets) - 4)
      + 0.8 sin(2 angle 1) sin(2 angle 2) + 0.6 cos(angle 0 - angle 3) tanh(momentum 0) + 0.5 side 0 side 1 - 0.4 |side 2 - side 3|
      + 0.5 [tag 0 and tag 1] + 0.4 [tag 2] tanh(mass - 1.6) - 0.5 log(momentum 2 + 0.1) sign(side 4)
      + 0.5 sign(momentum 3 - momentum 2) tanh(momentum 1 - 1) + 0.3 sin(3 mass(jet 3, jet 4))
    with bump(x; m, s) = exp(-((x - m) / s)^2).
    """
    momentum = [rng.gamma(2.2, 0.45, n) for _ in range(6)]
    side = [rng.normal(0, 1, n) for _ in range(5)]
    angle = [rng.uniform(-np.pi, np.pi, n) for _ in range(6)]
    tag = [rng.choice([0, 1.0865, 2.173], n, p=[0.5, 0.25, 0.25]) for _ in range(4)]

    def mass(i, j):
        rise = np.clip(side[min(i, 4)] - side[min(j, 4)], -3, 3)
        return np.sqrt(2 * momentum[i] * momentum[j] * np.maximum(np.cosh(rise) - np.cos(angle[i] - angle[j]), 0) + 1e-3)

    masses = [mass(2, 3), mass(0, 1), mass(4, 5), mass(2, 4), mass(0, 3) + 0.3 * momentum[1], mass(2, 3) + 0.5 * mass(4, 5),
              mass(0, 4) + mass(1, 2)]

    def bump(x, middle, width):
        return np.exp(-(((x - middle) / width) ** 2))

    logit = (1.5 * bump(masses[0], 1.6, 0.6) - 1.1 * bump(masses[1], 1.0, 0.4) + 0.8 * np.tanh(masses[5] - 2.5)
             + 0.8 * np.sin(2 * angle[1]) * np.sin(2 * angle[2]) + 0.6 * np.cos(angle[0] - angle[3]) * np.tanh(momentum[0])
             + 0.5 * side[0] * side[1] - 0.4 * np.abs(side[2] - side[3]) + 0.5 * (tag[0] > 1) * (tag[1] > 0)
             + 0.4 * (tag[2] > 0) * np.tanh(masses[0] - 1.6) - 0.5 * np.log(momentum[2] + 0.1) * np.sign(side[4])
             + 0.5 * np.sign(momentum[3] - momentum[2]) * np.tanh(momentum[1] - 1) + 0.3 * np.sin(3 * masses[2]))
    smeared = [m * (1 + 0.05 * rng.normal(0, 1, n)) for m in masses]
    return np.stack([*momentum, *side, *angle, *tag, *smeared], 1), logit


AIRLINE_LEVELS = [12, 31, 7, 22, 300, 5000]  # month, day, weekday, carrier, origin, aircraft


def airline_world(rng):
    levels = AIRLINE_LEVELS
    shares = []
    for n in levels:
        share = np.ones(n) if n < 22 else 1 / np.arange(1, n + 1) ** (0.8 if n < 1000 else 0.7)
        shares.append(rng.permutation(share / share.sum()))
    return {"shares": [np.cumsum(s) for s in shares],
            "alone": [rng.normal(0, s, n) for s, n in zip([0.25, 0.12, 0.15, 0.5, 0.55, 0.6], levels)],
            "carrier_month": rng.normal(0, 0.35, (22, 12)), "origin_weekday": rng.normal(0, 0.35, (300, 7)),
            "carrier_origin": rng.normal(0, 0.4, (22, 300))}


def airline_block(rng, n, world):
    """8 columns: 6 categories (12, 31, 7, 22, 300 and 5,000 levels, the last three with shares by Zipf's law), hour of departure, miles.

    logit = sum of an effect of each level + effects of the pairs carrier-month, origin-weekday and carrier-origin (normal, see airline_world)
          + 0.8 sin(2 pi (hour - 8) / 24) + tanh((hour - 17) / 2) effect of the origin + 0.3 log(miles / 800), then moved so that 26 % are late.
    """
    code = [np.minimum(np.searchsorted(s, rng.random(n), side="right"), len(s) - 1) for s in world["shares"]]
    hour = np.clip(rng.normal(13.5, 4.5, n), 0, 23.99)
    miles = rng.gamma(2.0, 380, n) + 60
    logit = sum(effect[c] for effect, c in zip(world["alone"], code))
    logit += world["carrier_month"][code[3], code[0]] + world["origin_weekday"][code[4], code[2]] + world["carrier_origin"][code[3], code[4]]
    logit += 0.8 * np.sin((hour - 8) / 24 * 2 * np.pi) + np.tanh((hour - 17) / 2) * world["alone"][4][code[4]] + 0.3 * np.log(miles / 800)
    return np.stack([*code, hour, miles], 1), logit


def wide_world(rng):
    return {"loads": rng.normal(0, 0.6, (40, 300)) * (rng.random((40, 300)) < 0.1), "levels": rng.integers(3, 60, 100),
            "single": rng.normal(0, 1, 25), "pair": rng.normal(0, 0.2, 25), "step": rng.normal(0, 0.4, 15), "rare": rng.normal(0, 0.8, 15)}


def wide_block(rng, n, world):
    """500 columns: 300 that share 40 factors, 100 whole numbers of 3 to 59 values, 100 that are 0 in 95 % of the rows.

    logit = 2.5 z, z standardised: 25 terms tanh(x), 25 products of two columns, 15 steps of the whole numbers, 15 of "is not 0".
    """
    x = np.empty((n, 500))
    x[:, :300] = rng.normal(0, 1, (n, 40)) @ world["loads"] + rng.normal(0, 1, (n, 300))
    x[:, 300:400] = rng.integers(0, world["levels"], (n, 100))
    x[:, 400:] = np.where(rng.random((n, 100)) < 0.05, rng.gamma(1.0, 1.0, (n, 100)), 0)
    logit = np.zeros(n)
    for i in range(25):
        logit += world["single"][i] * np.tanh(x[:, i * 7]) + world["pair"][i] * x[:, i * 11 % 300] * x[:, (i * 13 + 5) % 300]
    for i in range(15):
        whole = 300 + i * 3
        logit += world["step"][i] * (x[:, whole] > (world["levels"][i * 3] - 1) / 2) + world["rare"][i] * (x[:, 400 + i * 4] > 0)
    return x, logit


def small_block(rng, n, _world):
    """10 normal columns; logit = 2 z, z standardised: x0 x1 + sin(2 x2) + [x3 > 0.5] - 0.5 |x4|."""
    x = rng.normal(0, 1, (n, 10))
    return x, x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + (x[:, 3] > 0.5) - 0.5 * np.abs(x[:, 4])


# name: world, block, rows of a block, deviation of the logit (None: as it is), mean of the logit, rows of test, categorical columns
SETS = {"higgs": (None, higgs_block, 100_000, 1.75, 0.0, 200_000, {}),
        "airline": (airline_world, airline_block, 100_000, None, -1.35, 200_000, dict(enumerate(AIRLINE_LEVELS))),
        "wide": (wide_world, wide_block, 5_000, 2.5, 0.0, 20_000, {}),
        "small": (None, small_block, 20_000, 2.0, 0.0, 20_000, {})}


def blocks(name, n_rows, seed, kind):
    """(x float32 [n x columns], y, logit) of consecutive blocks of rows."""
    make_world, make_block, n_block, deviation, mean, _, _ = SETS[name]
    world = make_world(stream(name, WORLD)) if make_world else None
    pilot = make_block(stream(name, PILOT), PILOT_ROWS, world)[1]
    scale = deviation / pilot.std() if deviation else 1.0
    for start in range(0, n_rows, n_block):
        n = min(n_block, n_rows - start)
        rng = stream(name, kind, seed, start // n_block)
        x, logit = make_block(rng, n_block, world)
        logit = (logit - pilot.mean()) * scale + mean
        y = rng.random(n_block) < 1 / (1 + np.exp(-logit))
        yield x[:n].astype(np.float32), y[:n].astype(np.float32), logit[:n]
