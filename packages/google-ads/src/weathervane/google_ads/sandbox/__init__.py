"""A pretend Google Ads: one process is one OAuth project's view of its accounts, REST, versions 23 to 26.

Run it with `python -m weathervane.google_ads.sandbox`, or in a test with `running_google_ads()`. It needs the
`sandbox` extra. No client code imports it.
"""

from weathervane.google_ads.sandbox._options import GoogleAdsOptions
from weathervane.google_ads.sandbox._records import RecordsError
from weathervane.google_ads.sandbox._running import RunningGoogleAds, running_google_ads
from weathervane.google_ads.sandbox._vendor import FAULTS, PretendGoogleAds

__all__ = [
    "FAULTS",
    "GoogleAdsOptions",
    "PretendGoogleAds",
    "RecordsError",
    "RunningGoogleAds",
    "running_google_ads",
]
