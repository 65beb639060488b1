"""Scores into a model's card: `model-index` metadata, which the Hub shows, and a table of its own in the text."""

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from backend.errors import UserError
from backend.files import writing
from backend.hub import upload_folder
from evaluation.report import means_table


def write_card(folder: Path, analysis: dict) -> str:
    """Write what an analysis says of the model in `folder` into its README.md; returns a sentence on what was done.

    An earlier section and earlier results for the same language, judge and rubric are replaced, all else stays.
    Raises UserError when the analysis does not know the model or its card cannot be read.
    """
    from huggingface_hub import EvalResult, ModelCard

    path = folder / "README.md"
    try:
        card = ModelCard(path.read_text("utf-8") if path.exists() else f"# {folder.name}\n")
    except ValueError as error:
        raise UserError(f"The card {path} cannot be read ({error}); mend its metadata.") from None
    found = [
        (group, model)
        for group in analysis["groups"]
        for model in group["models"]
        if model["model"].rpartition("/")[2] == folder.resolve().name
    ]
    if not found:
        named = sorted({model["model"] for group in analysis["groups"] for model in group["models"]})
        raise UserError(f"The ratings are of {', '.join(named)}, not of '{folder.resolve().name}'; give that model's folder.")
    results = {_place(result): result for result in card.data.eval_results or []}
    for group, model in found:
        for criterion, (mean, low, high) in model["means"].items():
            result = EvalResult(
                task_type="text-generation",
                task_name="Story completion",
                dataset_type="tinystories-regional-openings",
                dataset_name=f"{model['openings']} openings, {group['language']}",
                dataset_config=group["language"],
                metric_type=criterion,
                metric_name=f"{criterion}, 1 to 10, by {group['judge']} ({group['rubric']} rubric)",
                metric_value=round(mean, 3),
                metric_config=f"{group['judge']}, {group['rubric']} rubric",
                metric_args=({"interval_95": [round(low, 3), round(high, 3)]} if low == low else {}) | {"stories": model["stories"]},
            )
            results[_place(result)] = result
    card.data.model_name = card.data.model_name or folder.resolve().name
    card.data.eval_results = list(results.values())
    lines = ["## Evaluation", ""]
    for group, model in found:
        lines += [f"{group['language']}, judged by {group['judge']}, {group['rubric']} rubric; 95 % intervals over openings:", ""]
        lines += [*means_table([model]), ""]
    card.text = with_section(card.text, "\n".join(lines), "evaluation")
    with writing(path) as file:
        file.write(str(card))
    return f"The card {path} holds the scores."


def push_card(repo: str, analysis: dict) -> str:
    """The same for the card of a model on the Hub, `ORG/NAME`; returns a sentence. Raises UserError as `upload_folder` too."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RemoteEntryNotFoundError,
    )

    with TemporaryDirectory() as name:
        folder = Path(name) / repo.rpartition("/")[2]
        folder.mkdir()
        try:
            shutil.copy(HfApi().hf_hub_download(repo, "README.md"), folder)
        except RemoteEntryNotFoundError:
            pass  # a model without a card gets one
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
            told = str(error).splitlines()[0]
            raise UserError(f"The card of {repo} cannot be fetched ({told}); name a model that is on the Hub.") from None
        write_card(folder, analysis)
        return f"The card {upload_folder(folder, repo, 'model', message='Evaluation')} holds the scores."


def with_section(text: str, section: str, name: str) -> str:
    """A card's text with a section between comments of this name: in the earlier one's place, or at the end."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    section = f"{begin}\n{section.strip()}\n{end}"
    if begin in text and end in text:
        return re.sub(f"{begin}.*?{end}", lambda _: section, text, flags=re.DOTALL)
    return text.rstrip() + "\n\n" + section + "\n"


def _place(result) -> tuple:
    return result.dataset_config, result.metric_type, result.metric_config
