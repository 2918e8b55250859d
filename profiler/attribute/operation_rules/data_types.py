"""The element types of tensors, by the names and by the numbers that a trace gives them."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct


class Kind(IntEnum):
    """How types mix: the higher kind wins."""

    BOOL = 0
    INTEGER = 1
    FLOAT = 2
    COMPLEX = 3


class DataType(Struct, frozen=True):
    """An element type: torch's name for it and the bytes of one element."""

    name: str
    bytes: int
    kind: Kind


BOOL = DataType("bool", 1, Kind.BOOL)
INT64 = DataType("int64", 8, Kind.INTEGER)
FLOAT32 = DataType("float32", 4, Kind.FLOAT)
BFLOAT16 = DataType("bfloat16", 2, Kind.FLOAT)
_UINT8 = DataType("uint8", 1, Kind.INTEGER)
_INT8 = DataType("int8", 1, Kind.INTEGER)
_INT16 = DataType("int16", 2, Kind.INTEGER)
_INT32 = DataType("int32", 4, Kind.INTEGER)
_UINT16 = DataType("uint16", 2, Kind.INTEGER)
_UINT32 = DataType("uint32", 4, Kind.INTEGER)
_UINT64 = DataType("uint64", 8, Kind.INTEGER)
_FLOAT16 = DataType("float16", 2, Kind.FLOAT)
_FLOAT64 = DataType("float64", 8, Kind.FLOAT)
_COMPLEX32 = DataType("complex32", 4, Kind.COMPLEX)
_COMPLEX64 = DataType("complex64", 8, Kind.COMPLEX)
_COMPLEX128 = DataType("complex128", 16, Kind.COMPLEX)
_FLOAT8_E5M2 = DataType("float8_e5m2", 1, Kind.FLOAT)
_FLOAT8_E4M3FN = DataType("float8_e4m3fn", 1, Kind.FLOAT)
_FLOAT8_E5M2FNUZ = DataType("float8_e5m2fnuz", 1, Kind.FLOAT)
_FLOAT8_E4M3FNUZ = DataType("float8_e4m3fnuz", 1, Kind.FLOAT)

# "Input type" of a trace is the C++ name of the element.
BY_TRACED_NAME = {
    "bool": BOOL,
    "unsigned char": _UINT8,
    "signed char": _INT8,
    "short int": _INT16,
    "short": _INT16,
    "int": _INT32,
    "long int": INT64,
    "long": INT64,
    "long long": INT64,
    "unsigned short": _UINT16,
    "short unsigned int": _UINT16,
    "unsigned int": _UINT32,
    "unsigned long": _UINT64,
    "long unsigned int": _UINT64,
    "float": FLOAT32,
    "double": _FLOAT64,
    "c10::Half": _FLOAT16,
    "c10::BFloat16": BFLOAT16,
    "c10::complex<c10::Half>": _COMPLEX32,
    "c10::complex<float>": _COMPLEX64,
    "c10::complex<double>": _COMPLEX128,
    "c10::Float8_e5m2": _FLOAT8_E5M2,
    "c10::Float8_e4m3fn": _FLOAT8_E4M3FN,
    "c10::Float8_e5m2fnuz": _FLOAT8_E5M2FNUZ,
    "c10::Float8_e4m3fnuz": _FLOAT8_E4M3FNUZ,
    "c10::Float8_e8m0fnu": DataType("float8_e8m0fnu", 1, Kind.FLOAT),
    "c10::Float4_e2m1fn_x2": DataType("float4_e2m1fn_x2", 1, Kind.FLOAT),
}

# A `dtype` argument is traced as its number in torch/headeronly/core/ScalarType.h.
BY_NUMBER = {
    0: _UINT8,
    1: _INT8,
    2: _INT16,
    3: _INT32,
    4: INT64,
    5: _FLOAT16,
    6: FLOAT32,
    7: _FLOAT64,
    8: _COMPLEX32,
    9: _COMPLEX64,
    10: _COMPLEX128,
    11: BOOL,
    15: BFLOAT16,
    23: _FLOAT8_E5M2,
    24: _FLOAT8_E4M3FN,
    25: _FLOAT8_E5M2FNUZ,
    26: _FLOAT8_E4M3FNUZ,
    27: _UINT16,
    28: _UINT32,
    29: _UINT64,
}


def promoted(one: DataType, other: DataType) -> DataType:
    """The type of a result of both (torch.promote_types, but for mixed signs of one width, which models do not mix)."""
    if one.kind != other.kind:
        return max(one, other, key=lambda t: t.kind)
    if one.bytes == other.bytes and one != other and one.kind is Kind.FLOAT:
        return FLOAT32  # half and bfloat16
    return max(one, other, key=lambda t: t.bytes)
