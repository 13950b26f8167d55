"""The data folder: where the database and the secret of this installation lie.

Made with mode 0700 when it is not there. Never cleared, never moved. When it cannot be made or
used, `StorageError` says what to do.
"""

import contextlib
import os
import tempfile
from pathlib import Path

from nagara.storage.driver import StorageError


def database_path(folder: Path) -> Path:
    """The SQLite file in the data folder."""
    return folder / "nagara.db"


def secret_path(folder: Path) -> Path:
    """The file of the installation's secret in the data folder."""
    return folder / "secret.key"


def can_write(path: Path) -> bool:
    """Whether this user may read and write a file, or make and remove files in a folder."""
    mode = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def find_open_mode(path: Path) -> int:
    """The permissions of a file or folder if others than its owner have any; else 0."""
    mode = path.stat().st_mode & 0o777
    return mode if mode & 0o077 else 0


def make_private_file(path: Path, content: bytes = b"") -> None:
    """Make a file with mode 0600, whole or not at all; one that is there already stays as it is.

    Raises `OSError`.
    """
    # mkstemp gives mode 0600, and a link, unlike a rename, never replaces what is there.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".nagara-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)


def prepare_data_folder(folder: Path) -> None:
    """Make the folder if it is not there, and make sure that files can be made in it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the data folder {folder} cannot be made ({error.strerror}): choose another with "
            "--data or NAGARA_DATA"
        ) from error
    if not can_write(folder):
        raise StorageError(
            f"the data folder {folder} is not writable for this user: change its owner or "
            "permissions, or choose another with --data or NAGARA_DATA"
        )
