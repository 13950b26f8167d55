"""`python -m tests.golden`: writes all expected files anew, and takes away those of no case."""

from tests.golden.cases import CASES, FOLDER, is_input


def main() -> None:
    """Write; what changed shows in the version control's diff."""
    expected = {case.folder / name: text for case in CASES for name, text in case.expect().items()}
    for path in FOLDER.glob("*/*/*"):
        if not is_input(path) and path not in expected:
            path.unlink()
    for path, text in expected.items():
        path.write_bytes(text.encode())


if __name__ == "__main__":
    main()
