"""The courier desk itself: what a ChatKit backend is made of, written for the plain SDKs."""
