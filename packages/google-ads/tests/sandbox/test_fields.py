"""The catalogue of fields is that of the official protos."""

from __future__ import annotations

import gzip
import json
from importlib.resources import files

import pytest

from .make_fields import catalogue


@pytest.mark.slow
def test_the_catalogue_is_what_the_official_package_says():
    """Every field, type, enum and version; run `make_fields.py` when a new google-ads has more."""
    packed = files("weathervane.google_ads.sandbox").joinpath("schema/fields.json.gz").read_bytes()
    assert json.loads(gzip.decompress(packed)) == json.loads(catalogue())
