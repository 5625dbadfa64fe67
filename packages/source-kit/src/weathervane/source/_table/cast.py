"""Text as sent becomes a column's type, exactly or not at all, a whole array at a time.

Arrow's casts are trusted only where they were seen to be right. Measured with pyarrow 26.0.1: a string whose
digits overflow while they are scaled becomes *another number* without an error (`190` as decimal128(38, 38)),
`1e-39` becomes 0, `0x1F` is an integer and `nan` a float. Texts like these take an exact path of their own,
or do not fit.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.source._table.column import Column

__all__ = ["cast_column", "expectation"]

# The years that Python, and so most readers of a table, can show.
_FIRST_YEAR, _LAST_YEAR = 1, 9999
_NOISE = decimal.Decimal("1e-6")
"""What a whole number that was computed with floats may be off."""


def cast_column(sent: pa.Array, column: Column) -> tuple[pa.Array, pa.Array]:
    """The array as the column's type, and the array as sent, with the vendor's words for "no value" made null, and with
    what stands for a value that is absent.

    A value that does not fit is null in the first and not null in the second.

    Raises:
        ValueError: The column's `convert` broke its promise of one value per value.
    """
    if column.nulls:
        no_value = pc.is_in(sent, value_set=pa.array(column.nulls, pa.string()))
        sent = pc.if_else(no_value, pa.scalar(None, sent.type), sent)
    if column.absent is not None:
        absent = str(column.absent) if pa.types.is_string(sent.type) else column.absent
        sent = pc.fill_null(sent, pa.scalar(absent, sent.type))
    if column.convert is not None:
        return _isolate(lambda part: _converted(part, column), sent, column.type), sent
    return _typed(sent, column), sent


def expectation(column: Column) -> str:
    """What a value of this column must be, to end the sentence "expected …"."""
    kind = column.type
    if column.approximate:
        noise = "once it is rounded" if pa.types.is_decimal(kind) else "but for noise below 1e-6"
        return f"a number that fits {kind} {noise}"
    if column.convert is not None:
        return f"a text that {getattr(column.convert, '__name__', 'its conversion')} can turn into {kind}"
    if pa.types.is_decimal(kind):
        return f"a decimal number that fits {kind} without rounding"
    if pa.types.is_integer(kind):
        return f"a whole number that fits {kind}"
    if pa.types.is_floating(kind):
        return "a finite number"
    if pa.types.is_date(kind):
        return "a date such as 2026-11-02"
    if pa.types.is_timestamp(kind):
        return "a time with a zone and at most six decimals, such as 2026-11-02T09:14:07Z"
    return str(kind)


def _converted(sent: pa.Array, column: Column) -> pa.Array:
    assert column.convert is not None
    result = column.convert(sent)
    if isinstance(result, pa.ChunkedArray):
        result = result.combine_chunks()
    if len(result) != len(sent):
        raise ValueError(f"convert of column {column.name!r} made {len(result)} values of {len(sent)}")
    return _typed(result, column)


def _typed(array: pa.Array, column: Column) -> pa.Array:
    if not column.approximate or not pa.types.is_string(array.type):
        return _to_type(array, column.type)
    scale = column.type.scale if pa.types.is_decimal(column.type) else 0
    # What cannot fit as it stands is not given to Arrow, which would have to find each by halving.
    plain = pc.match_substring_regex(array, rf"^-?\d+(\.\d{{0,{scale}}})?$" if scale else r"^-?\d+$")
    typed = _to_type(_null_where(pc.invert(plain), array), column.type)
    rest = pc.and_(pc.is_null(typed), pc.is_valid(array))
    rounded = pa.array(
        (_rounded(text, column.type) for text in pc.filter(array, rest).to_pylist()), column.type
    )
    return pc.replace_with_mask(typed, rest, rounded)


def _to_type(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type == kind:
        # Arrow's reader makes infinity of digits that are too many for a float.
        return _null_where(pc.invert(pc.is_finite(array)), array) if pa.types.is_floating(kind) else array
    if not pa.types.is_string(array.type):
        return _isolate(lambda part: part.cast(kind), array, kind)
    if pa.types.is_decimal(kind):
        return _to_decimal(array, kind)
    if pa.types.is_integer(kind):
        array = _null_where(pc.match_substring_regex(array, "[xX]"), array)
    result = _isolate(lambda part: part.cast(kind), array, kind)
    if pa.types.is_floating(kind):
        return _null_where(pc.invert(pc.is_finite(result)), result)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        year = pc.year(result)
        return _null_where(pc.or_(pc.less(year, _FIRST_YEAR), pc.greater(year, _LAST_YEAR)), result)
    return result


def _to_decimal(array: pa.Array, kind: pa.DataType) -> pa.Array:
    # Up to 38 - scale characters without an exponent cannot overflow 127 bits on the way: there Arrow is
    # exact (145,000 random texts agreed with Python's decimal; outside of it 1 in 20 did not).
    odd = pc.or_(
        pc.greater(pc.binary_length(array), 38 - kind.scale),
        pc.or_(pc.match_substring(array, "e"), pc.match_substring(array, "E")),
    )
    plain = _isolate(lambda part: part.cast(kind), _null_where(odd, array), kind)
    if not pc.any(odd).as_py():
        return plain
    exact = pa.array((_exact(text, kind) for text in pc.filter(array, odd).to_pylist()), kind)
    return pc.replace_with_mask(plain, pc.fill_null(odd, False), exact)


def _number(text: str) -> decimal.Decimal | None:
    # Python's own grammar is wider: it takes 1_000, other scripts' digits and white space.
    if not set(text) <= set("+-.0123456789eE"):
        return None
    try:
        return decimal.Decimal(text)
    except decimal.InvalidOperation:
        return None


def _rounded(text: str, kind: pa.DataType) -> decimal.Decimal | int | None:
    """The nearest value of the type, of two the even one; of a whole number only noise is taken off."""
    value = _number(text)
    whole = pa.types.is_integer(kind)
    digits = 19 if whole else kind.precision - kind.scale
    if value is None or (value and value.adjusted() >= digits):
        return None
    with decimal.localcontext(prec=2 * 38 + 1, rounding=decimal.ROUND_HALF_EVEN):
        near = value.quantize(decimal.Decimal((0, (1,), 0 if whole else -kind.scale)))
        if not whole:
            return near if near.adjusted() < digits or not near else None
        limit = 2 ** (kind.bit_width - 1)
        return int(near) if abs(value - near) < _NOISE and -limit <= near < limit else None


def _exact(text: str, kind: pa.DataType) -> decimal.Decimal | None:
    value = _number(text)
    if value is None:
        return None
    _sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    significant = "".join(map(str, digits)).strip("0")
    if not significant:
        return decimal.Decimal(0)
    # 1.500 and 1.5e0 are the same number: count what is left of trailing zeros.
    trailing = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    if exponent + trailing < -kind.scale or value.adjusted() >= kind.precision - kind.scale:
        return None
    with decimal.localcontext(prec=2 * kind.precision):
        return value.quantize(decimal.Decimal((0, (1,), -kind.scale)))


def _null_where(mask: pa.Array, array: pa.Array) -> pa.Array:
    if not pc.any(mask).as_py():
        return array
    return pc.if_else(pc.fill_null(mask, False), pa.scalar(None, array.type), array)


def _isolate(function: Callable[[pa.Array], pa.Array], array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The function's result, null for each value that it refuses: what fails is halved until found."""
    try:
        return function(array)
    except pa.ArrowInvalid:
        if len(array) == 1:
            return pa.nulls(1, kind)
        half = len(array) // 2
        return pa.concat_arrays(
            [_isolate(function, array.slice(0, half), kind), _isolate(function, array.slice(half), kind)]
        )
