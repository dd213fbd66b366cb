"""Research: trying many strategies, and finding out which of them are luck.

- ``data``: prices from anywhere. ``backtesting``, ``metrics``: what strategies would have made of them.
- ``study``: the five steps from prices to a verdict; ``plan`` its settings, ``files`` what it writes.
- ``trials``: the ledger of everything that was ever tried.
- ``honesty``, ``evidence``, ``verdict``: skill or luck?
- ``plots``, ``report``: what it looks like.

See ``docs/research.md``.
"""
