"""How stories of one opening differ: length, speed, and how surprising each is to the other models."""

import html
import math

from backend.errors import UserError
from backend.slm.shelf import Models
from spaces.writing import Draft


def bits_per_byte(models: Models, judge: str, draft: Draft, opening: str) -> float | None:
    """Bits per UTF-8 byte of a story under a model, its opening given. None for an empty or too long one.

    Blocks for as long as the model takes, and for loading it.
    """
    size = len(draft.text.encode())
    if not size:
        return None
    try:
        with models.lend(judge) as engine:
            pairs = engine.score(draft.text, ended=draft.ending == "eos", opening=opening)
    except UserError:
        return None
    return -sum(score for _, score in pairs) / math.log(2) / size


def differences_html(drafts: list[Draft], titles: list[str], surprise: list[list[float | None]] | None, words: dict) -> str:
    """A table, one column a story. `surprise[i][j]` is story j under model i; None for the whole while it is computed."""
    rows = [
        (words["length"], [f"{len(d.text.split())} {words['words']}\n{d.tokens} {words['tokens']}" for d in drafts]),
        (words["speed"], [f"{d.tokens / d.seconds:,.0f}" if d.seconds and d.tokens > 1 else "–" for d in drafts]),
    ]
    if surprise is not None:
        for name, values in zip([d.model for d in drafts], surprise, strict=True):
            cells = ["–" if value is None else f"{value:.3f}" for value in values]
            rows.append((words["surprise_under"].format(model=name), cells))
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in titles)
    body = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>{"".join(_cell(cell) for cell in cells)}</tr>'
        for name, cells in rows
    )
    return f'<div class="scroll"><table class="facts"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str) -> str:
    return "<td>" + html.escape(text).replace("\n", "<br>") + "</td>"
