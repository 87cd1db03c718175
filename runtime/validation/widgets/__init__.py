"""Checks of widgets: templates, components, click payloads, and rendering with samples."""
