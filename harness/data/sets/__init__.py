"""One module per data set; each is found by being here."""
