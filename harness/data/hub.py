"""Rows of a dataset on the Hugging Face hub, at one commit: the door to `datasets` for reading."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.errors import BadInput


@dataclass(frozen=True)
class HubDataset:
    """`owner/name` at a commit (40 hex digits), one split, and a configuration where there are several."""

    id: str
    revision: str
    split: str = "train"
    config: str | None = None

    def __str__(self) -> str:
        config = f"/{self.config}" if self.config else ""
        return f"{self.id}@{self.revision[:12]}{config}:{self.split}"


def hub_rows(source: HubDataset) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every row in its order, numbered from 1; fetched once, then read from this machine.

    Raises:
        BadInput: the source is not written as it must be, cannot be reached or cannot be read.
    """
    _check(source)
    yield from enumerate(_loaded(source), start=1)


def _check(source: HubDataset) -> None:
    rules = {
        "must be 'owner/name'": re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", source.id, re.ASCII),
        "needs a revision of 40 hex digits, because branches and tags move": re.fullmatch(
            "[0-9a-f]{40}", source.revision
        ),
    }
    problems = [f"{source}: {rule}. Correct it." for rule, is_met in rules.items() if not is_met]
    if problems:
        raise BadInput(problems)


def fetch(source: HubDataset) -> list[Path]:
    """The files that hold a dataset on this machine, fetched where they are not there.

    Raises:
        BadInput: as `hub_rows`.
    """
    _check(source)
    return [Path(file["filename"]) for file in _loaded(source).cache_files]


def is_stored(source: HubDataset) -> bool:
    """Whether a dataset is on this machine; the hub is not asked."""
    return any(_cache_of(source).rglob("*.arrow"))


def _cache_of(source: HubDataset) -> Path:
    import datasets

    # Where the hub does not answer, `datasets` takes the newest copy in its cache, whatever its revision or
    # configuration. With a cache for each of them, that copy is the right one or there is none.
    config = "default" if source.config is None else f"config-{quote(source.config, safe='')}"
    return Path(datasets.config.HF_DATASETS_CACHE) / "pinned" / source.revision / config


def _loaded(source: HubDataset) -> Any:
    import datasets

    cache = _cache_of(source)
    try:
        return datasets.load_dataset(
            f"hf://datasets/{source.id}",  # never a local folder of this name
            source.config,
            split=source.split,
            revision=source.revision,
            cache_dir=str(cache),
        )
    except ConnectionError:
        raise BadInput(
            f"{source}: is not stored on this machine, and the hub cannot be reached. Fetch it once with a "
            "network, and HF_HUB_OFFLINE not set."
        ) from None
    except datasets.exceptions.DatasetNotFoundError as error:
        raise BadInput(f"{source}: {_sentence(error)} Correct the id or the revision, or log in.") from None
    except Exception as error:  # whatever a data file makes `datasets` and its readers raise
        raise BadInput(
            f"{source}: cannot be read: {_sentence(error.__cause__ or error)} Correct the split, the "
            "configuration or the data."
        ) from None


def _sentence(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0] or type(error).__name__
    return first if first.endswith(".") else f"{first}."


def fetched_file(dataset: str, name: str, revision: str) -> Path:
    """One file of a hub dataset at a revision, from this machine's cache or else from the hub.

    Raises:
        BadInput: neither has it.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(dataset, name, repo_type="dataset", revision=revision))
    except LocalEntryNotFoundError:
        raise BadInput(
            f"{dataset}@{revision[:12]}: {name} is not stored on this machine, and the hub cannot be reached."
            " Fetch it once with a network (harness prefetch), and HF_HUB_OFFLINE not set."
        ) from None
    except (EntryNotFoundError, HfHubHTTPError) as error:
        raise BadInput(
            f"{dataset}@{revision[:12]}: {name}: {_sentence(error)} Correct the revision."
        ) from None


def is_file_stored(dataset: str, name: str, revision: str) -> bool:
    """Whether one file of a hub dataset is on this machine; the hub is not asked."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(dataset, name, revision=revision, repo_type="dataset"), str)
