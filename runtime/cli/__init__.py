"""The command line: `app` declares the commands, `commands/` has one function for each, which returns an exit code."""

PROGRAM = "chatkit-runtime"
