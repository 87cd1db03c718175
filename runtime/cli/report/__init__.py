"""The output formats of diagnostics: code frames, JSON, GitHub annotations, SARIF and JUnit XML."""

from typing import Literal

Format = Literal["text", "json", "github", "sarif", "junit"]
