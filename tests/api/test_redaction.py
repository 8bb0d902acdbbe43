"""Hiding a secret in texts that another server wrote."""

from __future__ import annotations

import pytest

from braze_provider.api.redaction import SHORTEST_PART, hidden, hider

KEY = "3f1c9a52-7d0e-4b8a-9c61-0e5d2f7a8b43"
hide = hider(KEY)


@pytest.mark.parametrize("length", [SHORTEST_PART, SHORTEST_PART + 1, 20, len(KEY)])
def test_every_part_that_is_long_enough_is_hidden(length):
    for start in range(len(KEY) - length + 1):
        assert hide(f"Key {KEY[start : start + length]}!") == "Key ***!"


def test_a_part_that_is_too_short_stays():
    text = f"{KEY[: SHORTEST_PART - 1]} {KEY[1:SHORTEST_PART]}"
    assert hide(text) == text


def test_each_occurrence_is_hidden():
    assert hide(f"{KEY} and\n{KEY}, {KEY[:10]}") == "*** and\n***, ***"


def test_parts_that_follow_each_other_are_all_hidden():
    shown = hide(f"<{KEY[20:30]}{KEY[3:13]}{KEY[:8]}>")
    assert not any(KEY[n : n + SHORTEST_PART] in shown for n in range(len(KEY)))


@pytest.mark.parametrize("secret", ["k", "short", "8letters", "a.b*c(d)[e]", "aaaaaaaaaaaa"])
def test_a_secret_of_any_characters_is_hidden_as_a_whole(secret):
    assert hider(secret)(f"<<{secret}>>") == "<<***>>"


def test_a_text_without_a_part_of_the_secret_stays():
    text = "acf471119f7449d579e8089032003ded"
    assert hide(text) == text


def test_a_secret_is_hidden_in_names_texts_and_numbers_of_json():
    value = {"123456789": [{"a": "x123456789y"}, 1234567890.5, 123456789, None, True, 7, "ok"]}
    assert hidden(value, hider("123456789")) == {
        "***": [{"a": "x***y"}, "***0.5", "***", None, True, 7, "ok"]
    }
