"""What an answer is worth: extraction, the grader, and the parts of the training reward."""
