"""What every record shares: immutability, strict reading, and JSON in and out."""

import json
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from greenloop.records.errors import RecordError

FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
"""The first second of year 1, and the last of year 9999."""
UnixTime = Annotated[float, Field(ge=FIRST_SECOND, le=LAST_SECOND)]
"""Seconds since 1970, within the years 1 to 9999: all that a calendar, here and in other tools, can show."""
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
"""How many, or which one from 0 on: what a database holds in a column."""


class Part(BaseModel):
    """A frozen piece of a record; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Record(Part):
    """A frozen, versioned noun. Its JSON form carries ``record`` (the noun) and ``version``."""

    VERSION: ClassVar[int] = 1

    def to_json(self) -> str:
        """Return one line of JSON with sorted keys, so that equal records give equal bytes."""
        body = self.model_dump(mode="json")
        body["record"] = type(self).__name__
        body["version"] = self.VERSION
        return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote.

        Raises ``RecordError`` when the text is no JSON, another record, or of a later version.
        """
        noun = cls.__name__
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            # a number of thousands of digits is a ValueError, thousands of brackets are a RecursionError
            raise RecordError(f"{noun}: not JSON: {error}", "was the file cut short?") from error
        if not isinstance(body, dict) or body.pop("record", None) != noun:
            raise RecordError(f"{noun}: the JSON holds something else: {text[:80]!r}")
        version = body.pop("version", None)
        if version != cls.VERSION:
            raise RecordError(
                f"{noun}: version {version!r} cannot be read, this Greenloop reads {cls.VERSION}",
                "upgrade Greenloop, or export the data again",
            )
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"])
            raise RecordError(f"{noun}: {where or 'record'}: {first['msg']}") from error
