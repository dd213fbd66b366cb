"""Strategies as data, and the one kernel that trades them: in sweeps, in backtests, and on paper.

- ``strategy``, ``rules``, ``prices``, ``trading``: the words.
- ``families``, ``generating``: what strategies there are. ``indicators``: what they look at.
- ``rulebook``: strategies as arrays. ``decisions``, ``fills``, ``marking``, ``kernel``: trading, bar by bar.
- ``tally``: what is counted meanwhile. ``trader``: one account for the record; sweeps are in ``research``.
- ``guard``: what an account allows itself. ``orders``: the fills it made, and the orders that wait.
"""
