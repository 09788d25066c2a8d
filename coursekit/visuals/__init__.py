"""Pictures of data, training and results, each with a sentence that says the same."""
