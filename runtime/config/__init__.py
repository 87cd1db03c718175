"""The language of agents.yaml: a text becomes a frozen Config, or every reason why it can't."""
