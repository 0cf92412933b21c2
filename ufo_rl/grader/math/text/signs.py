"""Unicode signs as LaTeX or plain text has them."""

# ruff: noqa: RUF001  (signs that look alike are what this file is about)
from __future__ import annotations

PLAIN = {
    **{"-": "−–‐‑‒", "/": "÷⁄", ":": "∶", "|": "∣", "(": "⟨", ")": "⟩", "'": "′‘’", '"': "“”"},
    **{" ": "\u00a0\u202f", "": "€£¥₹\u200b\u2061\ufeff"},
    **{rf"\mathbb{{{letter}}}": sign for letter, sign in zip("RZNQ", "ℝℤℕℚ", strict=True)},
}
COMMANDS = {
    **{r"\times": "×", r"\cdot": "·⋅", r"\pm": "±", r"\mp": "∓", r"\sqrt": "√", r"^\circ": "°º˚"},
    **{r"\le": "≤⩽", r"\ge": "≥⩾", r"\ne": "≠", r"\approx": "≈"},
    **{r"\cup": "∪", r"\cap": "∩", r"\in": "∈", r"\setminus": "∖", r"\emptyset": "∅"},
    **{r"\infty": "∞", r"\ldots": "…"},
    **{r"\alpha": "α", r"\beta": "β", r"\gamma": "γ", r"\delta": "δ", r"\epsilon": "ε", r"\zeta": "ζ", r"\eta": "η"},
    **{r"\theta": "θ", r"\iota": "ι", r"\kappa": "κ", r"\lambda": "λ", r"\mu": "μ", r"\nu": "ν", r"\xi": "ξ"},
    **{r"\omicron": "ο", r"\pi": "π", r"\rho": "ρ", r"\sigma": "σ", r"\tau": "τ", r"\upsilon": "υ", r"\phi": "φ"},
    **{r"\chi": "χ", r"\psi": "ψ", r"\omega": "ω"},
}
FRACTIONS = {
    **{"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5)},
    **{"⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8)},
    **{"⅐": (1, 7), "⅑": (1, 9), "⅒": (1, 10)},
}
TABLE = str.maketrans(
    {
        **{sign: plain for plain, signs in PLAIN.items() for sign in signs},
        **{sign: f"{command} " for command, signs in COMMANDS.items() for sign in signs},
        **{sign: rf" \frac{{{top}}}{{{bottom}}}" for sign, (top, bottom) in FRACTIONS.items()},
    }
)
