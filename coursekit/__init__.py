"""coursekit: data, learners and pictures for the seven lessons of the course."""
