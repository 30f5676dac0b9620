"""Language models: data, networks, trainings."""
