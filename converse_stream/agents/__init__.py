"""Agents, the tasks they are given, and crews of them: many answers, one after another, in one conversation."""

from converse_stream.agents.agent import Agent
from converse_stream.agents.crew import Crew
from converse_stream.agents.following import CrewEvent, afollow_crew, follow_crew
from converse_stream.agents.task import Task

__all__ = ["Agent", "Crew", "CrewEvent", "Task", "afollow_crew", "follow_crew"]
