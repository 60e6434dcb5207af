"""What is put into the wheels: quipu's holds code, the models are in two wheels of data that an index accepts."""

from __future__ import annotations

import importlib.util
import re
import tomllib
import zlib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES = {"quipu-small": "quipu_small", "quipu-small-lm": "quipu_small_lm"}
LARGEST = 95_000_000  # bytes of a wheel
WEIGHTS = {".onnx", ".npy", ".npz", ".bin", ".safetensors"}
SAMPLE, EVERY = 1 << 18, 1 << 23  # bytes that are compressed, of so many


def settings(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def compressed(path: Path) -> float:
    """About the bytes that a file takes in a wheel, from samples of a large one."""
    size, taken, left = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        for at in range(0, size, EVERY):
            file.seek(at)
            part = file.read(SAMPLE if size > EVERY else size)
            taken, left = taken + len(part), left + len(zlib.compress(part, 6))
    return size * left / max(1, taken)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_of_models_is_built_of_its_folder(name: str) -> None:
    """Name, version and contents are those that quipu asks for and looks for."""
    folder, module = ROOT / "packages" / name, PACKAGES[name]
    project = settings(folder)["project"]
    assert project["name"] == name.replace("quipu-", "quipu-qa-", 1) and "dependencies" not in project
    wheel = settings(folder)["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": [f"src/{module}"]}
    for file in (project["readme"], *project["license-files"], f"src/{module}/__init__.py"):
        assert (folder / file).is_file(), file
    wanted = [Requirement(text) for text in settings(ROOT)["project"]["dependencies"]]
    assert [item.specifier.contains(project["version"]) for item in wanted if item.name == project["name"]] == [True]
    # the code that is imported is what this checkout holds
    found = importlib.util.find_spec(module)
    assert found is not None and Path(str(found.origin)) == folder / "src" / module / "__init__.py"


@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_of_models_is_small_enough_for_an_index(name: str) -> None:
    """An index refuses files over 100 MB, and nobody notices before the upload."""
    files = [path for path in (ROOT / "packages" / name / "src").rglob("*") if path.is_file()]
    total = sum(compressed(path) for path in files if "__pycache__" not in path.parts)
    assert total < LARGEST, f"{name}: about {total / 1e6:.1f} MB"


def test_the_lock_holds_what_is_asked_for_from_the_public_index() -> None:
    """A dependency that was added without `uv lock`, or the address of somebody's own mirror, stops every newcomer."""
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    project = settings(ROOT)["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {Requirement(line).name for line in asked} - {"torch"}  # see [tool.uv]
    assert names <= {package["name"] for package in locked}
    assert {package["version"] for package in locked if package["name"] == project["name"]} == {project["version"]}
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text(encoding="utf-8")))
    assert hosts <= {"pypi.org", "files.pythonhosted.org"}


def test_quipus_own_wheel_holds_code_alone() -> None:
    """Whoever installs a new version of the code need not fetch the models again."""
    wheel = settings(ROOT)["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["src/quipu"] and set(wheel["force-include"]) == {"examples"}
    files = [path for path in (ROOT / "src" / "quipu").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in WEIGHTS]
    assert sum(path.stat().st_size for path in files if path.suffix != ".pyc") < 3_000_000
