"""
All orders in which a few copies of a task can open the ledger in the task state store, and claim.

Each copy runs the ledger's own code. Its next request depends only on the answers that it has had. So it is
run again with those answers to learn its next request. Everything that can happen to a request is tried.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pendulum
import pytest
from ledger.task_state_ledger_helpers import claims, opening

from braze_provider.api.errors import BrazeError
from braze_provider.ledger import task_state
from braze_provider.ledger.task_state import TaskStateLedger
from braze_provider.ledger.task_state_cells import Cells

Answer = tuple[Any, bool]
"""The answer to a request, and whether it was certainly written only once."""
Program = Callable[[TaskStateLedger], Any]


class Request(BaseException):
    """The first request of a copy that has no answer yet."""

    def __init__(self, key: str, text: str | None = None) -> None:
        super().__init__(key, text)
        self.key, self.text = key, text


class Replay(Cells):
    """Gives the answers so far, then makes the next request."""

    def __init__(self, answers: tuple[Answer, ...]) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self._answers = iter(answers)

    def get(self, key: str) -> Any:
        for text, _ in self._answers:
            return None if text is None else json.loads(text)
        raise Request(key)

    def set(self, key: str, value: Any) -> bool:
        for _, once in self._answers:
            return once
        raise Request(key, json.dumps(value))


@dataclass(frozen=True)
class World:
    """The store's values, the answers that each copy has had, and the writes that may come a second time."""

    store: frozenset[tuple[str, str]]
    answers: tuple[tuple[Answer, ...], ...]
    late: frozenset[tuple[str, str]] = frozenset()
    repeats: int = 0

    def written(self, key: str, text: str) -> frozenset[tuple[str, str]]:
        return frozenset(item for item in self.store if item[0] != key) | {(key, text)}

    def answered(self, copy: int, answer: Answer, **changes: Any) -> World:
        answers = list(self.answers)
        answers[copy] += (answer,)
        return replace(self, answers=tuple(answers), **changes)


def worlds(program: Program, *, copies: int, repeats: int) -> Iterator[tuple[World, list[Any]]]:
    """Go through all possible worlds, each with the results of the programs that have ended."""

    @cache
    def run(copy: int, answers: tuple[Answer, ...]) -> Any:
        ledger = TaskStateLedger(None, f"copy {copy}")  # type: ignore[arg-type]
        ledger._cells = Replay(answers)
        try:
            return program(ledger)
        except Request as request:
            return request
        except BrazeError as error:  # It got no number, or has lost the ledger to another copy.
            return type(error).__name__

    begin = World(frozenset(), ((),) * copies, repeats=repeats)
    seen, to_do = {begin}, [begin]
    while to_do:
        world = to_do.pop()
        ends = [run(copy, answers) for copy, answers in enumerate(world.answers)]
        yield world, [None if isinstance(end, Request) else end for end in ends]
        for further in _further(world, ends):
            if further not in seen:
                seen.add(further)
                to_do.append(further)


def _further(world: World, ends: list[Any]) -> Iterator[World]:
    for copy, end in enumerate(ends):
        if not isinstance(end, Request):
            continue
        key, text = end.key, end.text
        if text is None:
            yield world.answered(copy, (dict(world.store).get(key), True))
            continue
        yield world.answered(copy, (None, True), store=world.written(key, text))
        if world.repeats:
            yield world.answered(
                copy,
                (None, False),
                store=world.written(key, text),
                late=world.late | {(key, text)},
                repeats=world.repeats - 1,
            )
    # A copy whose answer is lost does nothing more, like a copy that gets no more turns.
    for key, text in world.late:
        yield replace(world, store=world.written(key, text), late=world.late - {(key, text)})


@pytest.fixture(autouse=True)
def nothing_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_state.pendulum, "now", lambda zone: pendulum.datetime(2026, 10, 1, tz=zone))
    monkeypatch.setattr(task_state.secrets, "token_hex", lambda size: "token")


def take_number(ledger: TaskStateLedger) -> int:
    return ledger._take_number(0)


def claim_the_first_batch(ledger: TaskStateLedger) -> list[int]:
    ledger.open(opening())
    return list(ledger.write([], claims(0)))


@pytest.mark.parametrize(("copies", "repeats", "races"), [(2, 2, 2), (3, 1, 1)])
def test_no_two_copies_ever_get_the_same_number(monkeypatch, copies, repeats, races):
    monkeypatch.setattr(task_state, "MAX_RACES", races)
    got = set()

    for world, ends in worlds(take_number, copies=copies, repeats=repeats):
        numbers = [end for end in ends if isinstance(end, int)]
        assert len(set(numbers)) == len(numbers), world
        got.update(numbers)

    assert got >= set(range(races))  # Else the test has tried too little.


@pytest.mark.parametrize("repeats", range(4))
def test_a_single_copy_always_gets_a_number(monkeypatch, repeats):
    monkeypatch.setattr(task_state, "MAX_RACES", repeats + 1)

    ends = {end for _, (end,) in worlds(take_number, copies=1, repeats=repeats)}

    assert ends == {None, *range(repeats + 1)}


@pytest.mark.parametrize(("repeats", "races"), [(0, 2), (1, 1)])
def test_no_two_copies_are_ever_granted_the_same_batch(monkeypatch, repeats, races):
    monkeypatch.setattr(task_state, "MAX_RACES", races)
    granted = set()

    for world, ends in worlds(claim_the_first_batch, copies=2, repeats=repeats):
        owners = tuple(copy for copy, end in enumerate(ends) if end == [0])
        assert len(owners) <= 1, world
        granted.add(owners)

    assert granted == {(), (0,), (1,)}
