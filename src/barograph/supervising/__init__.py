"""Several processes of the house under one parent (docs/up.md).

``plan`` says what is run, ``supervisor`` runs it, ``children`` and ``tied`` are the two ends of one process'
life, ``logs`` makes one log of many, ``statefile`` tells others. The parent loads nothing heavy: what it
runs are the verbs of the command line, each in a process of its own.
"""
