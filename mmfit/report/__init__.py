"""From fits and decisions to what is read: tables (CSV), the report (HTML), its provenance."""
