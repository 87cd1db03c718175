"""One streaming request: parsed, prepared, run, stored and sent."""
