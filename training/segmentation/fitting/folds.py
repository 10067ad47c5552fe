"""Folds: the trainings of one network, each without other people.

The base training sees synthetic scans alone, without shapes of anybody who has a real CT. Every later fold goes on from
the base for some more steps, with real CTs: one fold a person or group of people left out, to evaluate the network on
them, and one with everybody, to be shipped.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.segmentation.data.provenance import SCANNED_PEOPLE

GROUPS = 5
"""Up to so many people are left out one by one; more are left out in so many groups."""


@dataclass(frozen=True)
class Fold:
    """A training.

    Attributes
    ----------
    name
        As its folder is called.
    without
        People of whom the training sees neither a CT nor a shape.
    real
        Whether it sees real CTs.
    """

    name: str
    without: tuple[str, ...]
    real: bool


BASE = Fold("base", SCANNED_PEOPLE, real=False)
ALL = Fold("all", (), real=True)


def folds(people: tuple[str, ...] = SCANNED_PEOPLE) -> tuple[Fold, ...]:
    """Return the folds that follow the base: one a person left out, or one a group of many people; `ALL` last."""
    people = tuple(dict.fromkeys(people))
    if len(people) <= GROUPS:
        return (*(Fold(person, (person,), real=True) for person in people), ALL)
    return (*(Fold(f"fold{i}", people[i::GROUPS], real=True) for i in range(GROUPS)), ALL)


def halves(people: tuple[str, ...]) -> tuple[Fold, ...]:
    """Return two folds, each without half of the people, and `ALL`: for a network whose every training takes hours."""
    people = tuple(dict.fromkeys(people))
    return (*(Fold(f"half{i}", people[i::2], real=True) for i in range(2)), ALL)
