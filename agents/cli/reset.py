"""``huiliu reset STAGE``: a stage begun anew, where its states can't go on."""

import asyncio
from typing import Annotated

import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from rich.progress import track

from agents import clients
from agents.cli.common import AsJson, err, fail, out, print_json, settings_of
from agents.engine import reset
from agents.engine.departed import put_out_dead
from agents.settings import Settings
from schemas import stages
from schemas.stages import Keyed, Stage
from streams import budgets
from streams.partition import carried

ANSWER_S = 30.0

TARGETS = {Stage.MEMBERS: stages.MEMBERS, Stage.SHARES: stages.SHARES, Stage.BUDGETS: stages.BUDGETS, Stage.CONTROL: stages.CONTROL}
CONSEQUENCES = {
    Stage.INTAKE: "Brands' topics are read from their beginnings. A member drops what it had from the last 8 partitions that it came "
    "from, and what is among the brand's last 64; older clicks and shares from elsewhere count again.",
    Stage.MEMBERS: "All members' states are forgotten and folded again from what the log holds (7 days). "
    "CRMs get it all again in a new epoch, each record under the id that it had; what was before (consent, too) is gone. "
    "Rules stay; if the changelog is gone, too, `huiliu reset control` must follow: it sends them anew.",
    Stage.SHARES: "All shares are forgotten and known again from what the log holds (7 days); sharers are told nothing twice. "
    "Shares from before are unknown: what still comes of them earns nothing.",
    Stage.BUDGETS: "What campaigns have cost is folded again from what the log holds (7 days), on top of what was known before its "
    "beginning, or before the topic was made again. If the changelog is gone, too, budgets are full: lower them by what was granted.",
    Stage.CONTROL: "All rule sets are sent to budgets and members again, who drop those that they have.",
}
CARRY = {stages.BUDGETS: budgets.carried}


def begin(
    context: typer.Context,
    stage: Annotated[Stage, typer.Argument(help="Which stage.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Begin a stage anew from what its input holds; its workers must be stopped.

    A worker that refuses to start says when this is the way on.

    Example: huiliu reset members --yes
    """
    settings = settings_of(context)
    settings.bootstrap()
    group = stages.INTAKE if stage is Stage.INTAKE else TARGETS[stage].app_id
    if _alive(settings, group):
        missed = f"one that was killed on another machine is missed after {settings.session_timeout_s:g} s"
        fail(f"{stage}: workers of it are running; stop them first ({missed})")
    if not yes:
        err.print(CONSEQUENCES[stage], highlight=False)
        typer.confirm(f"Begin {stage} anew?", abort=True, err=True)
    begun = [] if stage is Stage.INTAKE else _begin(settings, TARGETS[stage])
    _forget_commits(settings, group)
    if as_json:
        print_json([one._asdict() for one in begun])
        return
    out.print(f"{stage} begins anew.", highlight=False)
    if begun:
        states, epoch = sum(one.states for one in begun), max(one.epoch for one in begun)
        out.print(f"{len(begun)} partitions, {states:,} states forgotten, epoch {epoch}.", highlight=False)


def _begin(settings: Settings, target: Keyed) -> list[reset.Begun]:
    servers = settings.bootstrap()
    try:
        topic, ends = asyncio.run(reset.inputs(servers, target))
        return [
            reset.begin_anew(servers, target, partition, topic, ends[partition], CARRY.get(target, carried))
            for partition in track(range(topic.partitions), "forgetting", console=err, transient=True)
        ]
    except (LookupError, KafkaException) as problem:
        fail(str(problem))


def _alive(settings: Settings, group: str) -> bool:
    """Tell whether anyone is in *group*, once who died on this machine is out of it."""
    with clients.admin(settings) as admin:
        return put_out_dead(admin, group)[1] > 0


def _forget_commits(settings: Settings, group: str) -> None:
    """Let the group forget what it committed; a group that is not there has nothing to forget."""
    admin = AdminClient(clients.librdkafka(settings))
    known = {one.group_id for one in admin.list_consumer_groups(request_timeout=ANSWER_S).result().valid}
    if group in known:
        admin.delete_consumer_groups([group], request_timeout=ANSWER_S)[group].result()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reset")(begin)
