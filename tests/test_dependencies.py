"""What the package imports is declared, in ranges that every supported Airflow can meet."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "braze_provider"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# What may be imported in one folder only, because only who uses it installs the extra.
EXTRA_OF_ROOM = {"sandbox": "sandbox", "recipients": "parquet", "tasks": "parquet"}

NOT_OURS_TO_DECLARE = {
    "pytest": "imported by a plugin that only pytest loads",
    "psycopg": "the driver of a connection that is open already",
    "MySQLdb": "the driver of a connection that is open already",
    "pymysql": "the driver of a connection that is open already",
    "openlineage": "imported by code that only Airflow's OpenLineage provider calls",
    "uvloop": "used where there is one",
    "wtforms": "imported by a method that Airflow calls, with a WTForms of its own",
}

NOT_IMPORTED_BY_US = {
    "apache-airflow-providers-common-sql": "Airflow makes its hooks from connections",
}


def imports(tree: ast.AST) -> Iterator[str]:
    """All modules that are imported when code runs, rather than for its types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from imports(ast.Module(node.orelse, []))
        else:
            yield from imports(node)


def imported() -> Iterator[tuple[str, str]]:
    """Each file of the package with each module from elsewhere that it imports."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for module in imports(ast.parse(path.read_text())):
            first = module.partition(".")[0]
            if module.startswith("airflow.providers.openlineage"):
                first = "openlineage"
            if first not in {*sys.stdlib_module_names, "braze_provider", *NOT_OURS_TO_DECLARE}:
                yield str(path.relative_to(PACKAGE)), module


distributions = cache(metadata.packages_distributions)


def distribution_of(module: str) -> str:
    first, *rest = module.split(".")
    if first == "airflow":
        provider = "-".join(rest[1:2])
        return f"apache-airflow-providers-{provider}" if rest[:1] == ["providers"] else "apache-airflow"
    return canonicalize_name(distributions().get(first, [first])[0])


def declared(extra: str | None = None) -> dict[str, Requirement]:
    texts = PROJECT["dependencies"] + (PROJECT["optional-dependencies"][extra] if extra else [])
    requirements = map(Requirement, texts)
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def test_everything_that_is_imported_is_declared():
    undeclared = [
        (file, module)
        for file, module in imported()
        if distribution_of(module) not in declared(EXTRA_OF_ROOM.get(file.partition("/")[0]))
    ]
    assert undeclared == []


def test_everything_that_is_declared_is_imported():
    found = {distribution_of(module) for _, module in imported()}
    needed = {name for extra in (None, *PROJECT["optional-dependencies"]) for name in declared(extra)}
    assert needed - found == NOT_IMPORTED_BY_US.keys()


def test_the_walk_finds_imports_wherever_they_are():
    found = dict.fromkeys(distribution_of(module) for _, module in imported())
    assert {"apache-airflow", "fastapi", "jinja2", "pyarrow", "sqlalchemy", "urllib3"} <= found.keys()
    assert "apache-airflow-providers-standard" in found


@pytest.mark.dag
@pytest.mark.parametrize("extra", [None, *PROJECT["optional-dependencies"]])
def test_every_declared_range_holds_what_this_airflow_has(extra):
    unmet = {
        name: metadata.version(name)
        for name, requirement in declared(extra).items()
        if not requirement.specifier.contains(metadata.version(name), prereleases=True)
    }
    assert unmet == {}


def test_urllib3_is_one_that_can_tell_whether_a_connection_is_open():
    # The transport asks before it takes a kept connection; urllib3 1 has no such question.
    assert not declared()["urllib3"].specifier.contains("1.26.20")
