"""The manifest of a batch on S3."""

from __future__ import annotations

from typing import Any, TypedDict

from gokart_pipeline_sample.io.manifest import Part
from gokart_pipeline_sample.pipeline.drift.make_reference import Shift


class UnseenValues(TypedDict):
    """Values of an open text feature that no training row has."""

    rows: int
    values: list[str]  # the first of them


class Manifest(TypedDict):
    """The document that describes a batch."""

    parts: list[Part]  # the predictions, in the order of the table
    rejected: list[Part]  # the rows that break the schema
    rows_in: int
    rows_published: int
    rows_rejected: int
    model: ScoringModel
    champion: dict[str, Any] | None  # the pointer to the champion, if the model is one
    table: dict[str, str]  # its fingerprint
    unseen: dict[str, UnseenValues]  # by feature
    shift: Shift | None  # None without rows


# The unique id of the task that trained the model, its decision, and its figures on the test rows (see Reference).
ScoringModel = dict[str, Any]
