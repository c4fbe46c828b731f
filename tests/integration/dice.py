"""Random values for tests that are built together, each unlike the one before.

Hypothesis goes on from an example to its neighbours, which serves where it can shrink a
failure; where a hundred models are compiled in one go it would make many nearly alike.
So it draws a seed here (:func:`seeded`), and the dice do the rest. The names are those
of ``hypothesis.strategies``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy


class Die:
    """Makes a value from a random source."""

    def __init__(self, roll: Callable[[Random], Any]) -> None:
        self.roll = roll

    def map(self, function: Callable[[Any], Any]) -> Die:
        return Die(lambda random: function(self.roll(random)))


Draw = Callable[[Die], Any]


def integers(least: int, most: int) -> Die:
    return Die(lambda random: random.randint(least, most))


def floats(least: float, most: float) -> Die:
    return Die(lambda random: random.uniform(least, most))


def booleans() -> Die:
    return Die(lambda random: random.random() < 0.5)


def sampled_from(values: Sequence[Any]) -> Die:
    return Die(lambda random: random.choice(values))


def one_of(*dice: Die) -> Die:
    return Die(lambda random: random.choice(dice).roll(random))


def lists(die: Die, *, min_size: int = 0, max_size: int) -> Die:
    return Die(lambda random: [die.roll(random) for _ in range(random.randint(min_size, max_size))])


def composite(function: Callable[..., Any]) -> Callable[..., Die]:
    """Make a function of ``draw`` and arguments into one of the arguments that gives a die."""

    @functools.wraps(function)
    def with_arguments(*arguments: Any) -> Die:
        return Die(lambda random: function(lambda die: die.roll(random), *arguments))

    return with_arguments


def seeded(die: Die) -> SearchStrategy[Any]:
    """Return a strategy whose examples have nothing in common but the die."""
    return st.integers(0, 2**64 - 1).map(lambda seed: die.roll(Random(seed)))
