"""The venues: one a file, each a name, a state and a pure decoder of its frames.

Ask :func:`barograph.feeds.registry.feed` for one by name. A decoder takes the records of
its feed in tape order and returns columns (:class:`~barograph.rows.Decoded`); it knows no
files, stores, sockets or other venues, and nothing in a frame makes it raise. What a new
venue needs: ``docs/feeds.md``.
"""

from barograph.feeds.feed import Feed, FeedState
from barograph.feeds.registry import names

__all__ = ["Feed", "FeedState", "names"]
