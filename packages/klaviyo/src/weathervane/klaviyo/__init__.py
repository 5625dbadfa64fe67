"""Klaviyo's campaigns, messages, variations and reports, brought into a tenant's lake.

The names stand in `__init__.pyi`; each is imported when it is first asked for, since Prefect takes seconds. All else is
private; `weathervane.klaviyo.sandbox`, the pretend vendor, has a menu of its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
