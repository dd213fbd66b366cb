"""Each alert once: the memory of what was told lately."""

from __future__ import annotations

from collections import OrderedDict

from barograph.clock import NS_PER_S

KEYS = 4096
"""Keys remembered; beyond it the one told longest ago is forgotten, so it may be told again too soon."""


class CoolDown:
    """Which keys may be told now.

    Args:
        cool_down_s: seconds for which a key that was told stays silent.
        keys: how many keys are remembered.

    Example:
        >>> memory = CoolDown(60)
        >>> memory.admit("disk", 0), memory.admit("disk", NS_PER_S), memory.admit("disk", 61 * NS_PER_S)
        (0, None, 1)
    """

    def __init__(self, cool_down_s: float, keys: int = KEYS) -> None:
        self._cool_down_ns = int(cool_down_s * NS_PER_S)
        self._keys = keys
        self._told: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._told)

    def admit(self, key: str, now_ns: int) -> int | None:
        """How many repeats of ``key`` were held back since it was told; None: hold this one back too."""
        told_ns, repeats = self._told.get(key, (None, 0))
        # A clock that was set back must not silence anything for longer than the cool-down.
        if told_ns is not None and 0 <= now_ns - told_ns < self._cool_down_ns:
            self._told[key] = (told_ns, repeats + 1)
            return None
        self._told[key] = (now_ns, 0)
        self._told.move_to_end(key)
        if len(self._told) > self._keys:
            self._told.popitem(last=False)
        return repeats
