"""The simulated OpenAI-compatible endpoint: tasks of known truth, planted faults, a judge with biases."""

from preflect.sim.options import Profile, SimOptions

__all__ = ["Profile", "SimOptions"]
