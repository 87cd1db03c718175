"""What the checks of a project look at, and where they put what they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.config.collector import DiagnosticCollector
from runtime.config.load import LoadedProject
from runtime.config.model import Config
from runtime.config.project_files import ProjectFiles


@dataclass(frozen=True, slots=True)
class Subject:
    """A project: its `config`, its folder `root`, its `files`, its variables, and what is `found` so far."""

    config: Config
    root: Path
    files: ProjectFiles
    found: DiagnosticCollector
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, loaded: LoadedProject) -> Subject:
        """Return what can be checked of a project; it has a config, or what is left of one."""
        assert loaded.recovered.config is not None
        assert loaded.filled is not None
        return cls(
            loaded.recovered.config,
            loaded.root.resolve(),
            loaded.files,
            DiagnosticCollector(loaded.filled),
            loaded.environ,
        )
