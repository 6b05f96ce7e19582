"""One zip per bundle that runs where this project is not, and the careful way to open one."""
