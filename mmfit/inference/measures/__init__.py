"""What a model explains and how well it predicts: R squared, ICC, conditional AIC."""
