"""The language as frozen pydantic models, a module for each section."""

from runtime.config.model.root import Config

__all__ = ["Config"]
