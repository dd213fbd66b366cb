"""A recorder among troubles: kills, cuts, full disks, dead stores, wrong clocks, lying venues.

``python -m benchmarks.chaos --minutes 5 --seed N``; see ``__main__.py``.
"""
