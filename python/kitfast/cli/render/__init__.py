"""How results and progress look: text for people, JSON for programs, live bars."""
