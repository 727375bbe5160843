"""What movements of a block prove about a pattern, kept while cells are suppressed and published.

A movement of suppressed cells that the relations and the attacker's bounds allow shows for every cell on its way how
far an attacker must let it go, and shows it to every insider who knows none of the cells that move. So one linear
program settles many targets, and what it found holds again whenever its cells are suppressed together.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from sdc.engine.cutting.attacker import STILL, TOLERANCE, Attack, Attacker, reached
from sdc.engine.cutting.block import Block, Kind, Target

# Cells that move less than this part of the farthest are too near the solver's rounding to be credited.
CLEAR = 1e-5
# So many movements that the pattern does not allow at the moment are remembered.
MOST = 2000
# Movements for which there is room at first; it doubles.
ROOM = 256

Failure = tuple[Target, list[Attack]]


class Proofs:
    """Movements known to be possible in a block, and which targets they settle under a pattern.

    `targets` are the block's, and after them what secondaries need so as not to be exact, which counts only while
    they are suppressed and only for the outsider. `pattern` [n] is the pattern in question; it is changed by `set`,
    `suppress` and `publish` only. `work` counts the linear programs solved by their size (see Attacker).
    """

    def __init__(self, block: Block, pattern: np.ndarray) -> None:
        self.block = block
        self.targets = block.targets + block.secondary_targets
        self.cell = np.array([t.cell for t in self.targets], dtype=np.int64)
        self.level = np.array([t.level for t in self.targets])
        self.kind = np.array([t.kind for t in self.targets], dtype=np.int64)
        self.primary = np.arange(len(self.targets)) < len(block.targets)
        self.work = 0
        self._knows = _incidence(block.n, [insider.known for insider in block.insiders])
        # Insiders from whom a target is no secret; secondaries and levels are protected from the outsider only.
        for_all = np.array([t.exactness for t in self.targets], dtype=bool) & self.primary
        owns = _incidence(block.n, [insider.own for insider in block.insiders])
        self._open_to = (owns[:, self.cell].toarray().T > 0) | ~for_all[:, None]
        self.count = 0
        widths = block.n, len(self.targets), len(self.targets) if len(block.insiders) else 0, len(block.insiders)
        self._stored = [np.zeros((ROOM, width), bool) for width in widths]
        self._moved, self._gives, self._shows, self._avoids = (kept[:0] for kept in self._stored)
        self._trouble = np.zeros(len(self.targets))
        self.set(pattern)

    def set(self, pattern: np.ndarray) -> None:
        """Ask about another pattern [n] from now on; movements that it does not allow wait."""
        self.pattern = pattern.copy()
        self._attacker: Attacker | None = None
        self._alive = ~self._moved[:, ~self.pattern].any(axis=1)
        if (~self._alive).sum() > MOST:
            alive = [kept[self._alive] for kept in (self._moved, self._gives, self._shows)]
            self.count, self._alive = 0, np.zeros(0, bool)
            self._remember(*alive)

    def suppress(self, cells: np.ndarray) -> None:
        """Put cells (positions or mask) into the pattern."""
        pattern = self.pattern.copy()
        pattern[cells] = True
        self.set(pattern)

    def publish(self, cell: int) -> bool:
        """Take one cell out of the pattern if no primary is opened by that; else change nothing and return False."""
        open_before = self.open(primary=True)
        lost = np.flatnonzero(self._alive & self._moved[:, cell])
        self.pattern[cell] = False
        self._alive[lost] = False
        if self._attacker is not None:
            self._attacker.publish(cell)
        opened = np.setdiff1d(self.open(primary=True), open_before)
        # Targets that stood in the way before are asked first.
        for target in opened[np.argsort(-self._trouble[opened], kind="stable")]:
            if self.ask(int(target), one=True):
                self._trouble[target] += 1
                self.pattern[cell] = True
                self._alive[lost] = True
                self._attacker.suppress(cell)
                return False
        return True

    def open(self, *, primary: bool) -> np.ndarray:
        """Positions of targets, on primaries or on suppressed secondaries, that no known movement settles yet."""
        asked = np.flatnonzero(self.primary if primary else ~self.primary & self.pattern[self.cell])
        gives = self._gives[np.ix_(self._alive, asked)]
        settled = gives.any(axis=0)
        if primary and len(self.block.insiders):
            shows = self._shows[np.ix_(self._alive, asked)]
            shown = shows.T.astype(np.float32) @ self._avoids[self._alive].astype(np.float32) > 0
            settled &= (shown | self._open_to[asked]).all(axis=1)
        return asked[~settled]

    def failures(self, *, primary: bool = True) -> list[Failure]:
        """Targets on primaries (or secondaries) that the pattern leaves open, with the attacks that show it.

        Insiders are asked only about targets that the outsider leaves protected.
        """
        found = []
        waiting = self.open(primary=primary)
        while len(waiting):
            found += self.ask(int(waiting[0]))
            waiting = waiting[1:][np.isin(waiting[1:], self.open(primary=primary))]
        return found

    def ask(self, position: int, *, one: bool = False) -> list[Failure]:
        """Settle one target by linear programs, or return how it fails (with `one`, only the first failure)."""
        target = self.targets[position]
        if not self._settled(position) and len(dangers := self._dangers(position)):
            # A movement that avoids what any insider knows settles everything at once.
            self._attack(position, dangers)
        if not self._settled(position):
            attacks = self._attack(position, ())
            if not self._settled(position):
                return [(target, attacks)]
        if len(dangers := self._dangers(position)) > 1:
            self._attack(position, dangers, inside=True)
        found = []
        for insider in dangers:
            if insider in self._dangers(position):
                attacks = self._attack(position, [insider], inside=True)
                if insider in self._dangers(position):
                    found.append((replace(target, insider=int(insider)), attacks))
                    if one:
                        break
        return found

    def _settled(self, position: int) -> bool:
        """Whether a known movement settles the target against the outsider."""
        return bool(self._gives[self._alive, position].any())

    def _dangers(self, position: int) -> np.ndarray:
        """Insiders, ascending, against whom no known movement settles the target."""
        settling = self._alive & (self._shows if len(self.block.insiders) else self._gives)[:, position]
        return np.flatnonzero(~(self._avoids[settling].any(axis=0) | self._open_to[position]))

    def _attack(self, position: int, insiders: np.ndarray | list[int] | tuple, *, inside: bool = False) -> list[Attack]:
        """Move a target without the cells that any of the insiders knows, and remember the movements.

        `inside` if only they are to be shown it: they may reckon with less than the outsider (`Block.pinning`).
        """
        target = self.targets[position]
        if inside:
            target = replace(target, insider=int(insiders[0]))
        known = [np.zeros(0, np.int64), *(self.block.insiders[i].known for i in insiders)]
        known = np.unique(np.concatenate(known))
        if len(insiders) > 1 and not self.pattern[known].any():
            return []
        if self._attacker is None:
            self._attacker = Attacker(self.block, self.pattern.astype(float), capped=False)
        attacks = self._attacker.attacks(target, known)
        self.work += len(attacks) * self._attacker.work
        moved, gives = np.zeros((len(attacks), self.block.n), bool), np.zeros((len(attacks), len(self.targets)), bool)
        shows = np.zeros((len(attacks), self._stored[2].shape[1]), bool)
        for i, attack in enumerate(attacks):
            cells, moves = attack.moves()
            moved[i, cells] = True
            gives[i], moving = self._credited(cells, moves * target.level)
            shows[i] = (gives[i] if self.block.pinning else moving)[: shows.shape[1]]
        if reached(target, attacks):
            if target.kind is Kind.WIDTH:
                # Both ways together; either alone may not be wide enough.
                both = moved.any(axis=0), np.zeros(gives.shape[1], bool), np.zeros(shows.shape[1], bool)
                moved, gives, shows = (np.vstack(pair) for pair in zip((moved, gives, shows), both, strict=True))
            gives[-1, position] = self.block.pinning or not inside
            shows[-1:, position : position + 1] = True
        useful = gives.any(axis=1) | shows.any(axis=1)
        self._remember(moved[useful], gives[useful], shows[useful])
        return attacks

    def _remember(self, moved: np.ndarray, gives: np.ndarray, shows: np.ndarray) -> None:
        """Add movements that the pattern allows: masks of the cells that move [k, n] and of the targets [k, targets]
        that they settle against the outsider, and against insiders who know none of these cells (none: no insiders).
        """
        first, end = self.count, self.count + len(moved)
        while end > len(self._stored[0]):
            self._stored = [np.vstack([kept, np.zeros_like(kept)]) for kept in self._stored]
        for kept, new in zip(self._stored, (moved, gives, shows, (self._knows @ moved.T == 0).T), strict=True):
            kept[first:end] = new
        self.count = end
        self._moved, self._gives, self._shows, self._avoids = (kept[:end] for kept in self._stored)
        self._alive = np.append(self._alive, np.ones(len(moved), bool))

    def _credited(self, cells: np.ndarray, moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masks of targets that a movement, as far as the bounds let it go either way, settles by itself; and moves."""
        if len(cells) == 0:
            return np.zeros(len(self.targets), bool), np.zeros(len(self.targets), bool)
        scale = {}
        for way in (1.0, -1.0):
            room = np.where(way * moves > 0, self.block.up[cells], self.block.down[cells])
            scale[way] = float((room / np.abs(moves)).min())
        move = np.zeros(self.block.n)
        clear = np.abs(moves) > max(CLEAR * np.abs(moves).max(), STILL)
        move[cells[clear]] = moves[clear]
        own = move[self.cell]
        # Without bounds a cell can move as far as numbers go, and twice as far is still far.
        with np.errstate(invalid="ignore", over="ignore"):
            up = np.nan_to_num(np.maximum(own * scale[1.0], -own * scale[-1.0]), nan=0.0)
            down = np.nan_to_num(np.maximum(-own * scale[1.0], own * scale[-1.0]), nan=0.0)
            reach = np.choose(self.kind, [up, down, up + down, np.maximum(up, down)])
        return (own != 0) & (reach >= self.level * (1 - TOLERANCE)), own != 0


def _incidence(n: int, sets: list[np.ndarray]) -> sp.csr_matrix:
    """Which of the sets (rows) contain which of `n` cells."""
    starts = np.cumsum([0] + [len(cells) for cells in sets])
    cells = np.concatenate([np.zeros(0, np.int64), *sets])
    return sp.csr_matrix((np.ones(len(cells), np.float32), cells, starts), (len(sets), n))
