"""One module a data set; each is found by being here."""
