import json
import stat
from pathlib import Path

import pytest

from agents import key_file
from agents.settings import BadSettings


def test_what_is_made_is_read_back_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys.json"
    key_file.make(path)
    found = key_file.read(path)
    assert len({found.member, found.pairwise, found.dedupe}) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_that_are_there_are_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key_file.make(path)
    before = key_file.read(path)
    with pytest.raises(FileExistsError):
        key_file.make(path)
    assert key_file.read(path) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("{", "not JSON"),
        ("[]", "not a key file"),
        ('{"version": 2}', "not a key file of version 1"),
        (json.dumps({"version": 1, "member": "ab" * 32, "pairwise": "cafe", "dedupe": "ab" * 32}), "pairwise: expected 64"),
        (json.dumps({"version": 1, "member": "geheim"}), "member: expected 64"),
    ],
)
def test_a_wrong_file_is_named_and_its_secrets_are_not(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "keys.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadSettings, match=said) as wrong:
        key_file.read(path)
    assert "cafe" not in str(wrong.value)
    assert "geheim" not in str(wrong.value)
