"""The completeness ledger: what is whole, what was repaired, what is missing and why.

:class:`Ledger` is a resumable kernel like the bars: records and rows in, rows of the table
``coverage`` out, and the gaps that are worth asking the venue for. ``docs/coverage.md`` has its rules.
"""

from __future__ import annotations

from barograph.coverage.ledger import Ledger
from barograph.coverage.rows import CoverageRows, State
from barograph.coverage.state import LedgerState

__all__ = ["CoverageRows", "Ledger", "LedgerState", "State"]
