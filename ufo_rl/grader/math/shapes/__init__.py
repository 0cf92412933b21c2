"""What is built of formulas: lists, sets, matrices, equations."""
