"""What a Prefect flow of this house stands on: how Prefect is asked, what a run knows of others, what is deployed.

The names stand in `__init__.pyi`; each is imported when it is first asked for, since Prefect takes seconds. All else in
this package is private. `weathervane.flow.testing` has a menu of its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
