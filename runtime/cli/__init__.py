"""The command line: one module for each verb, and each verb is a function that returns an exit code."""
