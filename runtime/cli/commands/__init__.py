"""The commands of `chatkit-runtime`: a module for each verb, a function that returns an exit code."""
