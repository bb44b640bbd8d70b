"""What a solver must answer, and what it is made of; and what follows from the answers alone."""
