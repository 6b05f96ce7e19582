"""A page in the browser on which one photograph, B-scan or volume is read by a bundle."""
