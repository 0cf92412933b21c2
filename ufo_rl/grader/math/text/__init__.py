"""One spelling for every answer, and where the answer stands; knows nothing of mathematics."""
