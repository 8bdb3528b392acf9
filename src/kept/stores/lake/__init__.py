"""Parquet files as a store: a folder whose sub-folders and files are datasets.

Needs pyarrow, which the extra `lake` brings; ConfigError names it where it is not installed.
"""

from __future__ import annotations

from importlib.util import find_spec

from kept.errors import ConfigError

if find_spec("pyarrow") is None:
    raise ConfigError(
        "a store of the kind `parquet` needs pyarrow, which is not installed",
        expected="the extra `lake`",
        fix="install it: `pip install 'kept[lake]'`",
    )

from kept.stores.lake.store import ParquetSession, ParquetStore

__all__ = ["ParquetSession", "ParquetStore"]
