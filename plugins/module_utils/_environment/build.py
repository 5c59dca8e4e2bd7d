# SPDX-License-Identifier: GPL-3.0-or-later
"""A new generation, with uv: built at its final path, checked file by file, probed, and complete with its manifest."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import files, manifest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    Declaration,
    EnvironmentFailed,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import (
    runs_at_startup,
    startup_files_elsewhere,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._macho import architectures
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import probe

TIMEOUT = 3600.0  # seconds; a slow index needs its time for hundreds of megabytes
NATIVE_ARCHITECTURE = "arm64" if sys.platform == "darwin" else ""
"""What native code must hold: on a Mac its own; elsewhere nothing is demanded, for wheels are not Mach-O there."""

NATIVE_SUFFIXES = (".so", ".dylib")

PIN_NAME = "metalfleet.pth"
PIN = (
    "import os, sys; "
    "sys.path[:] = [os.path.realpath(p) if p.startswith(sys.prefix) else p for p in sys.path]; "
    "sys.prefix = sys.exec_prefix = os.path.realpath(sys.prefix)\n"
)
"""A start-up file of ours. A program that was started by the stable path goes on importing from the generation that the
path led to then, even after the path was switched to another. The prefix goes with it: TensorFlow looks for plug-ins in
the folders of both, and loads the same one twice if they have two names."""

Probe = Callable[[Declaration, Path], dict[str, Any]]
"""Runs a probe in an environment and returns its result, with `ok` and `verdict`."""


class DamagedFiles(Exception):
    """Installed files are not those of their wheels; `packages` are the distributions' names."""

    def __init__(self, packages: list[str], paths: list[str]) -> None:
        super().__init__(f"{', '.join(paths[:5])} not as the wheel's RECORD says")
        self.packages = packages


@dataclass(frozen=True)
class Source:
    """Where uv gets wheels: an index (empty: uv's default), or a folder or URL of wheels, and then no index."""

    index_url: str = ""
    wheels: str = ""


@dataclass(frozen=True)
class Checked:
    """What a complete check of a generation's files found out, as far as the manifest needs it."""

    packages: dict[str, str]
    records: dict[str, str]
    others: dict[str, str]


def run_probe(declaration: Declaration, environment: Path) -> dict[str, Any]:
    """Let TensorFlow compute in an environment that is in order."""
    return asdict(probe(environment, gpu=demand_of(declaration), timeout=declaration.probe_timeout))


def run_first_probe(declaration: Declaration, environment: Path) -> dict[str, Any]:
    """Let TensorFlow compute in a new generation; what Python compiles on the way makes every later probe faster."""
    return asdict(probe(environment, gpu=demand_of(declaration), timeout=declaration.probe_timeout, keep_bytecode=True))


def demand_of(declaration: Declaration) -> str:
    """What is demanded of the GPU: on a Mac, unless something else is declared, that it computes."""
    return declaration.gpu or ("required" if sys.platform == "darwin" else "none")


def packages_of(generation: Path) -> Path:
    """Where a generation's packages are."""
    packages = files.site_packages(generation)
    if packages is None:
        raise EnvironmentFailed(f"uv made no site-packages in {generation}. Run again with -vvv to see more.")
    return packages


