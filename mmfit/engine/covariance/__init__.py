"""Where theta lies in the covariance matrices of the random terms."""
