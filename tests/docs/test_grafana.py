"""The dashboard, the alert rules and the page name each metric that the code emits, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from braze_provider.tasks import metrics

DOCS = Path(__file__).resolve().parents[2] / "docs"
DASHBOARD = json.loads((DOCS / "grafana" / "braze.json").read_text())
ALERTS = yaml.safe_load((DOCS / "grafana" / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]


class Figures:
    """A delivery of which every figure is 1."""

    report = type("Report", (), dict.fromkeys(metrics.METRICS, 1))
    rate_limited = minor_errors = 1


@pytest.fixture
def emitted(monkeypatch) -> dict[str, dict[str, str]]:
    """What the code emits: names with their tags."""
    seen: dict[str, dict[str, str]] = {}
    monkeypatch.setattr(
        metrics.Stats, "incr", lambda name, count, *, tags: seen.update({name: tags}), raising=False
    )
    metrics.count(Figures, type("Endpoint", (), {"name": "campaigns_trigger_send"}))
    return seen


def queries(panel: dict) -> list[str]:
    return [target["expr"] for target in panel.get("targets", ())]


def named_in(texts: list[str]) -> set[str]:
    return {name for text in texts for name in re.findall(r"airflow_braze_([a-z_]+?)(?=\W|$)", text)}


def test_the_dashboard_names_each_metric_and_no_other(emitted):
    texts = [query for panel in DASHBOARD["panels"] for query in queries(panel)]
    assert {f"braze.{name}" for name in named_in(texts)} == set(emitted)


def test_the_alert_rules_name_only_metrics_that_exist(emitted):
    assert {f"braze.{name}" for name in named_in([rule["expr"] for rule in RULES])} <= set(emitted)


def test_the_page_lists_each_metric_and_no_other(emitted):
    page = (DOCS / "metrics.rst").read_text()
    assert set(re.findall(r"   \* - ``(braze\.[a-z_]+)``\n", page)) == set(emitted)


def test_each_label_is_a_tag_that_the_code_gives(emitted):
    texts = [query for panel in DASHBOARD["panels"] for query in queries(panel)]
    texts += [rule["expr"] for rule in RULES]
    labels = {label for text in texts for label in re.findall(r"by \((\w+)\)|, (\w+)=~", text)}
    assert {one or other for one, other in labels} == {tag for tags in emitted.values() for tag in tags}


def test_each_panel_asks_the_chosen_source_and_stands_beside_the_others():
    places = set()
    for panel in DASHBOARD["panels"]:
        assert queries(panel), panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not places & cells, panel["title"]
        places |= cells


def test_each_panel_and_rule_has_a_name_of_its_own():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    alerts = [rule["alert"] for rule in RULES]
    assert all(len(set(names)) == len(names) for names in (ids, titles, alerts))
