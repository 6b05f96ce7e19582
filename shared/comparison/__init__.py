"""Any recorded runs beside each other, epoch by epoch and photograph by photograph."""
