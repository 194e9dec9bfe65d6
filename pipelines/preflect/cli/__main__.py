"""`python -m preflect.cli`."""

import sys

from preflect.cli import main

sys.exit(main())
