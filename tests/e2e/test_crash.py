# SPDX-License-Identifier: Apache-2.0
"""Power failures and failing disks at changes of a session of commands; `./run campaign crash` takes all of them."""
import pytest

import recorded


@pytest.fixture(name="base", scope="module")
def fixture_base(tmp_path_factory):
    return recorded.prepare(tmp_path_factory.mktemp("base"))


def test_power_failures_leave_a_whole_home(tmp_path):
    trace = recorded.record(tmp_path)
    points, failed, output = recorded.crash_points(trace, seed=1, every=3)
    assert points > 600 and failed == 0, output
    for at in (60, 250, 450):
        points, failed, output = recorded.crash_again(trace, tmp_path / "twice", at, seed=1)
        assert points > 20 and failed == 0, output


@pytest.mark.parametrize("step", recorded.STEPS, ids=[s[0] for s in recorded.STEPS])
def test_a_failing_disk_fails_the_step_and_nothing_else(base, tmp_path, step):
    count = tmp_path / "count"
    _, is_fresh, run = step
    sound = recorded.Session(tmp_path / "sound", TM_DISK_COUNT=str(count)) if is_fresh else recorded.copy_of(
        base, tmp_path / "sound", TM_DISK_COUNT=str(count))
    assert run(sound)
    n = int(count.read_text(encoding="utf-8"))
    assert n > 4
    for at, kind in ((2, "EIO"), (n // 2, "ENOSPC"), (n - 1, "EIO")):
        fault = {"TM_DISK_FAIL": f"{at}+", "TM_DISK_ERRNO": kind}
        assert recorded.broken_disk(base, tmp_path / "broken", step, fault) == "", fault
