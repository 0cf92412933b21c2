"""Where the turn of a completion ends: text behind an end-of-turn mark is not the model's answer any more."""

from __future__ import annotations

import re

BAR = "[|\uff5c]"  # DeepSeek's marks have wide bars
END = (
    "im_end|eot_id|eot|eom_id|eom|eos|endoftext|end_of_text|end_of_turn|endofturn|end_of_turn_token|return"
    "|end_of_sentence|end\u2581of\u2581sentence"
)
# Another turn begins: of somebody who is not the model. `<|im_start|>answer` and the like are parts of its own.
OTHER = (
    r"<\|(?:im_start|start|start_header_id)\|>\s*(?:user|human|system)\b|<start_of_turn>\s*user\b"
    rf"|<{BAR}(?:user|human){BAR}>|\[INST\]"
)
# `<|end|>` also stands between the channels of one turn.
MARK = re.compile(
    rf"<{BAR}(?:(?:{END}){BAR}>|end{BAR}>(?!\s*<\|start\|>\s*assistant))|</s>|<end_of_turn>|<eos>|\[\|endofturn\|\]|{OTHER}",
    re.IGNORECASE,
)

EXAMPLES = (
    (MARK, "7<|im_end|>8", "<|im_end|>"),
    (MARK, "a<|end_of_thought|>b", None),
    (MARK, "<|end|><|start|>assistant<|channel|>final", None),
    (MARK, "<|im_start|>answer", None),
    (MARK, "7\n<|im_start|>user\nAnd", "<|im_start|>user"),
)


def own_turn(text: str) -> str:
    """The text up to the first end-of-turn mark. Marks before any text end nothing: some models begin with them, and
    others close the turn of the user first."""
    if "<" not in text and "[INST]" not in text and "[|endofturn|]" not in text:
        return text
    start = 0
    for mark in MARK.finditer(text):
        if text[start : mark.start()].strip():
            return text[: mark.start()]
        start = mark.end()
    return text
