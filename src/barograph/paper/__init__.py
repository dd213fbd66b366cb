"""Paper trading: positions that survive anything and are never taken twice.

``consumer`` trades single trade events and needs nothing but Python: it also lives in small
function packages. Ledgers keep what was decided, one conditional item each; the archive tells the world,
after the ledger knows. See ``docs/trading.md``.
"""

from __future__ import annotations
