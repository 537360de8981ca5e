"""The application: data, features, folds, simulation, evaluation, reports and the commands."""
