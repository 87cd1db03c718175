"""The desk as a ChatKit server written by hand."""
