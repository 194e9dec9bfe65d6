"""The world of the simulator: tasks whose truth is computed from their words alone."""

from preflect.sim.world.task import Solution, Task, fold
from preflect.sim.world.world import FAMILIES, World, generate_task

__all__ = ["FAMILIES", "Solution", "Task", "World", "fold", "generate_task"]
