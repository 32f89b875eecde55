"""Check requirements/*.txt without a network: all pinned, all hashed, no addresses, nothing missing, all agree."""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
# Each lock file with the dependency groups it serves; each holds the one before it, at the same versions.
LOCKS = {"run": ["build"], "dev": ["build", "dev"], "bench": ["build", "dev", "bench"]}
# Lock files of environments of their own, without Kept in them.
APART = {"tryton": ["tryton"]}
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Pin:
    """One line of a lock file. A package has several if platforms or Python versions differ."""

    name: str
    version: str
    marker: str


def main() -> int:
    """Print every fault; the exit status says whether there was one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    faults: list[str] = []
    smaller: set[Pin] = set()
    for lock, groups in LOCKS.items():
        kept = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
        pins, found = check(lock, [*kept, *grouped(project, groups)])
        found += [f"{pin.name}=={pin.version} is in the smaller lock only" for pin in sorted(smaller - pins, key=str)]
        faults += [f"requirements/{lock}.txt: {fault}" for fault in found]
        smaller = pins or smaller
    for lock, groups in APART.items():
        faults += [f"requirements/{lock}.txt: {fault}" for fault in check(lock, grouped(project, groups))[1]]
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print("run `make lock` to renew the lock files", file=sys.stderr)
    return 1 if faults else 0


def check(lock: str, asked: list[str]) -> tuple[set[Pin], list[str]]:
    """The pins of a lock file, and what is wrong with it; no pins where there is no such file."""
    path = ROOT / "requirements" / f"{lock}.txt"
    if not path.is_file():
        return set(), ["missing"]
    pins, faults = read_lock(path.read_text(encoding="utf-8"))
    return pins, faults + missing(pins, [Requirement(line) for line in asked])


def read_lock(text: str) -> tuple[set[Pin], list[str]]:
    """The pins of a lock file, and what is wrong with single lines."""
    pins: set[Pin] = set()
    faults = [f"holds an address: {line.strip()}" for line in text.splitlines() if "://" in line]
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        bare = line.split(" --hash", 1)[0].strip()
        try:
            requirement = Requirement(bare)
        except InvalidRequirement:
            faults.append(f"not a pinned requirement: {bare}")
            continue
        exact = [spec.version for spec in requirement.specifier if spec.operator == "=="]
        if len(exact) != 1 or "*" in exact[0] or requirement.url:
            faults.append(f"not pinned to one version: {bare}")
            continue
        if not _HASH.search(line):
            faults.append(f"no sha256 hash: {bare}")
        pins.add(Pin(canonicalize_name(requirement.name), exact[0], str(requirement.marker or "")))
    return pins, faults


def grouped(project: dict[str, dict[str, list[str]]], groups: list[str]) -> list[str]:
    """What these groups of pyproject.toml ask for."""
    return [line for group in groups for line in project["dependency-groups"][group]]


def missing(pins: set[Pin], requirements: list[Requirement]) -> list[str]:
    """What the lock does not hold, or holds at a version that pyproject.toml does not allow."""
    faults = []
    for requirement in requirements:
        versions = {pin.version for pin in pins if pin.name == canonicalize_name(requirement.name)}
        if not versions:
            faults.append(f"lacks {requirement}, which pyproject.toml asks for")
        faults += [
            f"has {requirement.name}=={version}, but pyproject.toml asks for {requirement}"
            for version in sorted(versions)
            if not requirement.specifier.contains(version, prereleases=True)
        ]
    return faults


if __name__ == "__main__":
    sys.exit(main())
