"""A signal, a rank's half: measure this rank's share of the rows into the store."""

from ufo_rl.launch.publish import SignalRow
from ufo_rl.launch.rank_context import RankContext
from ufo_rl.signals.protocol import SignalRequest


def measure(request: SignalRequest, context: RankContext):
    share = context.share()
    rows = (SignalRow(**row) for block in share.blocks(100) for row in block)
    batches = ([(row, {"digits": sum(map(str.isdigit, row.text))})] for row in rows)
    count = context.publish(batches, request.store, len(share), context.progress("prompts"))
    return {"num_scored": count, "peak_memory_gib": context.place.peak_memory_gib()}
