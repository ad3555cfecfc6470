import json
from pathlib import Path

import jsonschema as outside
import pytest
from typer.testing import CliRunner

from agents.cli import create_cli
from schemas import jsonschema
from tests.published import changed, golden, golden_names, stated

FOLDER = Path(__file__).parents[2] / "schemas" / "json"


@pytest.mark.parametrize("name", jsonschema.names())
def test_the_file_is_what_the_types_say(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == jsonschema.rendered(name)


def test_there_is_a_file_for_each_type_and_no_other() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(jsonschema.names())


@pytest.mark.parametrize("name", jsonschema.names())
def test_each_schema_is_one_of_2020_12(name: str) -> None:
    outside.Draft202012Validator.check_schema(jsonschema.schema_of(name))


@pytest.mark.parametrize("name", golden_names())
def test_golden_events_fit_their_schema(name: str) -> None:
    event = golden(name)
    outside.validate(event, jsonschema.schema_of(event["type"]))


@pytest.mark.parametrize(
    "event",
    [
        changed(specversion="0.3"),
        changed(source="/brand/acme"),
        changed(data=...),
        stated(item=...),
        stated("share", via="telegram"),
        stated("order-paid", total=1),
        stated("order-paid", total="1e2"),
        stated("order-refunded", refund=None),
        stated("order-refunded", refund_id=...),
        stated("chat-recall", recalls=...),
        stated("coupon", reward_id=..., coupon_code=...),
    ],
)
def test_what_intake_refuses_by_shape_does_not_fit(event: dict[str, object]) -> None:
    with pytest.raises(outside.ValidationError):
        outside.validate(event, jsonschema.schema_of(str(event["type"])))


def test_the_command_prints_and_writes_them(tmp_path: Path) -> None:
    cli, run = create_cli(), CliRunner()
    assert json.loads(run.invoke(cli, ["schema", "cn.huiliu.click.v1"]).stdout) == jsonschema.schema_of("cn.huiliu.click.v1")
    assert run.invoke(cli, ["schema"]).stdout.split() == jsonschema.names()
    assert run.invoke(cli, ["schema", "--write", str(tmp_path)]).exit_code == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert run.invoke(cli, ["schema", "cn.huiliu.clik.v1"]).exit_code == 2
