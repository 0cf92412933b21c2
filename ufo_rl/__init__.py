"""UFO-RL: score RL prompts in one forward pass, keep the informative ones, train, compare honestly."""

import os

__version__ = "0.1.0"
# Read once, when pyarrow is loaded. Its own pool keeps what was freed: 65 MiB after 200,000 rows (bench/memory).
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def load_words() -> str:
    """Python's words that load this very copy of the package: in a child another one, that is installed or stands in
    PYTHONPATH, would measure and grade by its own rules."""
    return (
        f"import sys; from importlib import util; spec = util.spec_from_file_location('ufo_rl', {__file__!r}, "
        f"submodule_search_locations={__path__!r}); sys.modules['ufo_rl'] = own = util.module_from_spec(spec); "
        "spec.loader.exec_module(own)"
    )
