"""The key file: the secrets that member keys, pairwise ids and duplicates' hashes are made with.

Source: DESIGN 5, CONTRACT 4.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Final

from agents.settings import BadSettings
from streams.keys import Secrets

VERSION: Final = 1
BYTES: Final = 32
NAMES: Final = ("member", "pairwise", "dedupe")


def make(path: Path) -> None:
    """Write new secrets to *path*, for its owner alone to read; what is there is never replaced (``FileExistsError``)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {"version": VERSION, **{name: secrets.token_hex(BYTES) for name in NAMES}}
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(made, file)
        file.flush()
        os.fsync(file.fileno())  # without it all members are strangers


def read(path: Path) -> Secrets:
    """Read the secrets; raises ``BadSettings``, which never shows any of them."""
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise BadSettings(f"key_file: {path}: {error.strerror}; `huiliu up` makes one, or set HUILIU_KEY_FILE") from None
    except ValueError:
        raise BadSettings(f"key_file: {path}: not JSON") from None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise BadSettings(f"key_file: {path}: not a key file of version {VERSION}")
    return Secrets(*(_secret(path, name, found.get(name)) for name in NAMES))


def _secret(path: Path, name: str, text: object) -> bytes:
    try:
        secret = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        secret = b""
    if len(secret) != BYTES:
        raise BadSettings(f"key_file: {path}: {name}: expected {2 * BYTES} hexadecimal digits")
    return secret
