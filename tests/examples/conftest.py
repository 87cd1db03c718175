"""Import ChatKit's widgets where warnings are no errors: the module warns about its own deprecated classes."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import chatkit.widgets  # noqa: F401  # imported for its effect
