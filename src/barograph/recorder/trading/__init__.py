"""The trading process: strategies behind a tape that grows, or over one that has ended.

It reads the tape as the recorder's tables do, without a lock and at its own pace. What it decides is a
function of the tape, the strategies and what a person said (:mod:`.control`), so it can be killed at any
moment, and made again by anybody (:mod:`.reconciling`).
"""

from __future__ import annotations
