"""The guide to held batches names options of the program that settles them."""

from __future__ import annotations

import re

from docs.blocks import ROOT

from braze_provider.ledger import __main__ as ledger


def test_the_guide_lists_options_of_settle_that_exist():
    text = (ROOT / "docs" / "guarantees.rst").read_text()
    named = set(re.findall(r"   \* - ``(--[a-z-]+)", text))
    known = {option for action in ledger._parser_of_settle()._actions for option in action.option_strings}
    assert named
    assert named <= known
