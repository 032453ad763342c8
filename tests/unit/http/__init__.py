"""Values of HTTP: each module's examples, its past failures elsewhere, and properties that hold for any text."""
