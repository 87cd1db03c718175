"""The language as frozen pydantic models, in one module per section."""

from runtime.config.model.root import Config

__all__ = ["Config"]
