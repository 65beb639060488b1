"""Checks a language's folder: word lists, plots and phrases, with file and line of every bad entry."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from backend.errors import UserError
from backend.languages import Language, load_language
from datagen import words as kinds
from datagen.beginnings import Beginning, read_beginnings
from datagen.storyteller.grammar import PROMPT_ROLES, Phrasing
from datagen.storyteller.plots import Groups, Plot, read_language_plots
from datagen.words import Word, WordLists, load_words

MINIMUM = {"nouns": 350, "verbs": 190, "adjectives": 190, "features": 20, "characters": 40}
_KINDS = {
    "nouns": kinds.NOUN_KINDS,
    "verbs": kinds.VERB_KINDS,
    "adjectives": kinds.ADJECTIVE_KINDS,
    "characters": kinds.CHARACTER_KINDS,
}
_ROLE_KINDS = (*kinds.NOUN_KINDS, *kinds.CHARACTER_KINDS)
_REQUIRED_GROUPS = ("opening_has", "opening_sees", "opening_pair", "opening_deed", "verb", "adjective", "feature")
_JOINERS = "\u200c\u200d"


def check_language(name: str) -> list[str]:
    """One line for every problem, `file:line: what is wrong`; an empty list when all is well."""
    try:
        language, words = load_language(name), load_words(name)
        plots, groups = read_language_plots(language)
        beginnings = read_beginnings(language)
    except UserError as error:
        return [str(error)]
    problems = [*_check_words(language, words), *_check_openings(language), *_check_beginnings(language, beginnings)]
    for plot in plots:
        problems += _check_plot(plot, groups, language)
    problems += _check_groups(groups, words, language)
    starred = {kind for plot in plots for role in plot.noun_roles for kind in plot.roles[role]}
    for kind in sorted({noun.kind for noun in words.nouns} - starred):
        problems.append(f"{language.folder}/plots: no plot has a role* for nouns of kind '{kind}'; add one.")
    return problems


def _check_words(language: Language, words: WordLists) -> Iterator[str]:
    for list_name, minimum in MINIMUM.items():
        rows: tuple[Word, ...] = getattr(words, list_name)
        path = language.folder / f"{list_name}.tsv"
        if len(rows) < minimum:
            yield f"{path}:1: {len(rows)} entries; at least {minimum} are needed."
        yield from _not_normal(path)
        seen: dict[str, int] = {}
        located = any("loc" in row for row in rows if row.kind == "place")
        for row in rows:
            where = f"{row.path}:{row.line}"
            if row["word"] in seen:
                yield f"{where}: '{row['word']}' stands in line {seen[row['word']]} already."
            seen.setdefault(row["word"], row.line)
            allowed = _KINDS.get(list_name)
            if allowed and row.kind not in allowed:
                yield f"{where}: the kind '{row.kind}' is none of {', '.join(allowed)}."
            if language.genders and list_name in ("nouns", "characters") and row.gender not in language.genders:
                yield f"{where}: the gender '{row.gender}' is none of {', '.join(language.genders)}."
            if list_name == "nouns" and row.kind == "place" and located and "loc" not in row:
                yield f"{where}: the place '{row['word']}' has no form 'loc', as other places have; plots say by it where something is."
            for form, text in row.items():
                if strange := _strange(text, language):
                    yield f"{where}: '{text}' ({form}) holds {strange}, which is not {language.script}."


def _check_openings(language: Language) -> Iterator[str]:
    path = language.folder / "openings.txt"
    if not path.exists():
        yield f"{path} is missing; it holds one opening a line."
        return
    yield from _not_normal(path)
    seen = set()
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if strange := _strange(line, language):
            yield f"{path}:{number}: holds {strange}, which is not {language.script}."
        if line.strip() in seen:
            yield f"{path}:{number}: this opening stands above already."
        if line.strip():
            seen.add(line.strip())


def _check_beginnings(language: Language, beginnings: list[Beginning]) -> Iterator[str]:
    path = language.folder / "beginnings.tsv"
    if not beginnings:
        return
    yield from _not_normal(path)
    seen: dict[str, int] = {}
    for beginning in beginnings:
        where = f"{path}:{beginning.line}"
        if strange := _strange(beginning.text, language):
            yield f"{where}: holds {strange}, which is not {language.script}."
        if beginning.text in seen:
            yield f"{where}: this sentence stands in line {seen[beginning.text]} already."
        seen.setdefault(beginning.text, beginning.line)
        for name, gender in beginning.names.items():
            if language.genders and gender not in language.genders:
                yield f"{where}: {name}'s gender '{gender}' is none of {', '.join(language.genders)}."


def _check_plot(plot: Plot, groups: Groups, language: Language) -> Iterator[str]:
    if not plot.noun_roles:
        yield f"{plot.path}:1: no role has a *, so the prompt's noun finds no place."
    for role, allowed in plot.roles.items():
        for kind in allowed:
            if kind not in _ROLE_KINDS:
                yield f"{plot.path}: the role '{role}' asks for '{kind}', which is none of {', '.join(_ROLE_KINDS)}."
    known = {*plot.roles, *PROMPT_ROLES}
    called = set()
    for paragraph in plot.paragraphs:
        for options in paragraph:
            calls = [phrasing for phrasing in options.phrasings if phrasing.calls]
            called |= {phrasing.calls for phrasing in calls}
            if not calls and len(options.phrasings) < 3:
                yield f"{options.phrasings[0].where}: a sentence needs 3 phrasings or more; this has {len(options.phrasings)}."
            for phrasing in options.phrasings:
                yield from _check_phrasing(phrasing, known, {**groups, **plot.groups}, language)
    for options in plot.groups.values():
        called |= {phrasing.calls for phrasing in options.phrasings if phrasing.calls}
        for phrasing in options.phrasings:
            yield from _check_phrasing(phrasing, known, {**groups, **plot.groups}, language)
    for name in PROMPT_ROLES:
        if name not in called:
            yield f"{plot.path}: never calls @{name}."
    for role in plot.noun_roles:
        sentences = (options for paragraph in plot.paragraphs for options in paragraph if not options.optional)
        if not any(_always_names(role, options.phrasings, known, {**groups, **plot.groups}) for options in sentences):
            yield f"{plot.path}: no sentence names {{{role}}} in all its phrasings, so a story may lack the prompt's noun; mend one."


def _always_names(role: str, phrasings: list[Phrasing], known: set[str], groups: Groups) -> bool:
    """Whether each of the phrasings that a plot with the roles `known` can draw says the role's word."""
    return all(
        _always_names(role, groups[phrasing.calls].phrasings if phrasing.calls in groups else [], known, groups)
        if phrasing.calls
        else role in {name for name, _ in phrasing.forms}
        for phrasing in phrasings
        if phrasing.roles <= known
    )


