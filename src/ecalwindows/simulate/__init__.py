"""Dumper files with known truth, from a fast simulation of the detector."""

from ecalwindows.simulate.conditions import Conditions, read_conditions
from ecalwindows.simulate.gun import Gun
from ecalwindows.simulate.run import SimulationSettings, simulate_file

__all__ = ["Conditions", "Gun", "SimulationSettings", "read_conditions", "simulate_file"]
