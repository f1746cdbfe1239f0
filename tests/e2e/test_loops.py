# SPDX-License-Identifier: Apache-2.0
"""The short form of `./run campaign loops`: the wheel twice around, under load."""
from wheel_loops import Loops


def test_the_wheel_goes_around_under_load_and_no_answer_fails(tm):
    loops = Loops(tm)
    try:
        for _ in range(2):
            loops.turn()
        loops.collect()
    finally:
        loops.end()
    loops.check()
    assert loops.n_answers > 2 * 300
