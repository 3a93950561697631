"""Whether artifacts are what was written: every file of them is read."""

from harness.store.manifest import mismatches, read_manifest


def faults(root: str, name: tuple[str, str]) -> list[str] | None:
    """What is wrong with an artifact; None where there is none, as its manifest is not there.

    Raises:
        NewerStore: a newer program wrote it.
        PermissionError: it may not be read, which is no fault of what it holds.
    """
    folder = f"{root}/{'/'.join(name)}"
    try:
        manifest = read_manifest(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise
    except (ValueError, OSError) as error:
        return [str(error)]
    try:
        return list(mismatches(folder, manifest))
    except PermissionError:
        raise
    except OSError as error:  # the disk gave up, or a file went meanwhile
        return [str(error)]
