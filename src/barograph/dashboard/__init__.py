"""The dashboard: what was recorded, to look at (docs/dashboard.md).

:mod:`main` starts the server and is the script that draws a page; :mod:`house` says which pages there are
and what each gets; :mod:`data` reads, once for all viewers. Pages and charts are rooms of their own.
It shows and never writes.
"""
