"""Keeps the HTTP libraries' logs from telling secrets: httpx logs whole URLs, httpcore whole heads."""

import logging

import httpx

__all__ = ["install"]

_HTTPCORE = ("connection", "http11", "http2", "proxy", "socks")


class _WithoutSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("httpcore."):
            # "receive_response_headers.complete return_value=(…every header…)": the event's name is enough.
            record.msg, record.args = record.getMessage().partition(" ")[0], ()
        elif isinstance(record.args, tuple):
            record.args = tuple(_bare(arg) if isinstance(arg, httpx.URL) else arg for arg in record.args)
        return True


_filter = _WithoutSecrets()


def install() -> None:
    """Filter what the loggers ``httpx`` and ``httpcore.*`` say, for the whole process; harmless to repeat."""
    for name in ("httpx", *(f"httpcore.{part}" for part in _HTTPCORE)):
        logging.getLogger(name).addFilter(_filter)


def _bare(url: httpx.URL) -> str:
    return str(url.copy_with(query=None, fragment=None, userinfo=b""))
