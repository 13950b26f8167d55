"""Whom we call: one file for each provider, and this index of them.

A file here holds one `PROVIDER`, which is data: where it is, how it wants its credential, which
operations it has and where. A new provider is a new file; nothing else has to name it. There is
no network code here, and nothing outside may decide by a provider's name.
"""

import importlib
import pkgutil
from collections.abc import Mapping

from nagara.domain.catalog import Provider


def find_providers() -> Mapping[str, Provider]:
    """Every provider whose file lies beside this one, by name, in the order of the names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {module.PROVIDER.name: module.PROVIDER for module in modules}


PROVIDERS = find_providers()
SANDBOX = PROVIDERS["sandbox"]
