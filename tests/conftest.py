"""Its presence puts the checkout on sys.path, so that tests can import `tests.realfiles`."""
