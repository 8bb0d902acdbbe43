"""
Build the wheel and the sdist, and follow the quick start with the wheel alone.

Both are built twice, and have to be the same byte for byte. An empty environment then gets the wheel and
nothing of this checkout, and runs the example of ``docs/testing.rst`` in it: a real Airflow sends to the
sandbox. The arguments are uv's requirement and options for that Airflow.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
UV = [sys.executable, "-m", "uv"]
# Where there is no commit to take the time of: the first moment that a zip file can name.
FIRST_MOMENT = 315_532_800

INSTALLED = """
import importlib.metadata, pathlib, sys
import braze_provider
file = pathlib.Path(braze_provider.__file__).resolve()
assert pathlib.Path(sys.prefix).resolve() in file.parents, f"{file} is not the installed one"
provider = importlib.metadata.entry_points(group="apache_airflow_provider", name="provider_info")
assert any(one.load()()["package-name"] == "airflow-provider-braze-messaging" for one in provider)
print("Installed", braze_provider.__version__, "with Airflow", importlib.metadata.version("apache-airflow"))
"""


def main(airflow: Sequence[str]) -> int:
    if not airflow:
        print("Which Airflow? Run: make dist", file=sys.stderr)
        return 2
    moment = moment_of_commit()
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        build(DIST, moment)
        build(Path(scratch) / "again", moment)
        if others := differing(DIST, Path(scratch) / "again"):
            print(f"A second build differs in {', '.join(others)}", file=sys.stderr)
            return 1
        built = sorted(path for path in DIST.iterdir() if path.suffix in (".whl", ".gz"))
        run([*UV, "tool", "run", "--quiet", "--from", "twine>=6", "twine", "check", "--strict", *built])
        (wheel,) = (path for path in built if path.suffix == ".whl")
        follow_the_quick_start(wheel, Path(scratch), airflow)
    print("\n".join(str(path.relative_to(ROOT)) for path in built))
    return 0


def moment_of_commit() -> int:
    """The Unix time of the commit, so that whoever builds it again gets the same files."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    git = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    return int(git.stdout) if git.returncode == 0 and (ROOT / ".git").exists() else FIRST_MOMENT


def build(folder: Path, moment: int) -> None:
    """Build the sdist, and the wheel from it, with the build backend as it was at that moment."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(moment)}
    if moment != FIRST_MOMENT:
        environment["UV_EXCLUDE_NEWER"] = datetime.fromtimestamp(moment, timezone.utc).isoformat()
    run([*UV, "build", "--quiet", "--out-dir", folder, ROOT], env=environment)


def differing(first: Path, second: Path) -> list[str]:
    """The names of the files that are not the same in both folders."""
    contents = [{path.name: path.read_bytes() for path in each.iterdir()} for each in (first, second)]
    names = sorted({*contents[0], *contents[1]})
    return [name for name in names if contents[0].get(name) != contents[1].get(name)]


def follow_the_quick_start(wheel: Path, scratch: Path, airflow: Sequence[str]) -> None:
    python = scratch / "environment" / "bin" / "python"
    run([*UV, "venv", "--quiet", "--python", sys.executable, scratch / "environment"])
    package = f"airflow-provider-braze-messaging[sandbox] @ {wheel.as_uri()}"
    run([*UV, "pip", "install", "--quiet", "--python", python, package, "pytest>=8.2", *airflow])
    # Nothing of the checkout, and nothing of the caller's Airflow.
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "VIRTUAL_ENV") and not name.startswith(("AIRFLOW_", "_AIRFLOW_"))
    }
    run([python, "-c", INSTALLED], cwd=scratch, env=clean)
    example = shutil.copytree(ROOT / "docs" / "testing", scratch / "example")
    began = time.monotonic()
    run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", example], cwd=example, env=clean)
    print(f"The quick start took {time.monotonic() - began:.0f} s from the installed wheel on")


def run(command: Sequence[object], **options: object) -> None:
    subprocess.run([str(part) for part in command], check=True, **options)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"Failed: {' '.join(error.cmd[:6])} …")
