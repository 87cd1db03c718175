"""The output formats of diagnostics: code frames, JSON, GitHub annotations, SARIF and JUnit XML."""
