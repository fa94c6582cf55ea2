"""Kinds of parts: what a job makes of its inputs."""
