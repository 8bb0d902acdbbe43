"""What the tests of the page share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_harness import AIRFLOW_VERSION
from browser.conftest import IMAGES

MAIN_VERSION = (3, 3)


def of(one: dict[str, Any]) -> str:
    """The address of a delivery's page."""
    return f"?dag_id={one['dag_id']}&delivery={one['id']}"


def row(frame: Any, run_id: str) -> Any:
    """The rows of a run in the list."""
    return frame.get_by_role("row").filter(has_text=run_id)


def set_theme(page: Any, frame: Any, theme: str) -> None:
    """Change Airflow's theme, as another of its tabs does."""
    page.evaluate(f"localStorage.theme = '{theme}'")
    page.evaluate(f"dispatchEvent(new StorageEvent('storage', {{key: 'theme', newValue: '{theme}'}}))")
    frame.locator(f"html[data-theme={theme}]").wait_for(state="attached")


def picture(request: Any, folder: Path, page: Any, name: str) -> None:
    """Make a picture of the documentation; it is kept with --pictures, on the main Airflow alone."""
    if request.config.getoption("--pictures") and AIRFLOW_VERSION[:2] == MAIN_VERSION:
        folder = IMAGES
    path = folder / f"{name}.png"
    page.mouse.move(0, 0)
    page.screenshot(path=path)
    assert (IMAGES / path.name).exists()
    assert path.stat().st_size > 15_000
