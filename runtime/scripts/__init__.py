"""The scripts of the offline model: their grammar, and what they answer to what is said."""
