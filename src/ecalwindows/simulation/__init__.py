"""Dumper files with known truth, from a fast simulation of the detector."""

from ecalwindows.simulation.conditions import Conditions, read_conditions
from ecalwindows.simulation.gun import Gun
from ecalwindows.simulation.run import SimulationSettings, simulate_file

__all__ = ["Conditions", "Gun", "SimulationSettings", "read_conditions", "simulate_file"]
