"""What a run came to, read back from the topics and held against the oracle."""

from collections.abc import Callable, Sequence

from agents.settings import Settings
from tests.integration.findings import PLAIN, Account, Terms, origin_of
from tests.integration.members_compared import compare_members, compare_tags, tags_told
from tests.integration.read_back import judged, published, read_crm, read_inside, read_letters
from tests.integration.records_compared import (
    compare_clocks,
    compare_manifests,
    compare_names,
    compare_order,
    compare_places,
    compare_stated,
)
from tests.oracle.rules import Rules


def account(
    settings: Settings, brands: Sequence[str], rules: Sequence[Rules], terms: Terms = PLAIN, when_read: Callable[[], object] = lambda: None
) -> Account:
    """Read everything and compare everything; *when_read* is called between."""
    found = Account(terms=terms)
    read_inside(found, settings)
    records = [record for brand in brands for record in published(settings, brand, terms.former.get(brand))]
    # as they were folded: an alliance's member acts at several brands
    records.sort(key=lambda record: found.inside.get(origin_of(record), (len(found.clocks), 0)))
    for brand in brands:
        read_crm(found, settings, brand)
        read_letters(found, settings, brand)
    when_read()
    found.verdicts = judged(records, terms)
    compare_places(found)
    compare_order(found)
    compare_clocks(found)
    compare_manifests(found)
    compare_stated(found)
    compare_names(found)
    compare_members(found, rules)
    compare_tags(found, tags_told(found))
    return found
