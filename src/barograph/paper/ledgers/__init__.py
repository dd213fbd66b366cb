"""Ledgers, one store a file."""
