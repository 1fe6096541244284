"""For the tests of the scheduler: what takes jobs from state to state is beside."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
