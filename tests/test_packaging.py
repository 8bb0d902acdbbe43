"""What the wheel and the sdist hold, built as for the index."""

from __future__ import annotations

import configparser
import email
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from braze_provider import __version__
from braze_provider.get_provider_info import get_provider_info

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (
    ".github",
    "benchmarks",
    "braze_provider",
    "demo",
    "docs",
    "example_dags",
    "release",
    "tests",
)
FILES = (
    ".airflow-registry.yaml",
    ".pre-commit-config.yaml",
    ".readthedocs.yaml",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "pyproject.toml",
)


def build(folder):
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--out-dir", str(folder), str(ROOT)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of both, the wheel being built from the sdist."""
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def sdist(built):
    """The texts of the sdist's files by their path in the checkout."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {
            member.name.partition("/")[2]: archive.extractfile(member).read()
            for member in archive
            if member.isfile()
        }


@pytest.fixture(scope="module")
def wheel(built):
    """The texts of the wheel's files by their path."""
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sources(*folders):
    return {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not {"__pycache__", "_build"} & set(path.parts)
    }


def test_the_sdist_is_the_project_with_all_that_its_makefile_needs(sdist):
    assert sources(*FOLDERS) | set(FILES) <= sdist.keys()
    assert sdist.keys() - sources(*FOLDERS) - set(FILES) == {".gitignore", "PKG-INFO"}


def test_the_wheel_is_the_package_and_nothing_beside_it(wheel):
    installed = {name for name in wheel if ".dist-info/" not in name}
    assert installed == sources("braze_provider")
    assert {name.partition("/")[0] for name in wheel.keys() - installed} == {
        f"airflow_provider_braze_messaging-{__version__}.dist-info"
    }


def test_a_second_build_is_the_same_byte_for_byte(built, tmp_path):
    build(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in built.iterdir()
    }


def test_the_index_is_told_who_made_it_and_what_it_is_for(wheel):
    (metadata,) = (text.decode() for name, text in wheel.items() if name.endswith(".dist-info/METADATA"))
    told = email.message_from_string(metadata)
    assert told["Author"]
    assert told["Summary"]
    assert {url.partition(", ")[2] for url in told.get_all("Project-URL")} == {
        get_provider_info()["integrations"][0]["external-doc-url"]
    }


def test_the_wheel_is_typed_and_licensed(wheel):
    assert "braze_provider/py.typed" in wheel
    assert [name for name in wheel if name.endswith("/licenses/LICENSE")]


def test_airflow_and_pytest_find_what_is_theirs(wheel):
    (text,) = (text.decode() for name, text in wheel.items() if name.endswith(".dist-info/entry_points.txt"))
    found = configparser.ConfigParser()
    found.read_string(text)
    assert {group: dict(found[group]) for group in found.sections()} == {
        "apache_airflow_provider": {"provider_info": "braze_provider.get_provider_info:get_provider_info"},
        "airflow.plugins": {"braze_deliveries": "braze_provider.plugins.deliveries:plugin"},
        "pytest11": {"braze_sandbox": "braze_provider.pytest_plugin"},
    }
