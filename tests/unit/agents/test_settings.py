import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from agents.settings import MASK, BadSettings, Settings, load, shown


def test_the_environment_stands_above_the_file_and_the_file_above_defaults(tmp_path: Path) -> None:
    config = tmp_path / "huiliu.toml"
    config.write_text('kafka = "file:1"\npartitions = 8\n')
    settings, sources, _ = load(config, {"HUILIU_KAFKA": "environment:2", "HUILIU_DATA": str(tmp_path)})
    assert (settings.kafka, settings.partitions, settings.tick_s) == ("environment:2", 8, 10)
    assert (sources["kafka"], sources["partitions"], sources["tick_s"]) == ("HUILIU_KAFKA", str(config), "default")


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    config = tmp_path / "huiliu.toml"
    config.write_text("partitions = 8\n")
    assert load(None, {"HUILIU_CONFIG": str(config)}).settings.partitions == 8


def test_what_huiliu_up_runs_is_found_while_it_runs(tmp_path: Path) -> None:
    note = tmp_path / "running.toml"
    note.write_text(f'pid = {os.getpid()}\nkafka = "127.0.0.1:5"\n')
    settings, sources, _ = load(None, {"HUILIU_DATA": str(tmp_path)})
    assert (settings.bootstrap(), sources["kafka"]) == ("127.0.0.1:5", "huiliu up")
    note.write_text('pid = 99999999\nkafka = "127.0.0.1:5"\n')
    assert load(None, {"HUILIU_DATA": str(tmp_path)}).settings.kafka is None


def test_without_kafka_the_message_says_what_to_do() -> None:
    with pytest.raises(BadSettings, match="HUILIU_KAFKA=host:port"):
        Settings().bootstrap()


@pytest.mark.parametrize(
    ("variable", "given", "said"),
    [
        ("HUILIU_KAFKA", "nowhere", "HUILIU_KAFKA: 'nowhere': expected host:port"),
        ("HUILIU_KAFKA", "a:1,b:99999", "HUILIU_KAFKA: 'a:1,b:99999': expected host:port"),
        ("HUILIU_REDIS", "http://:pass@x", rf"HUILIU_REDIS: {MASK.replace('*', '[*]')}: expected redis://"),
        ("HUILIU_PARTITIONS", "0", "HUILIU_PARTITIONS: '0': input should be greater than or equal to 1"),
        ("HUILIU_PARTITIONS", "many", "HUILIU_PARTITIONS: 'many': input should be a valid integer"),
        ("HUILIU_KAFKA_SECURITY", "sasl_ssl", "needs kafka_user and kafka_password_file"),
    ],
)
def test_what_is_wrong_is_named(variable: str, given: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        load(None, {variable: given})


def test_a_misspelt_name_in_the_file_gets_a_suggestion(tmp_path: Path) -> None:
    config = tmp_path / "huiliu.toml"
    config.write_text("partition = 8\n")
    with pytest.raises(BadSettings, match=r"partition: no such setting; did you mean partitions\?"):
        load(config, {})


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(BadSettings) as wrong:
        load(None, {"HUILIU_PARTITIONS": "0", "HUILIU_TICK_S": "-1"})
    assert len(str(wrong.value).splitlines()) == 2


@pytest.mark.parametrize(("text", "said"), [("= 3", "not TOML"), (None, "No such file")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    config = tmp_path / "huiliu.toml"
    if text is not None:
        config.write_text(text)
    with pytest.raises(BadSettings, match=f"{config}: {said}"):
        load(config, {})


def test_no_secret_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("geheim\n")
    settings = Settings(redis="redis://user:geheim@host:6379/0", kafka_password=SecretStr("geheim"), kafka_password_file=file)
    assert shown(settings, "redis") == f"redis://user:{MASK}@host:6379/0"
    assert shown(settings, "kafka_password") == MASK
    assert "geheim" not in repr(settings.kafka_password)
    assert settings.password() == "geheim"


def test_a_name_in_the_environment_that_means_nothing_is_told() -> None:
    assert load(None, {"HUILIU_PARTITION": "3"}).unknown == ["HUILIU_PARTITION"]
