"""Image classifiers: data, networks, trainings."""
