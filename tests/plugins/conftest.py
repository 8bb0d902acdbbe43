"""An Airflow with several users, whose deliveries are in every state that the page shows."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from browser.conftest import browser, tab
from process.airflow_cluster import AirflowCluster
from process.conftest import customers, ledger_uri, pytest_runtest_makereport

from braze_provider.sandbox import Sandbox

__all__ = ["browser", "customers", "ledger_uri", "pytest_runtest_makereport", "tab"]

HERE = Path(__file__).parent
ROLES = {"admin": "admin", "vera": "viewer", "uma": "user", "lola": "user", "mallory": "viewer"}
"""The users. Lola may only see the Dag ``loyalty_points``, and Mallory none."""

JSON = {"X-Braze-Deliveries": "test"}


class User:
    """A client of the API server, with the token of a user; without a name, of nobody."""

    def __init__(self, url: str, name: str | None, password: str = "") -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.token: str | None = None
        if name is not None:
            answer = self.session.post(f"{url}/auth/token", json={"username": name, "password": password})
            self.token = answer.json()["access_token"]
            self.session.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path: str, **parameters: Any) -> requests.Response:
        return self.session.get(f"{self.url}/braze-deliveries/{path}", params=parameters, timeout=60)

    def post(self, path: str, body: Any, headers: dict[str, str] = JSON) -> requests.Response:
        return self.session.post(
            f"{self.url}/braze-deliveries/{path}", json=body, headers=headers, timeout=60
        )

    def deliveries(self, **parameters: Any) -> list[dict[str, Any]]:
        answer = self.get("api/deliveries", **parameters)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["deliveries"]
        return found

    def find(self, run_id: str, map_index: int = -1) -> dict[str, Any]:
        (one,) = (one for one in self.deliveries(q=run_id) if one["map_index"] == map_index)
        return one

    def show(self, one: dict[str, Any]) -> dict[str, Any]:
        answer = self.get(route(one))
        answer.raise_for_status()
        shown: dict[str, Any] = answer.json()
        return shown


def route(one: dict[str, Any], *rest: str) -> str:
    """The route of a delivery."""
    return "/".join(["api/dags", one["dag_id"], "deliveries", str(one["id"]), *rest])


@pytest.fixture(scope="session")
def braze() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def slow_braze() -> Iterator[Sandbox]:
    """A delivery to it takes long enough for a look at it."""
    with Sandbox(latency=0.4) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def passwords(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    path = tmp_path_factory.mktemp("users") / "passwords.json"
    words = {name: secrets.token_hex(8) for name in ROLES}
    path.write_text(json.dumps(words))
    return path, words


@pytest.fixture(scope="session")
def cluster(
    braze: Sandbox,
    slow_braze: Sandbox,
    customers: Path,
    ledger_uri: str,
    passwords: tuple[Path, dict[str, str]],
) -> Iterator[AirflowCluster]:
    path, words = passwords
    env = {
        "AIRFLOW__BRAZE__DELIVERIES_CONN_ID": "ledger",
        "AIRFLOW__CORE__AUTH_MANAGER": "access_by_dag.AccessByDag",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(path),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            f"{name}:{role}" for name, role in ROLES.items()
        ),
        "AIRFLOW_CONN_BRAZE_DEFAULT": braze.airflow_connection,
        "AIRFLOW_CONN_SLOW_BRAZE": slow_braze.airflow_connection,
        "AIRFLOW_CONN_CUSTOMERS": json.dumps({"conn_type": "sqlite", "host": str(customers)}),
        "AIRFLOW_CONN_LEDGER": ledger_uri,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE / "auth"), os.environ.get("PYTHONPATH")])),
    }
    with AirflowCluster(HERE / "dags", env=env, user=("admin", words["admin"])) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def user(cluster: AirflowCluster, passwords: tuple[Path, dict[str, str]]) -> Callable[[str | None], User]:
    """Log a user in, once."""
    known: dict[str | None, User] = {}

    def log_in(name: str | None) -> User:
        if name not in known:
            known[name] = User(cluster.url, name, passwords[1].get(name or "", ""))
        return known[name]

    return log_in


@pytest.fixture(scope="session")
def doubtful(cluster: AirflowCluster, braze: Sandbox) -> Callable[..., str]:
    """Run a Dag whose second batch ends in doubt, or more after it, and give the id of the run."""

    def run(dag_id: str, batches: int = 1) -> str:
        braze.fault("disconnect", processed=True, after=1, times=batches)
        run_id = cluster.trigger(dag_id)
        assert cluster.wait(dag_id, run_id).state == "failed"
        return run_id

    return run


@pytest.fixture(scope="session")
def held(doubtful: Callable[..., str], user: Callable[[str | None], User]) -> dict[str, Any]:
    """A delivery in doubt. Nobody settles it."""
    return user("admin").find(doubtful("win_back_customers"))


@pytest.fixture(scope="session")
def refused(cluster: AirflowCluster, braze: Sandbox, user: Callable[[str | None], User]) -> dict[str, Any]:
    """A delivery with a batch that Braze has refused."""
    braze.fault("status", status=400, after=1, times=1)
    run_id = cluster.trigger("order_updates")
    assert cluster.wait("order_updates", run_id).state == "failed"
    return user("admin").find(run_id)


@pytest.fixture(scope="session")
def mapped(cluster: AirflowCluster) -> str:
    """The run of a Dag whose mapped deliveries are finished."""
    run_id = cluster.trigger("loyalty_points")
    assert cluster.wait("loyalty_points", run_id).state == "success"
    return run_id


@pytest.fixture
def airflow(tab, cluster, user):
    """Airflow's UI in a browser, opened by a user who is logged in."""

    def opened(name: str = "admin", *, theme: str = "light", **options: Any) -> Any:
        page = tab(timezone_id="UTC", **options)
        page.context.add_cookies([{"name": "_token", "value": user(name).token, "url": cluster.url}])
        page.add_init_script(f"localStorage.theme ??= '{theme}'")
        return page

    return opened


@pytest.fixture
def in_menu(airflow, cluster):
    """The page, reached through Airflow's menu."""

    def opened(*args: Any, **options: Any) -> Any:
        page = airflow(*args, **options)
        page.goto(f"{cluster.url}/")
        page.get_by_role("button", name="Browse").click()
        page.get_by_role("menuitem", name="Braze deliveries").click()
        frame = page.frame_locator("iframe")
        frame.get_by_role("heading", name="Braze deliveries").wait_for()
        return page, frame

    return opened


@pytest.fixture
def in_airflow(airflow, cluster):
    """The page in Airflow's UI, at once at an address of its own. Gives Airflow's page and the frame."""

    def opened(*args: Any, query: str = "", **options: Any) -> Any:
        page = airflow(*args, **options)
        page.goto(f"{cluster.url}/plugin/braze-deliveries")
        page.frame_locator("iframe").get_by_role("heading", name="Braze deliveries").wait_for()
        frame = page.frames[1]
        if query:
            frame.goto(f"{cluster.url}/braze-deliveries/{query}")
        return page, frame

    return opened


@pytest.fixture
def direct(airflow, cluster):
    """The page without Airflow around it."""

    def opened(*args: Any, query: str = "", **options: Any) -> Any:
        page = airflow(*args, **options)
        page.goto(f"{cluster.url}/braze-deliveries/{query}")
        page.locator("main > *").first.wait_for()
        return page

    return opened
