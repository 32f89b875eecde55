"""Documents rendered from values: SSCC, labels, ASN. Pure: no clock, no I/O."""
