"""Training that can be broken off and goes on."""
