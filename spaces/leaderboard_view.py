"""The arena's board on the page."""

import html

import gradio as gr

from spaces.desk import PRIVATE, Desk, choices
from spaces.labels import labels
from spaces.leaderboard import Standing, standings
from spaces.votes import Votes

_ALL = "all"


class Leaderboard:
    """The folded board below the compare tab; computed when it is opened, and kept until another vote counts."""

    def __init__(self, desk: Desk, votes: Votes):
        self._votes = votes
        self._known: dict[str, tuple[int, list[Standing]]] = {}
        words = desk.words
        with desk.label("board", gr.Accordion(words["board"], open=False, elem_id="board", elem_classes="settings")) as fold:
            self.language = gr.Radio(
                [*choices(words, "board_language"), *desk.languages()], value=_ALL, label=words["board_language"],
                elem_classes="languages", elem_id="board-language",
            )  # fmt: skip
            desk.label("board_language", self.language, desk.languages())
            self.table = gr.HTML(elem_id="standings")
            desk.label("votes_note", gr.HTML(f'<p class="note">{words["votes_note"]}</p>'))
        inputs = [self.language, desk.page_language]
        gr.on([fold.expand, self.language.change], self.html, inputs, self.table, **PRIVATE)

    def html(self, language: str, page_language: str) -> str:
        """The board of one language, or of all."""
        words = labels(page_language)
        votes = self._votes.counted(None if language == _ALL else language)
        if self._known.get(language, (-1, []))[0] != len(votes):
            self._known[language] = len(votes), standings(votes)
        board = self._known[language][1]
        if not board:
            return f'<p class="note">{words["board_empty"]}</p>'
        low, high = min(row.low for row in board), max(row.high for row in board)
        keys = ("board_model", "board_rating", "board_interval", "board_votes", "board_won")
        head = "".join(f'<th scope="col">{words[key]}</th>' for key in keys)
        body = "".join(_row(row, low, max(high - low, 1)) for row in board)
        count = words["board_count"].format(count=len(votes))
        table = f'<table class="facts board"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        return f'<div class="scroll">{table}</div><p class="note">{count}</p>'


def _row(row: Standing, lowest: float, width: float) -> str:
    left, right, middle = (100 * (value - lowest) / width for value in (row.low, row.high, row.rating))
    bar = (
        f'<span class="interval" role="img" aria-label="{row.low:.0f}–{row.high:.0f}">'
        f'<i style="left:{left:.1f}%;width:{max(right - left, 1):.1f}%"></i><b style="left:{middle:.1f}%"></b></span>'
    )
    share = f"{100 * (row.wins + row.ties / 2) / row.votes:.0f} %" if row.votes else "–"
    return (
        f'<tr><th scope="row">{html.escape(row.model)}</th><td>{row.rating:.0f}</td>'
        f"<td>{bar}{row.low:.0f}–{row.high:.0f}</td><td>{row.votes}</td><td>{share}</td></tr>"
    )
