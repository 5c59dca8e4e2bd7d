# SPDX-License-Identifier: GPL-3.0-or-later
"""What an entry says of a host, and what is said of a fleet on a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import (
    DAY,
    Host,
    age,
    host_of,
    last_moment,
    worst_first,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import with_attempt, with_report
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.speeds import kinds_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.summary import LONGEST, how_old, lines

from tests.reports import (
    BROKEN,
    DRIFTED,
    NOW,
    REPAIRED,
    asleep,
    entry_of,
    environment,
    probe,
    report,
)

PROBLEM = {"cause": "The disk is full", "evidence": "12 MB", "remedy": "Free some"}
UNSEEN = with_attempt({}, "unreachable", "No route to host", NOW)


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        ({}, "not seen"),
        (UNSEEN, "not seen"),
        (asleep(report(), 9), "not seen"),
        (entry_of(report()), "ok"),
        (entry_of(DRIFTED), "drifted"),
        (entry_of(BROKEN), "failed"),
        (entry_of(report(environment(ok=False, problem=PROBLEM))), "failed"),
        (
            entry_of(report(ok=False, environments=[], todo="python", text=["The managed Python is missing."])),
            "drifted",
        ),
        (entry_of(REPAIRED), "repaired"),
        (entry_of(report(environment("tf", "absent"), changed=True)), "set up"),
        (entry_of(report(environment("tf", "lock-changed"), changed=True)), "changed"),
        (
            entry_of(report(environment("tf", "lock-changed"), environment("b", "file-missing"), changed=True)),
            "repaired",
        ),
        (with_attempt(entry_of(report()), "failed", "The declaration is not valid", NOW), "failed"),
        (with_report(asleep(report(), 9), report(), NOW + 60), "ok"),
    ],
)
def test_the_state_of_a_host(entry: dict[str, Any], state: str) -> None:
    assert host_of("ada", entry).state == state


def test_a_host_in_few_words() -> None:
    host = host_of("ada", entry_of(report(environment(probe=probe(speed=2900.0)))))
    assert (host.chip, host.kind, host.macos, host.python) == (
        *("Apple M2 Pro", "Apple M2 Pro, GPU with 19 cores", "15.6", "3.12"),
    )
    assert (host.verdicts, host.speed, host.free_bytes) == (("gpu-ok",), 2900.0, 200 * 2**30)
    [told] = host.environments
    assert (told.version, told.plugin) == ("2.18.1", "1.2.0")
    [broken] = host_of("ada", entry_of(BROKEN)).environments
    assert (broken.cause, broken.shown_by, broken.remedy) == ("The GPU is gone", "no devices", "Restart the Mac")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than a minute"),
        (-500, "less than a minute"),
        (60, "1 minute"),
        (7200, "2 hours"),
        (DAY, "1 day"),
        (9.9 * DAY, "9 days"),
    ],
)
def test_an_age_as_people_say_it(seconds: float, said: str) -> None:
    assert age(NOW - seconds, NOW) == said


def fleet(**entries: dict[str, Any]) -> list[Host]:
    return [host_of(name, entry) for name, entry in entries.items()]


def test_a_report_tells_of_the_last_run_and_says_if_that_is_old() -> None:
    known = fleet(a=entry_of(report(), days=5), b=asleep(report(), 30), never={}, wrong=entry_of(report(), days=-3650))
    assert (last_moment(known, NOW), last_moment([], NOW)) == (NOW, NOW)
    assert how_old(NOW, NOW) == []
    known = fleet(a=entry_of(report(), days=5), never={}, wrong=entry_of(report(), days=-3650))
    assert how_old(last_moment(known, NOW), NOW) == ["The last run was 5 days ago: no host was looked at since."]


def test_a_line_for_each_problem_the_worst_first_and_one_for_all() -> None:
    ok = {f"ok{number}": entry_of(report()) for number in range(3)}
    hosts = fleet(
        **ok, r=entry_of(REPAIRED), away=asleep(report(), 9), d=entry_of(DRIFTED), gone=asleep(report(), 30),
        b=entry_of(BROKEN),
    )  # fmt: skip
    assert lines(hosts, NOW) == [
        "b: failed: tensorflow: gpu-missing. The GPU is gone.",
        "d: drifted: tensorflow: has drifted.",
        "gone: not seen for 30 days: Connection timed out",
        "away: not seen for 9 days: Connection timed out",
        "8 Macs: 3 ok, 1 repaired, 1 drifted, 1 failed, 2 not seen for up to 30 days",
    ]
    assert [host.name for host in worst_first(hosts)] == ["b", "d", "gone", "away", "r", "ok0", "ok1", "ok2"]


def test_what_is_the_same_of_many_is_said_once() -> None:
    typo = with_attempt({}, "failed", "The declaration is not valid", NOW)
    assert lines(fleet(**{f"m{number}": typo for number in range(6)}), NOW) == [
        "m0, m1, m2 and 3 others: failed: The declaration is not valid",
        "6 hosts: 6 failed",
    ]


def test_one_host_and_none_and_a_linux_host() -> None:
    assert lines([], NOW) == []
    assert lines(fleet(ada=UNSEEN), NOW) == ["ada: never seen: No route to host", "1 host: 1 never seen"]
    linux = report(apple_silicon={"system": "Linux"})
    assert lines(fleet(a=entry_of(linux), b=entry_of(report())), NOW) == ["2 hosts: 2 ok"]
    assert lines(fleet(a=UNSEEN, b=asleep(report(), 9)), NOW)[-1] == "2 Macs: 2 not seen, some of them never"


@pytest.mark.parametrize("others", [0, 3])
def test_a_long_line_still_has_the_remedy(others: int) -> None:
    told = f"tensorflow: cannot be built. {'It says so. ' * 99}{'Declare another version. ' * 9}Run setup.yml again."
    alike = [environment(f"another-{number}", ok=False) for number in range(others)]
    broken = report(environment(ok=False, text=told), *alike)
    [said, _] = lines(fleet(ada=entry_of(broken)), NOW)
    assert len(said) <= LONGEST + 50
    assert said.startswith("ada: drifted: tensorflow: cannot be built. It says so.")
    assert said.endswith("Declare another version. Run setup.yml again.")
    assert "[...]" in said


def test_what_a_new_generation_leaves_is_no_drift() -> None:
    drifted = environment("tensorflow", "file-damaged", ok=False)
    removal = {"do": "remove-generation", "evidence": "generation 1 is beyond keep: 2", "target": "1"}
    plan = [*drifted["plan"], {**removal, "reason": "file-damaged"}]
    [told] = host_of("ada", entry_of(report({**drifted, "plan": plan}))).environments
    assert told.evidence == ("file-damaged: file-damaged it is",)
    [told] = host_of(
        "ada", entry_of(report({**drifted, "plan": [{**removal, "reason": "surplus-generation"}]}))
    ).environments
    assert told.evidence == ("surplus-generation: generation 1 is beyond keep: 2",)


def test_a_terminal_is_told_nothing_that_it_would_obey() -> None:
    evil = report(environment(ok=False), text=["\x1b[2J\x1b]0;title\x07red\u202eder\nFLEET"])
    [said, _] = lines(fleet(ada=entry_of(evil)), NOW)
    assert said == "ada: drifted: [2J]0;titleredder FLEET"


def test_outliers_are_told_from_their_own_kind() -> None:
    def with_speed(speed: float) -> dict[str, Any]:
        return entry_of(report(environment(probe=probe(speed=speed))))

    speeds = {"a": 3000.0, "b": 3050.0, "c": 2990.0, "d": 3010.0, "slow": 1500.0, "near": 2800.0}
    [kind] = kinds_of(fleet(**{name: with_speed(speed) for name, speed in speeds.items()}))
    assert (kind.name, kind.median) == ("Apple M2 Pro, GPU with 19 cores", 2995.0)
    assert [each.host for each in kind.outliers] == ["slow"]
    assert kinds_of(fleet(a=with_speed(1.0), b=with_speed(9.0), c=with_speed(9.0)))[0].outliers == []
    assert kinds_of(fleet(a=entry_of(report()))) == []
