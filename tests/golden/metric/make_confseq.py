#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Print the figures of confseq.csv with the package confseq (bench/confseq/bench.py runs it): name, four arguments, value.

normal: v, alpha, v_opt, -      two-sided normal mixture tuned for v_opt at alpha
gamma: v, alpha, v_opt, c       gamma-exponential mixture tuned for v_opt at alpha
gamma_log: s, v, v_opt, c       log of that supermartingale, tuned at 0.05
low, high: n, alpha, v_opt, p   interval of the difference of two arms after n units of made(), p the treatment's share
"""
import itertools

import numpy as np
from confseq import boundaries


def made(n, share):
    """Arms and outcomes that any language can make."""
    i = np.arange(n, dtype=np.int64)
    arm = (i * i * 31 + i * 17) % 101 < share * 101
    return arm, ((i * 7919 + 13) % 1009 < 300 + 60 * arm).astype(float)


def means_before(y, mine):
    """Of the units of an arm before each one; one half without any."""
    n = np.concatenate([[0], np.cumsum(mine)[:-1]])
    sums = np.concatenate([[0], np.cumsum(y * mine)[:-1]])
    return np.where(n > 0, sums / np.maximum(n, 1), 0.5)


def interval(n, alpha, v_opt, share):
    """Howard et al. 2021, corollary 2, as in the package's demo of an average treatment effect."""
    arm, y = made(n, share)
    one, zero = means_before(y, arm), means_before(y, ~arm)
    surprise = np.where(arm, (y - one) / share, -(y - zero) / (1 - share))
    bound = boundaries.gamma_exponential_mixture_bound(np.sum(surprise**2), alpha / 2, v_opt, 2 / min(share, 1 - share), alpha_opt=alpha / 2) / n
    middle = np.sum(one - zero + surprise) / n
    return max(middle - bound, -1), min(middle + bound, 1)


def lines():
    for v, alpha, v_opt in itertools.product((1, 30, 1000, 1e5), (0.001, 0.05, 0.3), (10, 1e4)):
        yield "normal", v, alpha, v_opt, 0, boundaries.normal_mixture_bound(v, alpha, v_opt, alpha_opt=alpha, is_one_sided=False)
    for v, alpha, v_opt, c in itertools.product((0.5, 30, 1000, 1e5, 1e6), (0.0025, 0.05), (10, 1e4), (0.1, 1, 4, 20)):
        yield "gamma", v, alpha, v_opt, c, boundaries.gamma_exponential_mixture_bound(v, alpha, v_opt, c, alpha_opt=alpha)
    for s, v, v_opt, c in itertools.product((1, 20, 300), (1, 100, 1e4), (10, 1e4), (0.5, 4)):
        yield "gamma_log", s, v, v_opt, c, boundaries.gamma_exponential_log_mixture(s, v, v_opt, c, alpha_opt=0.05)
    for n, alpha, v_opt, share in itertools.product((1, 10, 500, 20000), (0.005, 0.05), (100, 5000), (0.5, 0.1)):
        low, high = interval(n, alpha, v_opt, share)
        yield "low", n, alpha, v_opt, share, low
        yield "high", n, alpha, v_opt, share, high


if __name__ == "__main__":
    for name, *numbers in lines():
        print(",".join([name] + [f"{float(x):.17g}" for x in numbers]))
