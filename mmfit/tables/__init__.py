"""The result tables: columns, rows, writing and reading."""
