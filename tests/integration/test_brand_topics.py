"""A topic that a brand receives in is made again as it was; what nobody registered is not."""

from pathlib import Path

from agents import admin, clients
from agents.brand_topics import BrandTopics
from agents.settings import Settings
from schemas import topics
from schemas.brands import Registration


class Silent:
    def topic_made_again(self, topic: str) -> None:
        """Say nothing."""

    def topic_not_made(self, topic: str, problem: str) -> None:
        """Say nothing."""


def test_what_a_brand_receives_in_is_made_again_as_it_was(kafka: str, tmp_path: Path) -> None:
    settings = Settings(kafka=kafka, data=tmp_path)
    admin.add_brand(settings, Registration("deleted", "Deleted", admin.now(), events_partitions=3, crm_partitions=2))
    with clients.admin(settings) as client:
        client.delete_topics([topics.crm("deleted"), topics.dead_letters("deleted")])
    again = BrandTopics(settings, dict, Silent())
    names = {topics.crm("deleted"), topics.dead_letters("deleted"), topics.crm("nobody"), topics.MEMBERS}
    assert sorted(again.make(names)) == sorted([topics.crm("deleted"), topics.dead_letters("deleted")])
    assert again.make(names) == []
    assert admin.add_brand(settings, Registration("deleted", "Deleted", admin.now(), events_partitions=3, crm_partitions=2)) == []
