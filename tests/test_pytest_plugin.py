"""The fixture braze_sandbox, in test suites of users. Each suite runs in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "testing.rst").read_text()

SEND = """
    import os, json, urllib.request

    def send(sandbox, *ids):
        body = {"campaign_id": "c", "recipients": [{"external_user_id": one} for one in ids]}
        headers = {"Authorization": f"Bearer {sandbox.api_key}", "Content-Type": "application/json"}
        url = sandbox.url + "/campaigns/trigger/send"
        urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=10)
"""

Suite = Callable[..., subprocess.CompletedProcess[str]]


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))
    }
    own |= {
        "PYTHONPATH": str(ROOT),
        # As pytest does by the entry point where the package is installed, and only this plugin.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "braze_provider.pytest_plugin",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    return subprocess.run([*command, str(folder)], capture_output=True, text=True, env=own, cwd=folder)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Run a suite of tests: ``suite("def test_…")``."""

    def with_tests(tests: str, conftest: str = "") -> subprocess.CompletedProcess[str]:
        (tmp_path / "conftest.py").write_text(textwrap.dedent(conftest))
        (tmp_path / "test_suite.py").write_text(textwrap.dedent(SEND) + textwrap.dedent(tests))
        return run(tmp_path)

    return with_tests


def passed(result: subprocess.CompletedProcess[str]) -> int:
    assert result.returncode == 0, result.stdout + result.stderr
    return int(re.findall(r"(\d+) passed", result.stdout)[0])


def test_a_test_sees_what_each_recipient_received(suite: Suite):
    result = suite("""
        def test_it(braze_sandbox):
            send(braze_sandbox, "ada", "bob")
            send(braze_sandbox, "ada")
            assert [one["campaign_id"] for one in braze_sandbox.received("ada")] == ["c", "c"]
            assert len(braze_sandbox.received("bob")) == 1
            assert braze_sandbox.received("eve") == []
    """)
    assert passed(result) == 1


def test_each_test_finds_the_same_sandbox_with_nothing_received_and_no_faults(suite: Suite):
    result = suite("""
        import pytest

        urls = set()

        @pytest.mark.parametrize("number", [1, 2])
        def test_it(braze_sandbox, number):
            assert braze_sandbox.summary()["requests"] == 0
            assert braze_sandbox.faults() == []
            send(braze_sandbox, "ada")
            braze_sandbox.fail_next("disconnect")
            urls.add(braze_sandbox.url)
            assert len(urls) == 1
    """)
    assert passed(result) == 2


def test_the_connection_leads_to_the_sandbox_during_the_test_alone(suite: Suite):
    result = suite("""
        def test_with(braze_sandbox):
            connection = json.loads(os.environ["AIRFLOW_CONN_BRAZE_DEFAULT"])
            assert connection["host"] == braze_sandbox.url

        def test_without():
            assert "AIRFLOW_CONN_BRAZE_DEFAULT" not in os.environ
    """)
    assert passed(result) == 2


def test_only_the_next_request_fails(suite: Suite):
    result = suite("""
        import urllib.error
        import pytest

        def test_it(braze_sandbox):
            braze_sandbox.fail_next("status", status=503)
            with pytest.raises(urllib.error.HTTPError, match="503"):
                send(braze_sandbox, "ada")
            send(braze_sandbox, "bob")
            assert braze_sandbox.received("ada") == []
            assert len(braze_sandbox.received("bob")) == 1
    """)
    assert passed(result) == 1


def test_a_read_timeout_is_longer_than_a_task_waits(suite: Suite):
    result = suite("""
        def test_it(braze_sandbox):
            delay = braze_sandbox.fail_next("read_timeout")["delay"]
            extra = json.loads(os.environ["AIRFLOW_CONN_BRAZE_DEFAULT"])["extra"]
            assert extra["timeout"] < delay
    """)
    assert passed(result) == 1


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn"])
def test_without_the_extra_the_error_says_what_to_install(suite: Suite, missing: str):
    result = suite(
        "def test_it(braze_sandbox): ...", conftest=f"import sys\nsys.modules[{missing!r}] = None\n"
    )
    assert result.returncode == 1
    assert "The fixture braze_sandbox can't be used." in result.stdout
    assert "pip install 'airflow-provider-braze-messaging[sandbox]'" in result.stdout
    assert "Traceback" not in result.stdout


def test_a_suite_that_does_not_use_it_loads_nothing_for_it():
    code = """
import sys, pytest
before = set(sys.modules)
import braze_provider.pytest_plugin
print("\\n".join(set(sys.modules) - before))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert set(ran.stdout.split()) - sys.stdlib_module_names == {
        "braze_provider",
        "braze_provider.pytest_plugin",
    }


@pytest.mark.dag
def test_the_example_of_the_documentation_works(tmp_path: Path):
    shutil.copytree(ROOT / "docs" / "testing", tmp_path, dirs_exist_ok=True)
    assert passed(run(tmp_path)) == 3


def test_the_documentation_shows_each_file_of_the_example():
    shown = re.findall(r"\.\. literalinclude:: (\S+)", PAGE)
    folder = ROOT / "docs"
    files = {str(path.relative_to(folder)) for path in (folder / "testing").rglob("*.py")}
    assert set(shown) == files
