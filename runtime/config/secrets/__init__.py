"""Secret values: which values are secret, how to recognise one, how to hide one in output."""
