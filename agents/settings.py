"""What can be set: environment ``HUILIU_*``, then a TOML file, then what ``huiliu up`` runs, then defaults.

Read once, in the command line; everything else is handed a ``Settings``, and
``Settings(...)`` itself looks at nothing but its arguments.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

PREFIX: Final = "HUILIU_"
CONFIG: Final = "HUILIU_CONFIG"
RUNNING: Final = "running.toml"
MASK: Final = "********"


class BadSettings(Exception):
    """The process cannot start; the message says where, what came and what was expected, one line each."""


def _addresses(text: str) -> str:
    for address in text.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ValueError("expected host:port, several with commas between")
    return text


def _redis_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in {"redis", "rediss", "unix"} or not (url.hostname or url.path):
        raise ValueError("expected redis://host:port/number, rediss:// for TLS, or unix:///path")
    return text


def _data_home() -> Path:
    return Path.home() / ".local" / "share" / "huiliu"


class Settings(BaseModel):
    """One worker's settings.  Names end with their unit; the README's table is made from the descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kafka: Annotated[str, AfterValidator(_addresses)] | None = Field(
        default=None, description="addresses of Kafka, host:port with commas between"
    )
    redis: Annotated[str, AfterValidator(_redis_url)] | None = Field(
        default=None, description="URL of the serving copy; without it none is written"
    )
    data: Path = Field(default_factory=_data_home, description="folder of `huiliu up`: Kafka, Redis, keys")
    key_file: Path | None = Field(
        default=None, description="the secrets that member ids are made with; keys.json in the data folder if not set"
    )

    kafka_security: Literal["plaintext", "sasl_plaintext", "sasl_ssl"] = Field(default="plaintext", description="how Kafka is spoken to")
    kafka_user: str | None = Field(default=None, description="SCRAM-SHA-512 user")
    kafka_password: SecretStr | None = Field(default=None, description="its password; better kafka_password_file")
    kafka_password_file: Path | None = Field(default=None, description="file with the password alone")
    kafka_ca_file: Path | None = Field(default=None, description="certificates that sign the brokers', PEM")

    partitions: int = Field(default=16, ge=1, le=1024, description="partitions of internal topics; fixed once they are made")
    replication: int = Field(default=1, ge=1, le=7, description="copies of each topic that huiliu makes; 3 in production")
    session_timeout_s: float = Field(default=10, ge=1, le=300, description="a worker unheard of for that long loses its partitions")
    commit_interval_s: float = Field(
        default=0.5, ge=0.01, le=10, description="time between two transactions of a partition: what a crash repeats"
    )
    linger_ms: int = Field(default=1, ge=0, le=1000, description="longest wait for a fuller batch to Kafka when there is little to send")
    max_linger_ms: int = Field(default=100, ge=0, le=1000, description="the same when there is much, for many brands")
    tick_s: float = Field(default=10, ge=0.1, le=3600, description="time between two ticks, by which tags expire without events")
    watchdog_s: float = Field(default=60, ge=1, description="lag without progress for that long ends the worker")
    stop_timeout_s: float = Field(default=10, ge=0.1, le=300, description="longest time in which a stop makes work in flight durable")
    http_host: str = Field(default="127.0.0.1", description="where /metrics and /health listen")
    http_port: int = Field(default=0, ge=0, le=65535, description="their port; 0 takes a free one")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="what is logged at least")

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if self.kafka_security == "plaintext":
            return self
        if self.kafka_user is None or (self.kafka_password is None and self.kafka_password_file is None):
            raise ValueError(f"kafka_security {self.kafka_security} needs kafka_user and kafka_password_file")
        return self

    @property
    def data_dir(self) -> Path:
        """Name the data folder."""
        return self.data.expanduser()

    @property
    def keys(self) -> Path:
        """Name the key file."""
        return self.key_file.expanduser() if self.key_file else self.data_dir / "keys.json"

    def bootstrap(self) -> str:
        """Give Kafka's addresses; raises ``BadSettings`` if nothing names any."""
        if self.kafka is None:
            raise BadSettings(
                "kafka: not set, and no `huiliu up` runs on this data folder; set HUILIU_KAFKA=host:port or start `huiliu up`"
            )
        return self.kafka

    def password(self) -> str | None:
        """Read Kafka's password from its file, else as set; raises ``BadSettings`` if the file cannot be read."""
        if self.kafka_password_file is None:
            return self.kafka_password.get_secret_value() if self.kafka_password else None
        try:
            return self.kafka_password_file.expanduser().read_text().strip()
        except OSError as error:
            raise BadSettings(f"kafka_password_file: {error.filename}: {error.strerror}") from None


