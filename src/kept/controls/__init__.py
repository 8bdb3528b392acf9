"""Controls: assertions about clauses, their runner and their evidence."""
