"""`python -m preflect.sim`: the simulated endpoint as a process of its own."""

import sys

from preflect.sim.command import main

if __name__ == "__main__":
    sys.exit(main())
