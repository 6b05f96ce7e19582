"""Public data sets from their official addresses: resumed, checked, unpacked whole or not at all."""
