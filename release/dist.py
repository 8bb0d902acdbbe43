"""
Build the wheel and the sdist, and follow the quick start with the wheel alone.

Both are built twice, and have to be the same byte for byte. The commands of ``docs/quickstart.rst`` then run
in an empty folder, with the wheel and nothing else of this checkout. In the environment that they make, the
example of ``docs/testing.rst`` follows. The arguments are uv's requirement and options for the Airflow that
pip is held to.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from quick_start import environment_of_a_stranger, follow

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
UV = [sys.executable, "-m", "uv"]
# Where there is no commit to take the time of: the first moment that a zip file can name.
FIRST_MOMENT = 315_532_800

INSTALLED = """
import importlib.metadata, pathlib, sys, zipfile
import braze_provider
folder = pathlib.Path(braze_provider.__file__).resolve().parents[1]
assert pathlib.Path(sys.prefix).resolve() in folder.parents, f"{folder} is not in the environment"
with zipfile.ZipFile(sys.argv[1]) as wheel:
    names = [name for name in wheel.namelist() if name.startswith("braze_provider/")]
    others = [name for name in names if wheel.read(name) != (folder / name).read_bytes()]
assert names and not others, f"not installed from the wheel: {others}"
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
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return FIRST_MOMENT
    git = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    return int(git.stdout) if git.returncode == 0 else FIRST_MOMENT


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
    """Follow the quick start, and then the example of the tests, in the environment that it has made."""
    home = scratch / "home"
    home.mkdir()
    stranger = environment_of_a_stranger(home, wheel.parent, constraints(wheel, scratch, airflow))
    folder = shutil.copytree(ROOT / "docs" / "quickstart", scratch / "quickstart")
    seconds = follow(folder, stranger)
    print(f"The first message was in the inbox {seconds:.0f} s after the first command")
    python = folder / "quickstart" / "bin" / "python"
    run([python, "-c", INSTALLED, wheel], cwd=scratch, env=stranger)
    run([python, "-m", "pip", "install", "pytest>=8.2"], env=stranger)
    example = shutil.copytree(ROOT / "docs" / "testing", scratch / "example")
    run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", example], cwd=example, env=stranger)


def constraints(wheel: Path, scratch: Path, airflow: Sequence[str]) -> Path:
    """Write down the versions that pip is held to. As with Airflow's own constraints, they are of one day."""
    wanted, found = scratch / "wanted.txt", scratch / "constraints.txt"
    package = "airflow-provider-braze-messaging"
    requirement, *options = airflow
    wanted.write_text(f"{package}[sandbox] @ {wheel.as_uri()}\npytest>=8.2\n{requirement}\n")
    compiling = [*UV, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-emit-index-url"]
    run([*compiling, "--python", sys.executable, "--output-file", found, *options, wanted])
    # Here pip finds the wheel by its version: it refuses the extras of a requirement that is held to a file.
    found.write_text(re.sub(rf"^{package}.*\n", "", found.read_text(), flags=re.MULTILINE))
    return found


def run(command: Sequence[object], **options: object) -> None:
    subprocess.run([str(part) for part in command], check=True, **options)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"Failed: {' '.join(error.cmd[:6])} …")
