"""The contract: typed, versioned records with units in their names, their schema, and how they are stored."""
