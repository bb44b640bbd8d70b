"""The criterion with one parameter held, for profile likelihoods."""
