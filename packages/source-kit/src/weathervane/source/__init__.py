"""What every source shares: datasets, asking a vendor, runs in slices, a service, errors that say what to do.

The names stand in `__init__.pyi`; each is imported when it is first asked for, since Prefect and gRPC take seconds. All
else in this package is private. `weathervane.source.testing` and `.sandbox` have menus of their own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
