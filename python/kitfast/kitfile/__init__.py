"""The Kitfile as a value: read from YAML or JSON, checked, matched with layers, written."""