class Builder:
    """Builds generations of one declaration."""

    def __init__(
        self,
        declaration: Declaration,
        uv: Path,
        source: Source,
        commands: Commands,
        *,
        machine: str = NATIVE_ARCHITECTURE,
        probe: Probe = run_first_probe,
    ) -> None:
        self.declaration, self.uv, self.source, self.commands = declaration, uv, source, commands
        self.machine, self.probe = machine, probe
        self.bare: frozenset[str] = frozenset()  # what an environment consists of before anything is installed
        self.proof: dict[str, Any] | None = None

    def build(self, generation: Path) -> None:
        """Make a complete generation. Raises whatever failed; the caller removes what is there then."""
        generation.parent.mkdir(parents=True, exist_ok=True)
        self.install(generation)
        try:
            checked = self.check(generation)
        except DamagedFiles as damage:
            # What was just installed came from a damaged cache: fetch these packages anew, once.
            self.run_uv("cache", "clean", *damage.packages)
            shutil.rmtree(generation)
            self.install(generation)
            checked = self.check(generation)
        if self.declaration.probe:
            self.proof = self.probe(self.declaration, generation)
            if not self.proof["ok"]:
                raise EnvironmentFailed(
                    f"A new generation of the environment {self.declaration.name} was built, but did not pass its "
                    f"probe: {self.proof['verdict']}. It was not activated.",
                    probe=self.proof,
                )
        self.complete(generation, checked)

    def prove(self) -> dict[str, Any]:
        """The probe's result of what is active: that of the build, or one made now."""
        return self.proof or self.probe(self.declaration, self.declaration.link)

    def install(self, generation: Path) -> None:
        """Make the virtual environment and install the lock, hash-checked, from wheels only."""
        # Only absolute interpreters: uv would otherwise execute every python on PATH, shims included.
        base = os.path.realpath(self.declaration.python)
        self.run_uv("venv", "--python", base, "--prompt", self.declaration.name, str(generation))
        lock = generation / "metalfleet-lock.txt"
        lock.write_text(self.declaration.lock, encoding="utf-8")
        (packages_of(generation) / PIN_NAME).write_text(PIN, encoding="utf-8")
        self.bare = frozenset(path for path, _ in files.paths(files.walk(generation)))
        python = str(generation / "bin" / "python")
        self.run_uv("pip", "sync", "--require-hashes", "--only-binary", ":all:", "--python", python, str(lock))

    def check(self, generation: Path) -> Checked:
        """Hash every file and compare it with its wheel's RECORD; refuse what a wheel must not bring."""
        packages = packages_of(generation)
        tree = files.walk(generation)
        digests = files.hash_all(generation, [path for path, stamp in files.paths(tree) if len(stamp) > 1])
        inside = packages.relative_to(generation).as_posix()
        brought: dict[str, tuple[str, str]] = {}
        damaged: dict[str, str] = {}
        versions, records = {}, {}
        for metadata_folder in sorted(entry.name for entry in os.scandir(packages)):
            distribution = files.distribution_of(metadata_folder)
            if distribution is None:
                continue
            name, versions[name] = distribution[0], distribution[1]
            records[metadata_folder] = digests[f"{inside}/{metadata_folder}/RECORD"]
            for path, digest in files.recorded_digests(packages, metadata_folder).items():
                normal = os.path.normpath(f"{inside}/{path}")
                if normal.startswith(("../", "/")):
                    raise EnvironmentFailed(
                        f"The wheel of {name} {versions[name]} writes outside the environment ({path}). "
                        "Nothing was activated. Remove it from the lock."
                    )
                self.refuse_conflict(normal, name, digest, brought)
                brought[normal] = (name, digest)
                if digests.get(normal) != digest:
                    damaged[normal] = name
        if damaged:
            raise DamagedFiles(sorted(set(damaged.values())), sorted(damaged))
        self.refuse_startup_files({path: owner for path, (owner, _) in brought.items()})
        self.refuse_foreign_code(generation, digests)
        others = {path: digest for path, digest in digests.items() if path not in brought}
        return Checked(versions, records, others)

    def refuse_conflict(self, path: str, name: str, digest: str, brought: dict[str, tuple[str, str]]) -> None:
        """No wheel may replace a file of the environment itself, nor one of another wheel."""
        other, expected = brought.get(path, (name, digest))
        if path in self.bare or digest != expected:
            whose = "the environment itself has" if path in self.bare else f"the wheel of {other} has, too"
            raise EnvironmentFailed(
                f"The wheel of {name} brings the file {path}, which {whose}. Nothing was activated. "
                "Remove one of them from the lock."
            )

    def refuse_startup_files(self, owners: dict[str, str]) -> None:
        """A wheel whose files run whenever Python starts must be declared."""
        for path, owner in owners.items():
            if runs_at_startup(path) and owner not in self.declaration.startup_files_of:
                raise EnvironmentFailed(
                    f"The wheel of {owner} brings the file {Path(path).name}, which would run whenever Python starts. "
                    f"Nothing was activated. If that is wanted, add {owner} to startup_files_of."
                )

    def refuse_foreign_code(self, generation: Path, digests: dict[str, str]) -> None:
        """Every native library must hold code for this machine."""
        for path in digests if self.machine else ():
            if path.endswith(NATIVE_SUFFIXES):
                found = architectures(generation / path)
                if found and self.machine not in found:
                    raise EnvironmentFailed(
                        f"{path} holds code for {', '.join(found)}, not for {self.machine}. Nothing was activated. "
                        "Use a lock that was made for this platform."
                    )

    def complete(self, generation: Path, checked: Checked) -> None:
        """Write the manifest: from then on the generation exists."""
        interpreter = manifest.identify(generation / "bin" / "python")
        if interpreter is None:
            raise EnvironmentFailed(f"The interpreter {self.declaration.python} vanished during the build. Run again.")
        manifest.write(
            generation,
            manifest.Manifest(
                name=self.declaration.name,
                lock_sha256=self.declaration.lock_sha256,
                interpreter=interpreter,
                packages=checked.packages,
                records=checked.records,
                others=checked.others,
                startup_elsewhere=startup_files_elsewhere(self.declaration.python),
                tree=files.walk(generation),
                probe={key: self.proof[key] for key in ("verdict", "duration")} if self.proof else None,
            ),
        )

    def run_uv(self, *arguments: str) -> None:
        """Run uv with settings of ours only, whatever its user has configured."""
        self.commands.run([str(self.uv), "--quiet", *arguments], timeout=TIMEOUT, env=self.uv_environment())

    def uv_environment(self) -> dict[str, str]:
        """This process's environment without what would change uv's or Python's ways."""
        ours = {
            name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PYTHON", "VIRTUAL_ENV"))
        }
        ours |= {
            "UV_CACHE_DIR": str(self.declaration.root / "cache" / "uv"),
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PYTHON_SEARCH_PATH": "/nonexistent",
            "UV_SYSTEM_CERTS": "1",
            # Never hard links: a damaged file would damage the cache, and the repair would bring the damage back. uv's
            # "clone" falls back to them where a volume cannot clone; its "copy" clones by itself on APFS, for that is
            # how Rust copies a file there (std::fs::copy: fclonefileat, then fcopyfile).
            "UV_LINK_MODE": "copy",
        }
        # Through the environment, for a URL may hold credentials and a process list shows arguments.
        if self.source.index_url:
            ours["UV_DEFAULT_INDEX"] = self.source.index_url
        if self.source.wheels:
            ours |= {"UV_FIND_LINKS": self.source.wheels, "UV_NO_INDEX": "1"}
        return ours
