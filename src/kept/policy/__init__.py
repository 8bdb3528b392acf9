"""The document: a published privacy policy as a machine-readable bundle."""
