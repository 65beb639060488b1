"""The line below a finished story: who told it, how, and what the quick check saw."""

from evaluation.quick_check import quick_check
from spaces.writing import Draft


def facts_of(draft: Draft, opening: str, language: str, words: dict[str, str]) -> list[str]:
    """Short facts in the page's language; the quick check stands under its own name, as a heuristic."""
    if draft.coming is not None:
        return [words["fetching"].format(percent=round(100 * draft.coming))]
    if draft.ahead:
        return [words["ahead"].format(count=draft.ahead)]
    if not draft.ending or draft.failed:
        return [draft.ending] if draft.ending else []
    facts = [model_of(draft), f"{words['used_seed']} {draft.seed}", f"{len(draft.text.split())} {words['words']}"]
    if draft.ending in ("stopped", "length", "sentence"):
        facts.append(words["stopped"] if draft.ending == "stopped" else words["cut"])
    if draft.ending != "stopped":
        passed = quick_check(opening, draft.text, language, draft.ending == "eos").passed
        faults = [words[name] for name, good in passed.items() if good is False and name in words]
        # A story that stops at the chosen length says so already.
        if draft.ending != "eos":
            faults = [fault for fault in faults if fault != words["complete"]]
        facts.append(f"{words['quick']}: {', '.join(faults) or words['quick_good']}")
    return facts


def model_of(draft: Draft) -> str:
    """The model's name; of one of the Hub also the commit."""
    return f"{draft.model} ({draft.revision[:7]})" if draft.revision else draft.model
