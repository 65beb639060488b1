"""Tokens on the page: each in its own colour, and for the model's own how likely it was and what else was likely."""

import html
import math
from collections.abc import Sequence

from backend.slm.reading import TokenReading
from spaces.token_pieces import Piece

# Lower bounds of the shades for how likely a token was.
SHADES = (0.5, 0.2, 0.05, 0.0)


def tokens_html(pieces: Sequence[Piece], table: Sequence[bytes], lang: str, words: dict, model: str = "") -> str:
    """The text token by token, a legend that begins with the `model`, and below it what the tokens come to."""
    spans = "".join(_piece(piece, number, table, words) for number, piece in enumerate(pieces))
    return f'<article class="story tokens" lang="{html.escape(lang)}"><p>{spans}</p>{_legend(words, model)}</article>{_sums(pieces, words)}'


def _piece(piece: Piece, number: int, table: Sequence[bytes], words: dict) -> str:
    kind = f"p{_shade(_probability(piece))}" if piece.told else f"t{number % 4}"
    text = html.escape(piece.text) or "∅"
    shown = text.replace("\n\n", '<span class="break">¶</span><br><br>').replace("\n", "↵<br>")
    many = f"<sub>{len(piece.tokens)}</sub>" if len(piece.tokens) > 1 else ""
    cards = "".join(_card(token, table, words) for token in piece.tokens)
    return f'<span class="token {kind}" tabindex="0">{shown}{many}<span class="tip" role="tooltip">{cards}</span></span>'


def _card(token: TokenReading, table: Sequence[bytes], words: dict) -> str:
    head = f"<b>{_named(token.id, table)}</b> <small>#{token.id}</small>"
    if token.log_probability is None:
        return f"<span>{head}</span>"
    chance = words["token_chance"].format(percent=_percent(token.log_probability), rank=token.rank + 1)
    rows = "".join(
        f'<span class="other{" this" if other == token.id else ""}"><i style="width:{100 * math.exp(score):.1f}%"></i>'
        f"<em>{_named(other, table)}</em><small>{_percent(score)}</small></span>"
        for other, score in token.likeliest
    )
    return f"<span>{head} {chance}{rows}</span>"


def _named(token: int, table: Sequence[bytes]) -> str:
    """A token's text with its spaces to be seen; its bytes where it is half a letter; its name where it is none."""
    content = table[token] if token < len(table) else b""
    if not content:
        return "⟨eos⟩"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return " ".join(f"{byte:02X}" for byte in content)
    return html.escape(text.replace(" ", "␣").replace("\n", "↵"))


def _legend(words: dict, model: str) -> str:
    bounds = [f"≥ {100 * bound:.0f} %" for bound in SHADES[:-1]] + [f"&lt; {100 * SHADES[-2]:.0f} %"]
    shades = "".join(f'<span class="token p{shade}">{bound}</span>' for shade, bound in enumerate(bounds))
    name = f"<span>{html.escape(model)}</span>" if model else ""
    return f'<footer>{name}<span>{words["token_given"]}</span><span>{words["token_told"]} {shades}</span><span>{words["token_hint"]}</span></footer>'


def _sums(pieces: Sequence[Piece], words: dict) -> str:
    text = "".join(piece.text for piece in pieces)
    count, said = sum(len(piece.tokens) for piece in pieces), max(1, len(text.split()))
    told = [token.log_probability for piece in pieces if piece.told for token in piece.tokens]
    facts = [
        (words["token_count"], f"{count}"),
        (words["token_letters"], f"{len(text) / count:.2f}" if count else "–"),
        (words["token_words"], f"{count / said:.2f}"),
    ]
    if told:
        facts.append((words["token_perplexity"], f"{math.exp(-sum(told) / len(told)):.1f}"))
    rows = "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in facts)
    return f'<div class="scroll"><table class="facts"><tbody>{rows}</tbody></table></div>'


def _probability(piece: Piece) -> float:
    return math.exp(sum(token.log_probability or 0.0 for token in piece.tokens))


def _shade(probability: float) -> int:
    return next(shade for shade, bound in enumerate(SHADES) if probability >= bound)


def _percent(score: float) -> str:
    percent = 100 * math.exp(score)
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
