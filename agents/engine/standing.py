"""Where a stage without a table goes on: what the group's commit says of a partition, and whether it may be believed.

Beside the offset stand the topic's id, so that a topic made again is read as a
new origin; the routing's version; and whether the stop was clean, that is
nothing above the offset had been sent.  Another routing may start from a clean
stop only, or a record could be sent twice by two routes.

No I/O here: the simulation drives the same code.  Source: DESIGN 5.
"""

from typing import NamedTuple

import msgspec

from agents.engine.takeover import CannotStart


class Standing(msgspec.Struct, frozen=True):
    """The metadata of a committed offset.  *topic_id* is in hex."""

    topic_id: str
    routing: str
    clean: bool


class Committed(NamedTuple):
    """What the group has committed for a partition."""

    offset: int
    metadata: str


class SetAside(Exception):
    """This partition must not be read; the others go on."""


def resume(name: str, committed: Committed | None, topic_id: bytes, begin: int, end: int, routing: str) -> int:
    """Choose the next offset to read of *name*, whose log now spans *begin* to *end*.

    Raises ``CannotStart`` where a start would route a record twice,
    ``SetAside`` where records of this partition alone were lost.
    """
    if committed is None:
        return begin
    standing = parse(committed.metadata)
    if standing is None:
        raise CannotStart(
            f"{name}: the group has committed {committed.offset} without our metadata: another program commits to this group; "
            "`huiliu reset intake` reads what the log holds anew"
        )
    if standing.routing != routing and not standing.clean:
        raise CannotStart(
            f"{name}: records were routed by {standing.routing} up to an unclean stop, this worker routes by {routing}; "
            "start the former version once and stop it with SIGTERM"
        )
    if standing.topic_id != topic_id.hex():
        return begin
    if committed.offset > end:
        raise SetAside(f"read up to {committed.offset}, but the log ends at {end}: records were lost; `huiliu reset intake` reads it anew")
    if committed.offset < begin:
        raise SetAside(
            f"read up to {committed.offset}, but the log begins at {begin}: {begin - committed.offset} records were deleted unread; "
            "`huiliu reset intake` goes on at what is left"
        )
    return committed.offset


def doubtful(committed: Committed | None, topic_id: bytes, end: int) -> int:
    """Say up to which offset a former owner may have sent what it never committed: no stop below it is clean.

    It read no further than the log's *end* at the take-over, for by then it may
    send no more; after a clean stop, no further than it said.
    """
    standing = parse(committed.metadata) if committed is not None else None
    return end if standing is not None and not standing.clean and standing.topic_id == topic_id.hex() else 0


def parse(metadata: str) -> Standing | None:
    """Read the metadata of a commit; None if it is not ours."""
    try:
        return msgspec.json.decode(metadata, type=Standing)
    except msgspec.DecodeError:
        return None


def write(topic_id: bytes, routing: str, *, clean: bool) -> str:
    """Write the metadata of a commit."""
    return msgspec.json.encode(Standing(topic_id.hex(), routing, clean)).decode()
