"""Files that belong to the package but are not Python: found in an installed wheel and in a source checkout alike."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def fix_spec_path(name: str) -> Path:
    """Where the FIX dictionary `name` (a file name such as "FIX44.xml") lies.

    Raises:
        FileNotFoundError: there is none of that name; the message lists those that there are.
    """
    folder = _folder("fix_specs")
    path = folder / name
    if path.parent != folder or not path.is_file():
        there = ", ".join(sorted(each.name for each in folder.glob("*.xml"))) or "none"
        raise FileNotFoundError(f'there is no FIX dictionary "{name}"; there is: {there}')
    return path


def _folder(name: str) -> Path:
    """A wheel carries the folder inside the package, a checkout has it beside it."""
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name
