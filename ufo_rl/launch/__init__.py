"""Stages as child processes: how ranks are started, followed and ended."""