class Loaded(NamedTuple):
    """Settings, where each came from, and names in the environment that mean nothing."""

    settings: Settings
    sources: dict[str, str]
    unknown: list[str]


def load(config: Path | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """Read the settings.  *config* is a TOML file, else the one that ``HUILIU_CONFIG`` names.  Raises ``BadSettings``."""
    environ = os.environ if environ is None else environ
    config = config or (Path(environ[CONFIG]) if environ.get(CONFIG) else None)
    found, sources = _from_environment(environ)
    for name, given in (_from_file(config) if config else {}).items():
        if name not in found:
            found[name], sources[name] = given, str(config)
    for name, given in _from_running(Path(found.get("data", _data_home()))).items():
        if name not in found:
            found[name], sources[name] = given, "huiliu up"
    settings = _checked(found, sources)
    unknown = [
        name
        for name in environ
        if name.startswith(PREFIX) and name != CONFIG and name.removeprefix(PREFIX).lower() not in Settings.model_fields
    ]
    return Loaded(settings, {name: sources.get(name, "default") for name in Settings.model_fields}, sorted(unknown))


def shown(settings: Settings, name: str) -> str:
    """Write one setting for people: no secret, nothing for what is not set."""
    given = getattr(settings, name)
    if given is None:
        return ""
    if isinstance(given, SecretStr):
        return MASK
    if name == "redis" and (password := urlsplit(given).password):
        return str(given.replace(f":{password}@", f":{MASK}@"))
    return str(given)


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    names = {name: f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    # An empty variable is one that is not set: compose files and CI leave such ones behind.
    found: dict[str, Any] = {name: environ[variable] for name, variable in names.items() if environ.get(variable)}
    return found, {name: names[name] for name in found}


def _from_file(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config.read_text())
    except OSError as error:
        raise BadSettings(f"{config}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{config}: not TOML: {error}") from None


def _from_running(data: Path) -> dict[str, Any]:
    """Take the addresses from what ``huiliu up`` wrote into its data folder, if that process still runs."""
    note = data.expanduser() / RUNNING
    if not note.is_file():
        return {}
    running = tomllib.loads(note.read_text())
    alive = Path(f"/proc/{running.pop('pid')}").exists()
    return running if alive else {}


def _checked(found: dict[str, Any], sources: dict[str, str]) -> Settings:
    try:
        return Settings(**found)
    except ValidationError as errors:
        raise BadSettings("\n".join(_line(error, sources) for error in errors.errors(include_url=False))) from None


def _line(error: Any, sources: dict[str, str]) -> str:
    said = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return said
    name = str(error["loc"][0])
    where = sources.get(name, name)
    label = where if where.startswith(PREFIX) else f"{where}: {name}"
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, Settings.model_fields, 1)
        return f"{label}: no such setting" + (f"; did you mean {close[0]}?" if close else "; `huiliu settings` lists all")
    came = MASK if "password" in name or name == "redis" else repr(error["input"])
    return f"{label}: {came}: {said[:1].lower()}{said[1:]}"


__all__ = ["MASK", "RUNNING", "BadSettings", "Loaded", "Settings", "load", "shown"]
