"""What journals say of themselves, joined: which prompts they were meant to hold, and of which words those were made."""

import hashlib
import json
from dataclasses import dataclass

from backend.errors import UserError
from backend.llm.journal import Journal, JournalView


@dataclass(frozen=True)
class Renaming:
    """Prompts of words or templates that the merged journal holds others of: their ids get a mark, their records the text."""

    styles: dict[str, tuple[str, str]]  # "language complexity": (mark, template)

    def id(self, id_: str, record: str) -> str:
        """The id of an item in the merged journal."""
        style = self._style(record)
        return f"{id_}~{style[0]}" if style else id_

    def record(self, record: str) -> str:
        """Its record, with the prompt written out when the merged journal's template does not tell it."""
        style = self._style(record)
        if not style:
            return record
        words = json.loads(record)
        return json.dumps({"prompt": style[1].format_map(words)} | words, ensure_ascii=False)

    def _style(self, record: str) -> tuple[str, str] | None:
        words = json.loads(record)
        return self.styles.get(f"{words.get('language')} {words.get('complexity')}")


def join_meta(merged: Journal, source: JournalView) -> Renaming:
    """Add what a journal says of itself to the merged one; returns which of its prompts must be renamed.

    Raises UserError for a journal that translates something else.
    """
    translation = source.meta("translation")
    if merged.meta("plans") and translation != merged.meta("translation"):
        raise UserError(f"{source.path} holds something else than the journals before it; merge translations of one source by themselves.")
    for key in ("translation", "source", "checks"):
        if merged.meta(key) is None and source.meta(key) is not None:
            merged.set_meta(key, source.meta(key))
    words, templates = merged.meta("words", {}), merged.meta("templates", {})
    styles = {}
    for style, template in source.meta("templates", {}).items():
        language = style.partition(" ")[0]
        made_of = source.meta("words", {}).get(language)
        if (words.setdefault(language, made_of), templates.setdefault(style, template)) != (made_of, template):
            styles[style] = (hashlib.sha256(f"{made_of} {template}".encode()).hexdigest()[:8], template)
    merged.set_meta("words", words)
    merged.set_meta("templates", templates)
    merged.set_meta("plans", _joined(merged.meta("plans", {}), source.meta("plans", {}), styles))
    return Renaming(styles)


def _joined(plans: dict[str, dict], more: dict[str, dict], styles: dict[str, tuple[str, str]]) -> dict[str, dict]:
    """Plans by name; the larger of two of one name, and all shards of one together as one whole plan."""
    joined = dict(plans)
    for name, plan in more.items():
        style = " ".join(name.split()[:2])
        if style in styles:
            name = name.replace(style, f"{style}~{styles[style][0]}", 1)
        joined[name] = max(joined.get(name, plan), plan, key=lambda plan: plan["prompts"])
    for prefix in {name.rpartition(" ")[0] for name in joined}:
        parts = {name: plan for name, plan in joined.items() if name.rpartition(" ")[0] == prefix}
        shards = int(next(iter(parts)).rpartition("/")[2])
        if shards > 1 and set(parts) == {f"{prefix} {shard}/{shards}" for shard in range(shards)}:
            whole = max(parts.values(), key=lambda plan: plan.get("count", 0))
            whole = {**whole, "prompts": sum(plan["prompts"] for plan in parts.values())}
            whole |= {"shard": 0, "shards": 1} if "shard" in whole else {}
            joined = {name: plan for name, plan in joined.items() if name not in parts} | {f"{prefix} 0/1": whole}
    return joined
