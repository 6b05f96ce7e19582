"""What is written down: tables, atomic files, measures of an evaluation and findings in one photograph."""
