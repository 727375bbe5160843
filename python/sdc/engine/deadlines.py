"""Time limits as deadlines: moments of time.monotonic, None where there is none.

A call turns its seconds into a deadline once and hands that down, so that all of its steps share them.
"""

from __future__ import annotations

import time


def after(seconds: float | None) -> float | None:
    """The deadline so many seconds from now."""
    return None if seconds is None else time.monotonic() + seconds


def passed(deadline: float | None) -> bool:
    """Is there a deadline, and is it over?"""
    return deadline is not None and time.monotonic() > deadline


def left(deadline: float | None, least: float = 0.0) -> float | None:
    """Seconds until the deadline, `least` where they are fewer; None without one."""
    return None if deadline is None else max(deadline - time.monotonic(), least)
