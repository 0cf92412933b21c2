"""What words around a value say: units, conditions, choices."""
