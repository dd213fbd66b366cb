"""Measurements of Barograph and of its peers, side by side; see ``README.md``."""
