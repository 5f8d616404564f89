"""EdgeJSON: text and a JSON Schema in, JSON out. How its data are made, checked, asked and scored."""
