"""`preflect run RECIPE --run FOLDER`, timed after its imports."""

from __future__ import annotations

import sys
from importlib import import_module

from task import timed

from preflect.cli import main

if __name__ == "__main__":
    recipe, folder = sys.argv[1:]
    for name in ("preflect.engine", "preflect.recipes", "preflect.recipes.stages"):
        import_module(name)  # else the command line would, once it runs, and the first phase its client
    with timed():
        code = main(["run", recipe, "--run", folder, "--quiet"])
    sys.exit(code)
