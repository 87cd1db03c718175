"""What an edit costs while people chat: `python -m benchmarks.reload`."""
