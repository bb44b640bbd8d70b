"""How precisely the fixed effects are known, by each method for the degrees of freedom."""
