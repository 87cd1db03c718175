"""JSON Schema: data checked against it and made from it, schemas compared with each other."""
