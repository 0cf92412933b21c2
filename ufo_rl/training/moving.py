"""What a selection that follows the model needs, the parent's half."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ufo_rl.config.schema import Refresh, Seam
from ufo_rl.launch.spool import write_spool
from ufo_rl.records import Prompt

if TYPE_CHECKING:
    from ufo_rl.launch.publish import SignalRow


@dataclass(frozen=True)
class Moving:
    """prompts: those that the selection left out. ease: what is known of each prompt of the pool before training, by id.
    scored: the pool's texts as confidence reads them, for rescore. selector, signal: their nodes."""

    settings: Refresh
    prompts: Sequence[Prompt]
    ease: dict[str, float]
    scored: Callable[[], Iterable[SignalRow]] | None
    selector: Seam
    signal: Seam | None
    ratio: float

    def key(self) -> list[Any]:
        """What a policy depends on besides its first selection."""
        nodes = [asdict(self.settings), self.selector, self.signal, self.ratio]
        texts = [row.key for row in self.scored()] if self.scored else []
        return [*nodes, [prompt.id for prompt in self.prompts], self.ease, texts]

    def request(self, num_kept: int, pool: Path) -> MovingRequest:
        if self.scored:
            write_spool(pool, (asdict(row) for row in self.scored()))
        return MovingRequest(self.settings, num_kept, self.ease, pool, self.selector, self.signal, self.ratio)


@dataclass(frozen=True)
class MovingRequest:
    """num_kept: of the training's rows, the first ones. pool: the file of the scored texts, where there are any."""

    settings: Refresh
    num_kept: int
    ease: dict[str, float]
    pool: Path
    selector: Seam
    signal: Seam | None
    ratio: float
