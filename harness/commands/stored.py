"""What of the hub is on this machine; the hub is not asked."""

from contextlib import suppress

from harness.data.hub import HubDataset, is_file_stored, is_stored
from harness.errors import BadInput
from harness.models.hub import locate
from harness.recipe.needs import HubData, HubModel


def has_model(model: HubModel) -> bool:
    """Whether all weights of a model are here."""
    with suppress(BadInput):
        locate(model.name, model.revision)
        return True
    return False


def has_data(data: HubData) -> bool:
    """Whether a dataset, or the file of it that is needed, is here."""
    if data.file is not None:
        return is_file_stored(data.name, data.file, data.revision)
    return is_stored(dataset_of(data))


def dataset_of(data: HubData) -> HubDataset:
    """As the reader of datasets takes it."""
    return HubDataset(data.name, data.revision, data.split, data.config)
