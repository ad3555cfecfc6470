"""Counting in MessagePack without decoding it: what a decoder drops as a repeated key is still there in the bytes."""

from typing import Final

_LENGTHS: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Strings and bytes, by their first byte: how many bytes their length takes."""
_SIZES: Final = {0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9, 0xDC: 3, 0xDD: 5}
"""Numbers and the heads of long lists: how many bytes they take in all."""
_MAPS: Final = {0xDE: 2, 0xDF: 4}


def map_entries(raw: bytes) -> int:
    """Count the entries of all maps in *raw*, which a decoder has accepted and which holds no extension types."""
    entries, at = 0, 0
    while at < len(raw):
        head = raw[at]
        if head in _MAPS:
            size = _MAPS[head]
            entries += int.from_bytes(raw[at + 1 : at + 1 + size], "big")
            at += 1 + size
        elif head in _LENGTHS:
            size = _LENGTHS[head]
            at += 1 + size + int.from_bytes(raw[at + 1 : at + 1 + size], "big")
        elif 0x80 <= head <= 0x8F:
            entries += head & 0x0F
            at += 1
        elif 0xA0 <= head <= 0xBF:
            at += 1 + (head & 0x1F)
        else:
            at += _SIZES.get(head, 1)
    return entries
