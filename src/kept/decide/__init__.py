"""The judgement: pure functions from facts to decisions and plans."""
