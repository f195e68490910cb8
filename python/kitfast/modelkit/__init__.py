"""The verbs: what can be done with a kit, one module each."""
