import json
from pathlib import Path

from agents.metrics import Page, local_workers, read_page, total
from agents.servers import free_port
from agents.settings import Settings


def page(**values: float) -> Page:
    return Page({"huiliu_tags_total": {frozenset({("brand", name), ("change", "entered")}): value for name, value in values.items()}})


def test_pages_add_up_by_the_labels_asked_for() -> None:
    assert total([page(acme=2, bolt=1), page(acme=3)], "tags_total", "brand") == {("acme",): 5, ("bolt",): 1}
    assert total([page(acme=2, bolt=1), page(acme=3)], "tags_total") == {(): 6}


def test_a_metric_that_was_never_set_is_nothing() -> None:
    assert page().one("lag_seconds", max) == 0
    assert total([page()], "lag_seconds", "topic") == {}


def test_the_largest_of_a_page_can_be_asked_for() -> None:
    assert page(acme=2, bolt=7).one("tags_total", max) == 7


def test_the_workers_of_a_data_folder_are_found(tmp_path: Path) -> None:
    assert local_workers(Settings(data=tmp_path)) == {}
    (tmp_path / "workers.json").write_text(json.dumps({"intake": 7}))
    assert local_workers(Settings(data=tmp_path)) == {"intake": "http://127.0.0.1:7"}


def test_a_worker_that_does_not_answer_has_no_page() -> None:
    assert read_page(f"http://127.0.0.1:{free_port()}") is None
