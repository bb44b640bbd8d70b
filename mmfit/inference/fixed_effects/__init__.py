"""t and F tests of the fixed effects: degrees of freedom, hypotheses, tables."""
