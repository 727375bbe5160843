"""One computation for one question: a run asks for the same audit of the same system several times.

`protect()` audits what it made, the gate audits it again for each mart of the product, and so does a data test on a
mart that shows everything. Each asks from the tables as they stand. Where that gives the engine the same input, to the
last bit, the answer is the one that was computed in this process, because the engine is deterministic.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Callable

import pyarrow as pa


def once(method: Callable[..., pa.Table]) -> Callable[..., pa.Table]:
    """`method(cells, relations, **keywords)`, computed once in this process for the same input, whatever its row order.

    Who asks while the answer is being computed waits for it. An error is not kept: the next who asks computes again.
    """
    answers: dict[bytes, pa.Table] = {}
    computing: defaultdict[bytes, threading.Lock] = defaultdict(threading.Lock)
    one_at_a_time = threading.Lock()

    def call(cells: pa.Table, relations: pa.Table, **keywords: object) -> pa.Table:
        question = _digest(cells, relations, keywords)
        with one_at_a_time:
            lock = computing[question]
        with lock:
            if question not in answers:
                answers[question] = method(cells, relations, **keywords)
            return answers[question]

    return call


def _digest(cells: pa.Table, relations: pa.Table, keywords: dict[str, object]) -> bytes:
    """SHA-256 over every column, name, type and option; rows are put in order first."""
    digest = hashlib.sha256(json.dumps(keywords, sort_keys=True).encode())
    for table, key in ((cells, ("cell_id",)), (relations, ("relation_id", "cell_id"))):
        ordered = table.sort_by([(column, "ascending") for column in key]).combine_chunks()
        written = pa.BufferOutputStream()
        with pa.ipc.new_stream(written, ordered.schema) as stream:
            stream.write_table(ordered)
        digest.update(hashlib.sha256(written.getvalue()).digest())
    return digest.digest()
