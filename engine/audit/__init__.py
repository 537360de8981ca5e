"""The leak certificate: replace the future, rerun everything, compare the past."""
