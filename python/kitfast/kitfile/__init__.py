"""The Kitfile as a value: read, checked, matched with layers and written."""
