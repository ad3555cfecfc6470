"""The engine: Faust at the speed of a plain loop.  ``create_app`` makes a stage's app, ``run`` runs it as a process."""

from agents.engine.app import EngineApp, create_app
from agents.engine.observer import Observer, Quiet
from agents.engine.options import Options
from agents.engine.stage import Durable, KeyedStage, StatelessStage, TopicSource
from agents.engine.worker import run

__all__ = ["Durable", "EngineApp", "KeyedStage", "Observer", "Options", "Quiet", "StatelessStage", "TopicSource", "create_app", "run"]
