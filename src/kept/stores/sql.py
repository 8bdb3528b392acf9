"""Stores of companies' SQL databases: PostgreSQL and SQLite (MariaDB needs a driver: `mariadb`)."""

from kept.stores.postgresql import PostgreSQLStore
from kept.stores.relational import Options
from kept.stores.sqlite import SQLiteStore

__all__ = ["Options", "PostgreSQLStore", "SQLiteStore"]
