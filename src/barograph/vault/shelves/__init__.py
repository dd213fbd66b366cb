"""The kinds of shelves, one a module."""
