"""Agents, tasks and crews."""
