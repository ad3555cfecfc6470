"""Read and publish every rules file of a folder: what ``huiliu up --rules`` does before the stages start."""

from collections.abc import Sequence
from pathlib import Path

from agents import admin
from agents.cli.rules import publish_set
from agents.settings import BadSettings, Settings
from agents.supervisor import Say
from schemas.brands import Registration
from schemas.rules import ALLIANCE, RuleSet
from streams.rules_check import check, told
from streams.yaml_tree import Mistake


def read_folder(folder: Path) -> list[RuleSet]:
    """Read the rules files of *folder*; ``BadSettings`` tells every mistake of every file."""
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if not files:
        raise BadSettings(f"rules: {folder}: no .yaml file is there")
    checked = {file: _check(file) for file in files}
    wrong = [line for file, found in checked.items() if not isinstance(found, RuleSet) for line in told(found, str(file))]
    if wrong:
        raise BadSettings("\n".join(wrong))
    return [found for found in checked.values() if isinstance(found, RuleSet)]


def publish_all(settings: Settings, sets: Sequence[RuleSet], say: Say) -> None:
    """Publish *sets*; a brand that they name and that is not registered is, as ``huiliu brands add`` does."""
    known = {brand.brand for brand in admin.list_brands(settings)} | {ALLIANCE}
    for rules in sets:
        if rules.owner not in known:
            admin.add_brand(settings, Registration(rules.owner, rules.owner, admin.now()))
            say(f"{rules.owner} is registered")
        version, changed = publish_set(settings, rules)
        say(f"rules of {rules.owner}: {len(rules.tags)} tags, {'published as' if changed else 'unchanged,'} version {version}")


def _check(file: Path) -> RuleSet | list[Mistake]:
    try:
        return check(file.read_text("utf-8-sig"))
    except OSError as error:
        raise BadSettings(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{file}: not UTF-8; save the file as UTF-8") from None
