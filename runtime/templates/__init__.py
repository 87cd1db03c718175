"""The template language of agents.yaml: sandboxed Jinja2 in which an undefined name is an error."""
