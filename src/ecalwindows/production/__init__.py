"""Productions: many files, on one machine or many, nothing lost and nothing twice."""
