"""The reference has everything that users import, and the how-to guides have every operator and sensor."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conformance.reach import classes
from docs.blocks import ROOT

from braze_provider.api import requests
from braze_provider.sandbox.faults import KINDS

REFERENCE = ROOT / "docs" / "reference"


def documented(page: str) -> set[str]:
    """The full names of the classes on a page of the reference."""
    names, module = set(), ""
    for directive, name in re.findall(
        r"^\.\. (auto\w+|currentmodule):: (\S+)$", (REFERENCE / f"{page}.rst").read_text(), re.M
    ):
        if directive in ("automodule", "currentmodule"):
            module = name
        else:
            names.add(name if "." in name else f"{module}.{name}")
    return names


@pytest.mark.parametrize("page", ["operators", "sensors"])
def test_the_reference_has_each_operator_and_sensor(page: str):
    of_page = {f"{one.__module__}.{one.__name__}" for one in classes() if f".{page}." in one.__module__}
    assert of_page <= documented(page)


def test_the_reference_has_each_request():
    assert {f"braze_provider.api.requests.{name}" for name in requests.__all__} <= documented("requests")


def test_each_operator_and_sensor_has_a_guide_that_its_docstring_names():
    pages = "".join(path.read_text() for path in Path(ROOT / "docs" / "howto").glob("*.rst"))
    for one in classes():
        (label,) = re.findall(r":ref:`(howto/\w+:\w+)`", one.__doc__ or "") or [""]
        assert label.endswith(f":{one.__name__}"), one
        assert f".. _{label}:" in pages, label


def test_the_reference_has_each_fault_of_the_sandbox():
    assert {f"{one.__module__}.{one.__name__}" for one in KINDS.values()} <= documented("sandbox")
