"""A thread's earlier items: loaded, windowed and converted to model input."""
