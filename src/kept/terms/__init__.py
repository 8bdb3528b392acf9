"""Words: vocabulary, identifiers, regions and their clocks, rights. No input, no output."""
