"""The arrows of the architecture: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "backend": set(),
    "trainer": {"backend"},
    "datagen": {"backend"},
    "evaluation": {"datagen", "backend"},
    "spaces": {"evaluation", "datagen", "backend"},
}


def imported_folders(path: Path) -> set[str]:
    """The project's folders that a module imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module or "")
    return {name.split(".")[0] for name in names} & MAY_IMPORT.keys()


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_point_one_way(folder):
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / folder).rglob("*.py")
        for name in imported_folders(path) - {folder} - MAY_IMPORT[folder]
    }
    assert not wrong


def test_backend_knows_no_gradio():
    wrong = [path for path in (ROOT / "backend").rglob("*.py") if "import gradio" in path.read_text("utf-8")]
    assert not wrong
