"""Win rates of every two models by every judge, with what may have bent them, as one table."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from evaluation.human import correct_with_votes
from evaluation.page import interval, number, signed
from evaluation.pairwise import Pair, Verdict, win_rate
from evaluation.self_preference import family, pair_preference
from evaluation.votes import Preference


def table(
    pairs: Sequence[Pair],
    said: Mapping[str, Mapping[str, Verdict]],
    preferences: Sequence[Preference] = (),
    writers: Mapping[str, str] | None = None,
) -> list[dict]:
    """A row for each language, two models and judge. `said`: verdicts by judge and pair."""
    groups: dict[tuple[str, str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.first.language, *pair.models].append(pair)
    rows = []
    for (language, first, second), group in sorted(groups.items()):
        by_judge = {
            judge: {pair.id: known[pair.id] for pair in group if pair.id in known} for judge, known in said.items()
        }
        voted = [
            vote for vote in preferences if vote.pair.models == (first, second) and vote.pair.first.language == language
        ]
        for judge, mine in by_judge.items():
            if not mine:
                continue
            row = {"language": language, "judge": judge, "first": first, "second": second} | win_rate(
                list(mine.values())
            ).as_dict()
            row["corrected"] = _corrected(voted, said[judge], mine)
            taught = [name for name in (first, second) if name in (writers or {}) and family(writers[name]) == family(judge)]
            row["own"] = taught
            row["own_excess"] = pair_preference(by_judge, judge, taught[0] == first) if len(taught) == 1 else None
            rows.append(row)
    return rows


def _corrected(voted: Sequence[Preference], said: Mapping[str, Verdict], elsewhere: Mapping[str, Verdict]) -> dict | None:
    """The win rate corrected by votes; None with votes on fewer than two openings."""
    near = [(vote.worth, said[vote.pair.id].result, vote.pair.first.opening) for vote in voted if vote.pair.id in said]
    if len({opening for _, _, opening in near}) < 2:
        return None
    worth, judged, openings = zip(*near, strict=True)
    far = [verdict for key, verdict in elsewhere.items() if key not in {vote.pair.id for vote in voted}]
    found = correct_with_votes(
        worth, judged, [verdict.result for verdict in far], openings, [verdict.opening for verdict in far]
    )
    return vars(found)


def as_markdown(rows: Sequence[dict], named: Callable[[str], str] = str) -> str:
    """The rows as a Markdown table; `named` writes the names of models and judges."""
    lines = [
        "| language | judge | first − second | win rate of the first | both orders agree | for what is shown first | at equal length | corrected by votes | own family |",
        "| --- " * 9 + "|",
    ]
    for row in rows:
        corrected, excess = row["corrected"], row["own_excess"]
        own = ", ".join(map(named, row["own"])) + (f" {signed(excess[0])} {interval(excess)}" if excess else "")
        cells = [
            row["language"],
            named(row["judge"]),
            f"{named(row['first'])} − {named(row['second'])}",
            _interval(row["win_rate"], row["low"], row["high"]),
            number(row["consistent"]),
            signed(row["prefers_first_shown"]),
            number(row["length_controlled"]),
            f"{_interval(corrected['mean'], corrected['low'], corrected['high'])}, {corrected['votes']} votes" if corrected else "–",
            own or "–",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _interval(mean: float, low: float, high: float) -> str:
    return f"{number(mean)} {interval((mean, low, high))}"
