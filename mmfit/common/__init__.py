"""What every part uses: checks of arguments, whole-file writing, digests."""