def _check_phrasing(phrasing: Phrasing, known: set[str] | None, groups: Groups, language: Language) -> Iterator[str]:
    if known is not None:
        for role in sorted(phrasing.roles - known):
            yield f"{phrasing.where}: there is no role '{role}'; the header has {', '.join(sorted(known))}."
    if phrasing.calls is not None:
        if phrasing.calls not in groups:
            yield f"{phrasing.where}: there is no group @{phrasing.calls}."
        return
    literal = "".join(part for part in phrasing.parts if type(part) is str)
    if strange := _strange(literal, language):
        yield f"{phrasing.where}: holds {strange}, which is not {language.script}."
    ending = phrasing.source.rstrip().rstrip("\"'”’»)…")
    if ending and ending[-1] not in language.sentence_ends + "]}" and ending[-1] != "|":
        yield f"{phrasing.where}: ends without any of {language.sentence_ends}"


def _check_groups(groups: Groups, words: WordLists, language: Language) -> Iterator[str]:
    path = language.folder / "phrases.txt"
    for name in _REQUIRED_GROUPS:
        if not groups.get(name):
            yield f"{path}: the group @{name} is missing."
    for options in groups.values():
        for phrasing in options.phrasings:
            yield from _check_phrasing(phrasing, None, groups, language)
    for role, rows in (("verb", words.verbs), ("adjective", words.adjectives), ("feature", words.features)):
        lines = groups[role].phrasings if role in groups else []
        for kind in sorted({row.kind for row in rows}):
            fitting = [line for line in lines if all(kind in allowed for name, allowed in line.conditions if name == role)]
            if not any(line.roles <= {"hero", "place", role} for line in fitting):
                yield f"{path}: @{role} has no line for '{kind}' that gets by with {{hero}} alone."
            if role != "feature":
                for line in fitting:
                    if role not in {name for name, _ in line.forms} | _agreeing(line, role):
                        yield f"{line.where}: a line of @{role} must say {{{role}}}."


def _agreeing(line: Phrasing, role: str) -> set[str]:
    return {role} if f"{{{role}" in line.source else set()


def _not_normal(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if unicodedata.normalize("NFC", line) != line:
            yield f"{path}:{number}: is not in Unicode's form NFC."


def _strange(text: str, language: Language) -> str:
    """The letters of another script, or '' when there are none."""
    found = {c for c in text if (c.isalpha() or unicodedata.category(c)[0] == "M") and not language.in_script(c)}
    return ", ".join(f"'{c}'" for c in sorted(found - set(_JOINERS)))
